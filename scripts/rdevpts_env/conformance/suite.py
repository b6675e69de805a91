# SPDX-License-Identifier: GPL-2.0
"""The suites: one shell script each in tests/conformance/suites.

Comments at the top of a script say what it wants:

    # source: expect                Debian source packages whose upstream source it needs; `linux` is the KDIR's source
    # debian: tmux                  the same, for the part that Debian adds
    # package: expect               the packages under test, whose versions are told
    # format: tcltest               how its output is read (see `results`)
    # passes: 29                    how many of its tests must pass on devpts at least, or it did not run as it should
    # timeout: 300                  seconds for one boot (default 1800)
    # memory: 2048                  MiB (default 2048)
    # short: yes                    it belongs to `make test` too

and the script defines `run`, which is called in the virtual machine, in a writable directory, with the sources and what was
built in $SUITE (read-only); and `build`, if there is something to build, which is called in the Debian root of the guest, in
the directory that will be $SUITE. A line `== name` in the output begins a part of the suite, and `== name: exit N` ends it.
"""

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path

from .. import paths
from ..fail import Fail

DIRECTORY = paths.REPO / "tests" / "conformance" / "suites"

_FIELDS = ("source", "debian", "package", "format", "passes", "timeout", "memory", "short")


@dataclass(frozen=True)
class Suite:
    """One script, and what it wants."""

    path: Path
    wants: dict[str, str]
    text: str

    @property
    def name(self) -> str:
        """What it is called in the results."""
        return self.path.stem

    def list(self, field: str) -> list[str]:
        """A field of several words."""
        return self.wants.get(field, "").split()

    def number(self, field: str, default: int) -> int:
        """A field that is a number."""
        return int(self.wants.get(field, default))

    @property
    def build(self) -> str:
        """The text of the function `build`; empty if there is none."""
        found = re.search(r"^build\(\) \{\n.*?^\}\n", self.text, re.M | re.S)
        return found[0] if found else ""


def read(path: Path) -> Suite:
    """One script."""
    text = path.read_text(encoding="utf-8")
    wants = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        field = re.match(rf"^# ({'|'.join(_FIELDS)}): (.*)$", line)
        if field:
            wants[field[1]] = field[2].strip()
    if "format" not in wants or "passes" not in wants:
        raise Fail(f"{path}: it must say its format and how many tests must pass")
    return Suite(path, wants, text)


def find(pattern: str = "*", short: bool = False) -> list[Suite]:
    """The suites whose names fit, in order; or only those that belong to `make test`."""
    every = [read(path) for path in sorted(DIRECTORY.glob("*.sh"))]
    return [suite for suite in every if fnmatch.fnmatch(suite.name, pattern) and (not short or "short" in suite.wants)]
