# SPDX-License-Identifier: GPL-2.0
"""What KCSAN reports: two accesses to the same memory, one of them a write, that no lock and no marking keeps apart.

The stock kernel has many such, so that its reports do not kill it here; which of them count is decided from the log, when the
jobs are over. One counts if a function of the module is on the stack of either access. What is left out then is a race of
which both accesses are in the kernel's own functions, and which is there on C devpts as well: it was seen there by a job of the
same run, or tests/vm/races.toml has it with a reason. Which accesses are watched is chance: where a race would count that devpts has
not shown, the job that met it runs there again, before that is said.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from . import paths
from .fail import Fail
from .tally import Tally

KNOWN = paths.REPO / "tests" / "vm" / "races.toml"
OURS = "[rdevpts]"

# Who says it (a task or a processor) keeps apart the lines of reports and what others say meanwhile.
_LINE = re.compile(r"\[ *[0-9]+\.[0-9]+\](?:\[ *([TC][0-9]+)\])? ?(.*)$")
_TITLE = re.compile(r"BUG: KCSAN: (.*)$")
_ACCESS = re.compile(r" to 0x[0-9a-f]+ of [0-9]+ bytes by .* on cpu [0-9]+:$")
_FRAME = re.compile(r"^ +([^ +]+)\+0x[0-9a-f]+/0x[0-9a-f]+( \[[^\]]+\])?")
_END = "=" * 66


@dataclass
class Report:
    """One race."""

    title: str
    lines: list[str] = field(default_factory=list)
    stacks: list[list[str]] = field(default_factory=list)
    """Of each access, the innermost function first; one of a module has its name behind it."""

    @property
    def functions(self) -> tuple[str, ...]:
        """Where the accesses are; one, if the other is unknown."""
        return tuple(sorted(stack[0] if stack else "?" for stack in self.stacks))

    @property
    def ours(self) -> bool:
        """Whether the module has to do with it."""
        return any(OURS in line for line in self.lines)

    @property
    def elsewhere(self) -> bool:
        """Whether both accesses are in functions of the kernel."""
        return not any(OURS in function for function in self.functions)


def read(console: Iterable[str]) -> list[Report]:
    """Every report of a kernel's log."""
    found: list[Report] = []
    under_way: dict[str, Report] = {}
    for line in console:
        match = _LINE.search(line)
        if not match:
            continue
        caller, text = match[1], match[2].rstrip()
        title = _TITLE.search(text)
        if title:
            under_way[caller] = Report(title[1])
            found.append(under_way[caller])
        report = under_way.get(caller)
        if not report:
            continue
        if text.startswith(_END):
            del under_way[caller]
            continue
        report.lines.append(text)
        frame = _FRAME.match(text)
        if _ACCESS.search(text):
            report.stacks.append([])
        elif frame and report.stacks:
            report.stacks[-1].append(frame[1] + (frame[2] or ""))
    return found


def known(path: Path = KNOWN) -> dict[tuple[str, ...], str]:
    """Races of the kernel's own that are met in calls of the module: where they are, and the reason."""
    found = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("known", []):
        if not entry.get("functions") or not entry.get("reason") or any(OURS in name for name in entry["functions"]):
            raise Fail(f"{path}: an entry needs functions of the kernel, and a reason")
        found[tuple(sorted(entry["functions"]))] = entry["reason"]
    return found


@dataclass
class _Heard:
    """What one job reported."""

    name: str
    job: str
    console: Path
    reports: list[Report]


class Judge:
    """What counts, over the jobs of one run."""

    def __init__(self, known: dict[tuple[str, ...], str]) -> None:
        self._known = known
        self._on_devpts: set[tuple[str, ...]] = set()
        self._heard: list[_Heard] = []

    def hear(self, name: str, job: str, fstype: str, console: Path) -> None:
        """Take what a boot of `job`, called `name` in results, left in its log."""
        with open(console, encoding="utf-8") as lines:
            reports = read(lines)
        if fstype == "devpts":
            self._on_devpts.update(report.functions for report in reports)
        self._heard.append(_Heard(name, job, console, reports))

    def _counts(self, report: Report) -> bool:
        where = report.functions
        return report.ours and not (report.elsewhere and (where in self._known or where in self._on_devpts))

    def open(self) -> set[str]:
        """The jobs with races that count only because devpts has not shown them: once more on devpts, they may be seen there."""
        return {heard.job for heard in self._heard
                if any(report.elsewhere and report.stacks and self._counts(report) for report in heard.reports)}

    def verdict(self, tally: Tally) -> None:
        """Tell what each job reported, and whether that counts."""
        for heard in self._heard:
            counting = [report for report in heard.reports if self._counts(report)]
            others = Counter(" / ".join(report.functions) for report in heard.reports if not self._counts(report))
            for where in dict.fromkeys(report.functions for report in counting):
                same = [report for report in counting if report.functions == where]
                tally.bad(f"{heard.name}: {same[0].title}", f"{len(same)} times; see {os.path.relpath(heard.console, paths.REPO)}")
                for line in same[0].lines:
                    tally.note(f"    # {line}")
            if not counting:
                tally.good(f"{heard.name}: no race")
            for where, count in others.most_common():
                tally.note(f"#     {count} times, of the kernel's own: {where}")
