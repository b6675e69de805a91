# SPDX-License-Identifier: GPL-2.0
"""`make test-debug`: the jobs that are for kernels with checkers, on each of these. Any report of any checker fails."""

import time
from functools import partial

from . import jobs, setup
from .build import Builder
from .fail import Fail
from .platforms import Checked
from .tally import Tally
from .testing import end, step

FLAVOURS = ("memory", "locks", "races")
# How often a job is run on devpts again, to see there what would else be taken for the module's.
_AGAIN = 3


def _all(chosen: list[jobs.Job], builder: Builder, platform: Checked, tally: Tally) -> None:
    for job in chosen:
        jobs.run(job, builder, platform, tally)
    for _ in range(_AGAIN):
        for job in chosen:
            if job.name in platform.open():
                jobs.run(job.on_devpts(), builder, platform, tally)
    platform.verdict(tally)


def run(pattern: str, flavours: list[str]) -> int:
    """Build the host programs and, for each kernel, the module; run the jobs whose names fit the pattern, on all
    kernels at once: most of them take their time, whatever the machine could do meanwhile."""
    begin = time.monotonic()
    unknown = set(flavours) - set(FLAVOURS)
    if unknown:
        raise Fail(f"KERNELS: there is no {', '.join(sorted(unknown))}, but {', '.join(FLAVOURS)}")
    if not any(jobs.find(pattern, flavour, "debug") for flavour in flavours):
        raise Fail(f"JOBS={pattern}: none in {jobs.shown(jobs.DIRECTORY)} is for these kernels")
    tally = Tally()
    builder = Builder(setup.demo_setup())
    step(tally, builder, "build of the host programs", ["cargo", "build", "--release", "--workspace", builder.jobs()])
    work = []
    for flavour in flavours:
        chosen = jobs.find(pattern, flavour, "debug")
        if not chosen:
            continue
        platform = Checked(builder, flavour)
        tally.good(f"kernel and module: {platform.prepare()}")
        work.append(partial(_all, chosen, builder, platform, tally))
    setup.at_once(*work)
    return end(tally, begin)
