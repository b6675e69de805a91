# SPDX-License-Identifier: GPL-2.0
"""`make differential`: the long run of the differential tester."""

import os

from . import accel, jobs, setup
from .build import Builder
from .fail import Fail
from .vm import Machine

# What a run has by default, and how long the virtual machine may take for an operation, at worst.
OPERATIONS = 1_000_000
SECONDS_PER_OPERATION = 0.05


def run() -> int:
    """Build, boot, run. OPS, SEEDS, SECONDS and SEED in the environment say how long and from where."""
    wants = {name: os.environ.get(name, "") for name in ("OPS", "SEEDS", "SECONDS", "SEED")}
    for name, value in wants.items():
        if value and not (value.isdigit() or (name, value) == ("SEED", "clock")):
            raise Fail(f"{name}={value}: not a number")
    if not any(wants[name] for name in ("OPS", "SEEDS", "SECONDS")):
        wants["OPS"] = str(OPERATIONS)
    options = {"OPS": "operations", "SEEDS": "seeds", "SECONDS": "seconds", "SEED": "seed"}
    arguments = " ".join(f"--{options[name]} {value}" for name, value in wants.items() if value)

    ready = setup.demo_setup()
    builder = Builder(ready)
    builder.require("rdevpts-differential")

    if wants["SECONDS"]:
        limit = int(wants["SECONDS"])
    else:
        limit = int(int(wants["OPS"] or 0) * SECONDS_PER_OPERATION) + int(wants["SEEDS"] or 0) * 60
    # One processor: see tests/differential/README.
    machine = Machine("differential-long", setup=ready, accel=accel.choose(ready), cpus=1, timeout=limit + 900)
    machine.put(builder.products / "rdevpts.ko", "rdevpts.ko")
    machine.put(builder.programs / "rdevpts-differential", "bin/rdevpts-differential")
    machine.env["FSTYPE"] = "none"
    machine.script("insmod /rdevpts/rdevpts.ko || exit\n"
                   f"exec /rdevpts/bin/rdevpts-differential {arguments} --real-time-workers "
                   "--save /rdevpts/out\n")
    outcome = machine.run(on_line=lambda line: print(line, flush=True))
    print(f"# {outcome}, {outcome.seconds:.0f} s; kernel log {jobs.shown(outcome.console)}", flush=True)
    return 0 if outcome.ok else 1
