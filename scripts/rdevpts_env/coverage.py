# SPDX-License-Identifier: GPL-2.0
"""`make coverage`: which lines of src/ the jobs in the virtual machine execute.

The module counts (rustc's -Cinstrument-coverage), tests/vm/guest/coverage reads the counters out of the running kernel, and the
tools of LLVM do the rest. Jobs that unload the module at their end do not count.
"""

import time

from . import accel, jobs, paths, setup
from .build import Builder
from .platforms import Stock
from .tally import Tally
from .testing import end, step

FLAGS = "-Cinstrument-coverage -Zno-profiler-runtime"
OUT = paths.BUILD / "coverage"
MODULE = OUT / "rdevpts.ko"
# What is not ours: the kernel's crates, and what is generated.
_OTHERS = r"/rust/|_generated\.rs|/rustc|/library/"


class Counting(Stock):
    """The stock kernel, with a module that counts."""

    def supplies(self):
        """Everything that a job can need."""
        return super().supplies() | {"rdevpts.ko": MODULE}


def _report(builder: Builder, tally: Tally) -> None:
    raw = [str(path) for path in sorted((paths.BUILD / "vm").glob("*/out/rdevpts.profraw"))]
    if not raw:
        tally.bad("coverage", "no job left counters")
        return
    merged = OUT / "rdevpts.profdata"
    what = [f"--instr-profile={merged}", f"--ignore-filename-regex={_OTHERS}", str(MODULE)]
    if (step(tally, builder, "counters", ["llvm-profdata", "merge", "-sparse", *raw, "-o", str(merged)])
            and step(tally, builder, "pages", ["llvm-cov", "show", *what, "--format=html", f"--output-dir={OUT / 'html'}"])):
        builder.call(["llvm-cov", "report", *what])
        print(f"line by line: {jobs.shown(OUT / 'html' / 'index.html')}", flush=True)


def run(pattern: str) -> int:
    """Build, run the jobs whose names fit the pattern on rdevpts, print the table."""
    begin = time.monotonic()
    tally = Tally()
    builder = Builder(setup.demo_setup())
    builder.step("the module with counters", builder.make(f"KRUSTFLAGS={FLAGS}", f"OUT={OUT}", "modules"))
    builder.step("the host programs", ["cargo", "build", "--release", "--workspace", builder.jobs()])
    for stale in (paths.BUILD / "vm").glob("*/out/rdevpts.profraw"):
        stale.unlink()
    platform = Counting(builder, accel.choose(builder.setup))
    for job in jobs.find(pattern, "stock"):
        jobs.run(job.on_rdevpts(), builder, platform, tally)
    _report(builder, tally)
    return end(tally, begin)
