# SPDX-License-Identifier: GPL-2.0
"""`make fuzz`: the model with libFuzzer on the host, then system calls on the stock kernel and on one with KASAN."""

import os

from . import accel, jobs, paths, setup
from .build import Builder
from .fail import Fail
from .platforms import Checked, Platform, Stock
from .tally import Tally, TapReader
from .testing import tap

# How long it all takes by default, without the builds.
SECONDS = 1200
# What a boot, the ends of rounds and slow machines may take beyond that.
GRACE = 600
# The kernel with KASAN.
_FLAVOUR = "memory"
MODEL = paths.REPO / "tests" / "fuzz" / "model"


def _system_calls(tally: Tally, platform: Platform, seconds: int, seed: str) -> None:
    """That long on one kernel."""
    name = f"fuzz of system calls ({platform.name} kernel)"
    reader = TapReader(tally, name)

    def line(text: str) -> None:
        # The tables of what was called are part of the result.
        if text.startswith("# "):
            print(text, flush=True)
        else:
            reader.line(text)

    have = platform.supplies()
    machine = platform.machine(f"fuzz-long-{platform.name}", None, timeout=seconds + GRACE, env={"FSTYPE": "none"})
    for item in ("rdevpts.ko", "bin/rdevpts-fuzz"):
        machine.put(have[item], item)
    machine.script("insmod /rdevpts/rdevpts.ko || exit\n"
                   f"exec /rdevpts/bin/rdevpts-fuzz --seconds {seconds} --seed {seed}\n")
    outcome = machine.run(line)
    print(f"# {name}: {outcome.seconds:.0f} s", flush=True)
    reader.end(None if outcome.ok else f"{outcome} (kernel log {jobs.shown(outcome.console)})")


def run() -> int:
    """Half the time for the model, a quarter for each kernel. SECONDS and SEED in the environment say how long in all, and from
    where: `clock` if not given."""
    wanted = os.environ.get("SECONDS") or str(SECONDS)
    seed = os.environ.get("SEED") or "clock"
    if not wanted.isdigit() or not (seed.isdigit() or seed == "clock"):
        raise Fail(f"SECONDS={wanted} SEED={seed}: not a number")
    seconds = int(wanted)

    builder = Builder(setup.demo_setup())
    builder.require("rdevpts-fuzz")
    tally = Tally()
    checked = Checked(builder, _FLAVOUR)
    tally.good(f"kernel with checkers: {checked.prepare()}")
    targets = len(list((MODEL / "src" / "bin").glob("*.rs")))
    tap(tally, builder, "fuzz of the model", "fuzz/model", str(max(seconds // 2 // targets, 1)))
    for platform in Stock(builder, accel.choose(builder.setup)), checked:
        _system_calls(tally, platform, max(seconds // 4, 1), seed)
    print(tally.summary(), flush=True)
    return 0 if tally.ok else 1
