# SPDX-License-Identifier: GPL-2.0
"""A kernel log with the module's addresses as lines of its source."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .build import Builder
from .fail import Fail

_FRAME = re.compile(r"([\w.$]+\+0x[0-9a-f]+/0x[0-9a-f]+) \[rdevpts\b")


def frames(lines: Iterable[str]) -> list[str]:
    """What the log has of the module's functions, as `function+offset/size`, each once."""
    return list(dict.fromkeys(frame for line in lines for frame in _FRAME.findall(line)))


def decoded(said: str) -> dict[str, list[str]]:
    """What the kernel's faddr2line says of each frame."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in said.splitlines():
        if line.endswith(":") and "+0x" in line:
            lines = found.setdefault(line[:-1], [])
        elif line.strip():
            lines.append(line)
    return found


def run(builder: Builder, log: Path, module: Path) -> int:
    """Print the log, with Rust's names; after a line with a frame, where that is: the innermost of inlined functions first."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    wanted = frames(lines)
    where: dict[str, list[str]] = {}
    if wanted:
        script = builder.setup.kdir.source / "scripts" / "faddr2line"
        where = decoded(_output(builder, [str(script), str(module.resolve()), *wanted], ""))
    text = []
    for line in lines:
        text.append(line)
        text += [f"              {part.strip()}" for frame in _FRAME.findall(line) for part in where.get(frame, [])]
    print(_output(builder, ["c++filt", "-s", "rust"], "\n".join(text)))
    return 0


def _output(builder: Builder, argv: list[str], said: str) -> str:
    done = subprocess.run(builder.inside(argv), input=said, capture_output=True, text=True)
    if done.returncode:
        raise Fail(f"{Path(argv[0]).name}: {done.stderr.strip()[-200:]}")
    return done.stdout
