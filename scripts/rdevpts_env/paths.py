# SPDX-License-Identifier: GPL-2.0
"""Where things are: the sources, their build products, the cache."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build"
LOGS = BUILD / "logs"


def cache() -> Path:
    """What is expensive to make and the same for every checkout of one user."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base).resolve() / "rdevpts"


def logs() -> Path:
    """The directory of log files, made on first use."""
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS
