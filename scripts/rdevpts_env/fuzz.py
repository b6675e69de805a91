# SPDX-License-Identifier: GPL-2.0
"""`make fuzz`: the model with libFuzzer on the host, then system calls in a virtual machine."""

import os

from . import accel, jobs, paths, setup
from .build import Builder
from .fail import Fail
from .tally import Tally, TapReader
from .testing import tap
from .vm import Machine

# How long it all takes by default, without the builds.
SECONDS = 1200
# What a boot, the ends of rounds and slow machines may take beyond that.
GRACE = 600
MODEL = paths.REPO / "tests" / "fuzz" / "model"


def _system_calls(tally: Tally, builder: Builder, seconds: int, seed: str) -> None:
    """That long in the virtual machine."""
    name = "fuzz of system calls"
    reader = TapReader(tally, name)

    def line(text: str) -> None:
        # The tables of what was called are part of the result.
        if text.startswith("# "):
            print(text, flush=True)
        else:
            reader.line(text)

    machine = Machine("fuzz-long", setup=builder.setup, accel=accel.choose(builder.setup), timeout=seconds + GRACE,
                      env={"FSTYPE": "none"})
    machine.put(builder.products / "rdevpts.ko", "rdevpts.ko")
    machine.put(builder.programs / "rdevpts-fuzz", "bin/rdevpts-fuzz")
    machine.script("insmod /rdevpts/rdevpts.ko || exit\n"
                   f"exec /rdevpts/bin/rdevpts-fuzz --seconds {seconds} --seed {seed}\n")
    outcome = machine.run(line)
    print(f"# {name}: {outcome.seconds:.0f} s", flush=True)
    reader.end(None if outcome.ok else f"{outcome} (kernel log {jobs.shown(outcome.console)})")


def run() -> int:
    """Half the time each. SECONDS and SEED in the environment say how long in all, and from where: `clock` if not given."""
    wanted = os.environ.get("SECONDS") or str(SECONDS)
    seed = os.environ.get("SEED") or "clock"
    if not wanted.isdigit() or not (seed.isdigit() or seed == "clock"):
        raise Fail(f"SECONDS={wanted} SEED={seed}: not a number")
    half = max(int(wanted) // 2, 1)

    builder = Builder(setup.demo_setup())
    builder.require("rdevpts-fuzz")
    tally = Tally()
    targets = len(list((MODEL / "src" / "bin").glob("*.rs")))
    tap(tally, builder, "fuzz of the model", "fuzz/model", str(max(half // targets, 1)))
    _system_calls(tally, builder, half, seed)
    print(tally.summary(), flush=True)
    return 0 if tally.ok else 1
