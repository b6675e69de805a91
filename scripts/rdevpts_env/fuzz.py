# SPDX-License-Identifier: GPL-2.0
"""`make fuzz`: the model with libFuzzer on the host, then system calls in a virtual machine."""

import os
from collections.abc import Callable

from . import accel, jobs, paths, setup
from .build import Builder
from .fail import Fail
from .guest import Outcome
from .progress import Step
from .tally import Tally, TapReader
from .vm import Machine

# How long it all takes by default, without the builds.
SECONDS = 1200
# What a boot, the ends of rounds and slow machines may take beyond that.
GRACE = 600
MODEL = paths.REPO / "tests" / "fuzz" / "model"


def targets() -> list[str]:
    """The model's fuzz targets."""
    return sorted(path.stem for path in (MODEL / "src" / "bin").glob("*.rs"))


def model(tally: Tally, builder: Builder, seconds: int) -> None:
    """Each target for that long, on the host."""
    log = paths.logs() / "fuzz-model.log"
    reader = TapReader(tally, "fuzz of the model")
    status, _ = builder.logged([str(MODEL / "run"), str(seconds)], log, reader.line)
    reader.end(f"exit status {status} (see {jobs.shown(log)})" if status else None)


def system_calls(tally: Tally, boot: Callable[[str, Callable[[str], None]], Outcome], seconds: int, seed: str,
                 name: str = "fuzz of system calls") -> None:
    """That long in the machine that `boot` boots: it is given a shell script for a guest that has rdevpts.ko and
    bin/rdevpts-fuzz in its share and nothing mounted, and what takes each line that the script prints."""
    reader = TapReader(tally, name)

    def line(text: str) -> None:
        # The tables of what was called are part of the result.
        if text.startswith("# "):
            print(text, flush=True)
        else:
            reader.line(text)

    outcome = boot("insmod /rdevpts/rdevpts.ko || exit\n"
                   f"exec /rdevpts/bin/rdevpts-fuzz --seconds {seconds} --seed {seed}\n", line)
    print(f"# {name}: {outcome.seconds:.0f} s", flush=True)
    reader.end(None if outcome.ok else f"{outcome} (kernel log {jobs.shown(outcome.console)})")


def run() -> int:
    """Half the time each. SECONDS and SEED in the environment say how long in all, and from where: `clock` if not given."""
    wanted = os.environ.get("SECONDS") or str(SECONDS)
    seed = os.environ.get("SEED") or "clock"
    if not wanted.isdigit() or not (seed.isdigit() or seed == "clock"):
        raise Fail(f"SECONDS={wanted} SEED={seed}: not a number")
    half = max(int(wanted) // 2, 1)

    ready = setup.demo_setup()
    builder = Builder(ready)
    log = paths.logs() / "fuzz-build.log"
    with Step("build of the module and of the fuzzers"):
        status, _ = builder.logged(builder.make("modules"), log)
        if status == 0:
            argv = ["cargo", "build", "--release", "-p", "rdevpts-fuzz", builder.jobs()]
            status, _ = builder.logged(argv, log)
    if status:
        raise Fail(f"it does not build: see {jobs.shown(log)}")

    def boot(script: str, on_line: Callable[[str], None]) -> Outcome:
        machine = Machine("fuzz-long", setup=ready, accel=accel.choose(ready), timeout=half + GRACE, env={"FSTYPE": "none"})
        machine.put(builder.products / "rdevpts.ko", "rdevpts.ko")
        machine.put(builder.programs / "rdevpts-fuzz", "bin/rdevpts-fuzz")
        machine.script(script)
        return machine.run(on_line)

    tally = Tally()
    model(tally, builder, max(half // len(targets()), 1))
    system_calls(tally, boot, half, seed)
    print(tally.summary(), flush=True)
    return 0 if tally.ok else 1
