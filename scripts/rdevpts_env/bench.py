# SPDX-License-Identifier: GPL-2.0
"""`make bench`: C devpts, rdevpts and a pipe, side by side on one unmodified kernel, by two clocks.

Wall-clock time under an emulator or a hypervisor is what a person would see there, and noisy; instruction-counted time is
repeatable, and blind to what instructions cost. Where both agree, it is so.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from . import accel, flavours, jobs, paths, setup, tables
from .bounds import Record
from .build import Builder
from .custom import Custom
from .fail import Fail
from .guest import Guest
from .progress import Step, say
from .root import environment
from .uml import UmlMachine
from .vm import Machine

OUT = paths.BUILD / "bench"
RESULTS = OUT / "results.json"
PLOT = paths.REPO / "bench" / "plot.py"
DOCUMENTATION = paths.REPO / "Documentation"
PAGE = DOCUMENTATION / "performance.rst"

ROUNDS = 7

# 20 MB of lines take long where an instruction or a system call does; it is the same as the 80-byte writes there.
_LONG = "ls -lR"

_PROGRESS = re.compile(r"^\[ *(\d+)/(\d+) +\d+ s\] (.*)")


@dataclass(frozen=True)
class Act:
    """One boot."""

    clock: str
    cpus: int
    only: str = ""
    skip: str = ""
    round_ms: int = 50
    timeout: float = 900

    @property
    def title(self) -> str:
        """What it is called on the screen."""
        return f"{self.clock}, {tables.cpus(self.cpus)}"


def _acts(cpus: int, only: str) -> Iterator[Act]:
    slow = "" if only else _LONG
    yield Act("wall", cpus, only)
    yield Act("icount", cpus, only, skip=slow, round_ms=10)
    if cpus > 1 and not only:
        yield Act("wall", 1, "80-byte")
        yield Act("icount", 1, "80-byte", round_ms=10)


def _options(act: Act, rounds: int, machine: str) -> str:
    """The benchmark's command line, for a shell."""
    words = ["--rounds", rounds, "--round-ms", act.round_ms, "--clock", act.clock, "--machine", machine,
             "--json", "/rdevpts/out/results.json"]
    words += ["--only", act.only] if act.only else []
    words += ["--skip", act.skip] if act.skip else []
    return " ".join(f"'{word}'" for word in words)


def _perform(act: Act, builder: Builder, how: str, rounds: int) -> list[Record]:
    machine = Machine(f"bench-{act.clock}-{act.cpus}", setup=builder.setup, accel=how, cpus=act.cpus, timeout=act.timeout,
                      icount=act.clock == "icount", env={"FSTYPE": "devpts"})
    return _measure(act, f"QEMU, {act.title}", machine, builder.products / "rdevpts.ko", builder,
                    _options(act, rounds, "qemu"))


def _measure(act: Act, what: str, machine: Guest, module: Path, builder: Builder, options: str) -> list[Record]:
    machine.put(module, "rdevpts.ko")
    machine.put(builder.programs / "rdevpts-bench", "bin/rdevpts-bench")
    machine.script(f"insmod /rdevpts/rdevpts.ko && exec /rdevpts/bin/rdevpts-bench {options}\n")
    with Step(what) as step:
        outcome = machine.run(lambda line: _note(line, step))
    if not outcome.ok:
        raise Fail(f"{what}: {outcome} (kernel log {jobs.shown(outcome.console)})")
    return json.loads((machine.share / "out" / "results.json").read_text(encoding="utf-8"))


def _prepare_uml(builder: Builder, cpus: int) -> tuple[Custom, Path]:
    """The kernel, and the module for it."""
    if cpus > flavours.CPUS:
        raise Fail(f"CPUS={cpus}: User Mode Linux has {flavours.CPUS} processors at most here")
    linux = Custom(builder.setup.root, builder.setup.kernel, "bench")
    linux.require()
    return linux, linux.module(builder)


def _perform_on_uml(act: Act, linux: Custom, module: Path, builder: Builder, rounds: int) -> list[Record]:
    machine = UmlMachine(f"bench-uml-{act.cpus}", kernel=linux, root=builder.setup.root, cpus=act.cpus, timeout=act.timeout,
                         env={"FSTYPE": "devpts"})
    return _measure(act, f"User Mode Linux, {act.title}", machine, module, builder, _options(act, rounds, "uml"))


def _note(line: str, step: Step) -> None:
    """Show how far it is; pass complaints on."""
    found = _PROGRESS.match(line)
    if found:
        step.detail = f"({found[1]} of {found[2]}: {found[3]})"
    elif line.startswith("rdevpts-bench: "):
        say(line)


def _plot(ready: setup.Setup) -> None:
    """Draw what the results say, with a library from a Debian root of its own."""
    ready.plots.require()
    argv = ["python3", str(PLOT), str(RESULTS), str(OUT)]
    with Step("plots"):
        command = ready.plots.command(argv, [OUT], [PLOT.parent], cwd=OUT)
        done = subprocess.run(command, capture_output=True, text=True, env=environment(MPLCONFIGDIR="/tmp"))
    if done.returncode:
        raise Fail(f"plots: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def _document(records: list[Record]) -> None:
    """Put the tables and the plots of this run into Documentation."""
    page = PAGE.read_text(encoding="utf-8")
    begin, end = ".. begin of results\n", "\n.. end of results\n"
    head, rest = page.split(begin)
    tail = rest.split(end)[1]
    PAGE.write_text(f"{head}{begin}\n{tables.rst(records)}{end}{tail}", encoding="utf-8")
    plots = DOCUMENTATION / "plots"
    plots.mkdir(exist_ok=True)
    for plot in OUT.glob("*.svg"):
        shutil.copy(plot, plots)


def _number(name: str, default: int, least: int) -> int:
    given = os.environ.get(name) or str(default)
    if not given.isdecimal() or int(given) < least:
        raise Fail(f"{name}={given}: a number of at least {least} is wanted")
    return int(given)


def run() -> int:
    """Build, measure, show."""
    begin = time.monotonic()
    rounds, cpus = _number("ROUNDS", ROUNDS, ROUNDS), _number("CPUS", 2, 1)
    only = os.environ.get("ONLY", "")
    ready = setup.demo_setup()
    builder = Builder(ready)
    builder.require("rdevpts-bench")
    second = _prepare_uml(builder, cpus) if os.environ.get("UML") else None
    acts = list(_acts(cpus, only))
    how = accel.choose(ready)
    records: list[Record] = []
    for act in acts:
        records += _perform(act, builder, how, rounds)
    for act in (act for act in acts if second and act.clock == "wall"):
        records += _perform_on_uml(act if only else replace(act, skip=_LONG), *second, builder, rounds)

    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    RESULTS.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    choice = ready.kernel.choice
    print(f"\nstock kernel {choice.release} (Debian {choice.version}), QEMU {how}; medians of {rounds} rounds")
    print(tables.text(records))
    if only:
        say("no plots of a part")
    else:
        _plot(ready)
        if os.environ.get("DOC"):
            _document(records)
    print(f"{jobs.shown(OUT)}/: results.json{'' if only else ', plots'}; {time.monotonic() - begin:.0f} s in all")
    return 0
