# SPDX-License-Identifier: GPL-2.0
"""`make matrix`: stock kernels of several suites, series and flavours, one after the other: the module is built for each, and
the behaviour suite and the reproducer run on it, beside C devpts. What was made for this alone is given back.
"""

import fnmatch
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import accel, jobs, kernel, paths, setup
from .apt import Apt
from .build import Builder
from .cache import Entry, Lock
from .fail import Fail
from .kernel import FORKY, SERIES, TRIXIE, Choice
from .platforms import Stock
from .setup import Setup
from .tally import Tally
from .testing import end, step

# Where kernels are looked for.
SUITES = (TRIXIE, FORKY)
# All of these of the newest series in each place, and the first of older series.
FLAVOURS = ("cloud-amd64", "amd64", "rt-amd64")
JOBS = ("load", "suite", "reproducer")
PROGRAMS = ("rdevpts-suite", "rdevpts-reproducer")


@dataclass
class Row:
    """One kernel."""

    release: str
    compilers: str = "-"
    tally: Tally = field(default_factory=lambda: Tally(quiet=True))
    seconds: float = 0.0
    root: Entry | None = None
    """What has its compilers, if nothing else is done with them."""


def rule(every: list[Choice]) -> list[Choice]:
    """Which of the kernels of one place, of which the newest come first, are run on."""
    found: dict[tuple[str, str], Choice] = {}
    for choice in every:
        if choice.series in SERIES and choice.flavour in FLAVOURS:
            found.setdefault((choice.series, choice.flavour), choice)
    newest = min((series for series, _ in found), key=SERIES.index, default="")
    chosen = [choice for (series, flavour), choice in found.items() if series == newest or flavour == FLAVOURS[0]]
    return sorted(chosen, key=lambda choice: (SERIES.index(choice.series), FLAVOURS.index(choice.flavour)))


def _releases(pattern: str) -> list[str]:
    """The kernels of the rule whose names fit; a name that is no pattern stands for itself."""
    found = []
    for word in pattern.split():
        if re.search(r"[*?[]", word):
            every = [choice.release for suites in SUITES for choice in rule(kernel.available(Apt(suites)))]
            found += fnmatch.filter(every, word)
        else:
            found.append(word)
    return list(dict.fromkeys(found))


def _there() -> set[Path]:
    """What the cache has."""
    return set(paths.cache().glob("*/*"))


def _drop(entries: list[Entry], there: set[Path]) -> None:
    """Give back what was not there before."""
    for entry in entries:
        if entry.path not in there:
            with Lock(entry.title):
                entry.discard()


def _run(ready: Setup, row: Row) -> None:
    """Build, boot, count."""
    row.compilers = f"{ready.kernel.compiler.removeprefix('x86_64-linux-gnu-')} {' '.join(ready.root.rustc().split()[:2])}"
    builder = Builder(ready)
    programs = [word for name in PROGRAMS for word in ("-p", name)]
    if not step(row.tally, builder, f"build of the module for {row.release}", builder.make("modules")):
        return
    step(row.tally, builder, "build of the host programs", ["cargo", "build", "--release", *programs, builder.jobs()])
    platform = Stock(builder, accel.choose(ready), row.release)
    for name in JOBS:
        for job in jobs.find(name, "stock"):
            jobs.run(job, builder, platform, row.tally)


def _one(release: str, keep: bool) -> Row:
    row = Row(release)
    begin = time.monotonic()
    there, kept = _there(), kernel.is_kept(release)
    try:
        ready = setup.prepare_release(release)
        ready.tools.require()
        row.root = ready.root.entry if ready.root is not ready.tools else None
        begin = time.monotonic()
        _run(ready, row)
        if not keep:
            _drop([ready.kdir.entry, ready.kernel.entry], there)
            if not kept:
                kernel.forget(release)
    except Fail as fail:
        row.tally.bad(release, str(fail))
    row.seconds = time.monotonic() - begin
    print(f"# {release}: {row.tally.summary()}", flush=True)
    return row


def table(rows: list[Row]) -> list[str]:
    """For people."""
    lines = [("kernel", "compilers", "passed", "failed", "skipped", "seconds")]
    lines += [(row.release, row.compilers, str(row.tally.passed), str(len(row.tally.failures)), str(row.tally.skipped),
               f"{row.seconds:.0f}") for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join(cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths)))
            for line in lines]


def run(pattern: str, keep: bool) -> int:
    """All kernels whose names fit the pattern."""
    begin = time.monotonic()
    releases = _releases(pattern)
    if not releases:
        raise Fail(f"KERNELS={pattern}: no kernel of the matrix fits")
    print(f"# kernels: {' '.join(releases)}", flush=True)
    there = _there()
    rows = [_one(release, keep) for release in releases]
    if not keep:
        _drop(list({row.root.path: row.root for row in rows if row.root}.values()), there)
    tally = Tally()
    for row in rows:
        tally.add(row.tally)
    print()
    print("\n".join(table(rows)))
    return end(tally, begin)
