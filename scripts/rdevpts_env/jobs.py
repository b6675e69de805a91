# SPDX-License-Identifier: GPL-2.0
"""The jobs that run in a virtual machine: one file each in tests/vm/jobs.

A job is a script (any language the Debian root has) that prints TAP with a plan. Comments at its top say what it wants:

    # timeout: 120                    seconds (default 120)
    # cpus: 2                         processors (default 2)
    # memory: 1024                    MiB (default 1024)
    # kernel: stock debug             which it is for: the stock kernel (default), those with checkers, or one of these
    # test: memory                    which of those with checkers `make test` runs it on, too
    # fstype: devpts rdevpts          what is on /dev/pts; one boot for each (default rdevpts; none leaves it empty)
    # root: guest                     another Debian root, with many programs and everything writable (see root.py)
    # needs: bin/rdevpts-reproducer   what must be in /rdevpts (see platforms.py)
    # append: slub_debug=F            more for the kernel's command line
    # dies: NULL pointer dereference  the job passes if the kernel dies saying this, and prints no TAP

Every boot is a fresh machine, and any oops or WARN kills it.
"""

import fnmatch
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from . import paths
from .build import Builder
from .fail import Fail
from .platforms import Platform
from .root import Root
from .tally import Tally, TapReader

DIRECTORY = paths.REPO / "tests" / "vm" / "jobs"


@dataclass
class Job:
    """One script, and what it wants."""

    path: Path
    wants: dict[str, str]

    @property
    def name(self) -> str:
        """What it is called in the results: the file's name without order and suffix."""
        return re.sub(r"^\d+-", "", self.path.stem)

    def list(self, field: str, default: str = "") -> list[str]:
        """A field of several words."""
        return self.wants.get(field, default).split()

    def number(self, field: str, default: int) -> int:
        """A field that is a number."""
        return int(self.wants.get(field, default))

    def on_rdevpts(self) -> "Job":
        """The same without its boots on C devpts, which may be all."""
        return self._on(lambda fstype: fstype != "devpts")

    def on_devpts(self) -> "Job":
        """The same with its boots on C devpts alone, if there is one."""
        return self._on(lambda fstype: fstype == "devpts")

    def _on(self, fits: Callable[[str], bool]) -> "Job":
        types = [fstype for fstype in self.list("fstype", "rdevpts") if fits(fstype)]
        return replace(self, wants=self.wants | {"fstype": " ".join(types)})


def find(pattern: str, *kernels: str) -> list[Job]:
    """The jobs for any of these kernels whose names fit, in order."""
    found = []
    for path in sorted(DIRECTORY.glob("*.*")):
        wants = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            field = re.match(r"^# (timeout|cpus|memory|kernel|test|fstype|root|needs|append|dies): (.*)$", line)
            if field:
                wants[field[1]] = field[2].strip()
        job = Job(path, wants)
        if fnmatch.fnmatch(job.name, pattern) and not set(kernels).isdisjoint(job.list("kernel", "stock")):
            found.append(job)
    return found


def root_of(job: Job, builder: Builder) -> Root | None:
    """The root that the job wants, if it is not that of the tool chain; made now if need be."""
    wanted = job.wants.get("root")
    if wanted is None:
        return None
    if wanted != "guest":
        raise Fail(f"{shown(job.path)}: there is no root {wanted}")
    builder.setup.guest.require()
    return builder.setup.guest


def run(job: Job, builder: Builder, platform: Platform, tally: Tally) -> None:
    """Boot once for each file system that the job names, and count what it prints."""
    have = platform.supplies()
    other = f" ({platform.tag} kernel)" if platform.tag else ""
    for fstype in job.list("fstype", "rdevpts"):
        name = f"{job.name} on {fstype}" if len(job.list("fstype")) > 1 else job.name
        name += other
        needs = ["rdevpts.ko", *job.list("needs")] if fstype != "devpts" else job.list("needs")
        missing = [need for need in needs if need not in have or not have[need].exists()]
        if missing:
            tally.bad(name, f"not built: {' '.join(missing)}")
            continue
        label = f"{job.name}-{fstype}" + (f"-{platform.tag}" if other else "")
        machine = platform.machine(label, root_of(job, builder), cpus=job.number("cpus", 2),
                                   memory=job.number("memory", 1024), timeout=job.number("timeout", 120),
                                   append=job.wants.get("append", ""), env={"FSTYPE": fstype, "KERNEL": platform.name})
        for need in needs:
            machine.put(have[need], need)
        machine.put(job.path, "job")
        (machine.share / "job").chmod(0o755)
        log = paths.logs() / f"{label}.tap"
        reader = TapReader(tally, name)
        with open(log, "w", encoding="utf-8") as out:

            def line(text: str) -> None:
                out.write(text + "\n")
                out.flush()
                reader.line(text)

            outcome = machine.run(line)
        tally.note(f"# {name}: {outcome.seconds:.0f} s")
        if "dies" in job.wants:
            if outcome.panic and job.wants["dies"] in outcome.panic:
                tally.good(f"{name}: the kernel died as it must: {outcome.panic}")
            else:
                tally.bad(name, f"the kernel should have died ({outcome}; kernel log {shown(outcome.console)})")
            continue
        trouble = None if outcome.ok else f"{outcome} (output {shown(log)}, kernel log {shown(outcome.console)})"
        reader.end(trouble)
        platform.hear(name, job.name, fstype, outcome)


def shown(path: Path) -> str:
    """A path as a person at the top of the sources would type it."""
    return os.path.relpath(path, paths.REPO)
