# SPDX-License-Identifier: GPL-2.0
"""`make soak`: thousands of ptys under strain, for as long as one likes."""

import os

from . import accel, jobs, setup
from .build import Builder
from .fail import Fail
from .vm import Machine

# How long a run goes on by default, how long its ends may take, and how much memory the virtual machine has (MiB).
SECONDS = 3600
GRACE = 600
MEMORY = 1536


def run() -> int:
    """Build, boot, run. SECONDS and PTYS in the environment say how long and how many."""
    wants = {"SECONDS": str(SECONDS), "PTYS": "4000"}
    for name in wants:
        wants[name] = os.environ.get(name) or wants[name]
        if not wants[name].isdigit():
            raise Fail(f"{name}={wants[name]}: not a number")

    ready = setup.demo_setup()
    builder = Builder(ready)
    builder.require("rdevpts-soak")

    machine = Machine("soak", setup=ready, accel=accel.choose(ready), memory=MEMORY, timeout=int(wants["SECONDS"]) + GRACE)
    machine.put(builder.products / "rdevpts.ko", "rdevpts.ko")
    machine.put(builder.programs / "rdevpts-soak", "bin/rdevpts-soak")
    machine.env["FSTYPE"] = "none"
    machine.script("exec /rdevpts/bin/rdevpts-soak --module /rdevpts/rdevpts.ko "
                   f"--seconds {wants['SECONDS']} --ptys {wants['PTYS']}\n")
    outcome = machine.run(on_line=lambda line: print(line, flush=True))
    print(f"# {outcome}, {outcome.seconds:.0f} s; kernel log {jobs.shown(outcome.console)}", flush=True)
    return 0 if outcome.ok else 1
