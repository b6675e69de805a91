# SPDX-License-Identifier: GPL-2.0
"""`make demo`: one load, four file systems, one unmodified kernel."""

import re
import time
from dataclasses import dataclass

from . import accel, jobs, paths, setup
from .build import Builder
from .progress import Step, say
from .guest import Outcome
from .platforms import Stock
from .vm import Machine

SCRIPT = paths.REPO / "tests" / "vm" / "demo"

MIN_SECONDS = 60
MIN_PAIRS = 100_000


@dataclass(frozen=True)
class Act:
    """One boot of the demonstration."""

    title: str
    what: str
    """What tests/vm/demo does."""
    seconds: int
    pairs: int
    must_die: bool
    module: str | None


ACTS = (
    Act("control, no lock", "racypts", 60, 0, True, "racypts.ko"),
    Act("control, with lock", "racypts-locked", 20, 0, False, "racypts.ko"),
    Act("rdevpts", "rdevpts", MIN_SECONDS, MIN_PAIRS, False, "rdevpts.ko"),
    Act("devpts (C)", "devpts", 20, 0, False, None),
)

_PROGRESS = re.compile(r"^progress t=([\d.]+) passes=(\d+) .*pairs=(\d+) .*violations=(\d+)")


@dataclass
class Result:
    """What one act showed."""

    act: Act
    outcome: Outcome
    seconds: float = 0.0
    passes: int = 0
    pairs: int = 0
    violations: int = 0

    @property
    def as_expected(self) -> bool:
        """Whether it shows what it is there to show."""
        if self.act.must_die:
            return self.outcome.panic is not None and "NULL pointer dereference" in self.outcome.panic
        return self.outcome.ok and self.violations == 0 and self.pairs >= self.act.pairs and self.seconds >= self.act.seconds

    def verdict(self) -> str:
        """The last column of the table."""
        if self.outcome.ok:
            return "survived"
        if self.outcome.panic:
            return f"kernel oops: {self.outcome.panic.removeprefix('BUG: ').removeprefix('kernel ')}"
        if self.violations:
            return f"{self.violations} violations"
        return str(self.outcome)


def _perform(act: Act, builder: Builder, how: str) -> Result:
    # The slowest machines get time for the pairs, too.
    machine = Machine(f"demo-{act.what}", setup=builder.setup, accel=how, timeout=act.seconds * 4 + 60,
                      env={"FSTYPE": "devpts", "WHAT": act.what, "DURATION": str(act.seconds), "PAIRS": str(act.pairs)})
    if act.module:
        machine.put(Stock(builder, how).supplies()[act.module], act.module)
    machine.put(builder.programs / "rdevpts-reproducer", "bin/rdevpts-reproducer")
    machine.put(SCRIPT, "job")
    result = Result(act, Outcome())
    with Step(act.title) as step:

        def line(text: str) -> None:
            found = _PROGRESS.match(text)
            if found:
                result.seconds, result.passes = float(found[1]), int(found[2])
                result.pairs, result.violations = int(found[3]), int(found[4])
                step.detail = f"({result.pairs:,} open/close pairs, {result.passes:,} directory passes)"
            elif text.startswith(("violation", "error")):
                say(f"{act.title}: {text}")

        result.outcome = machine.run(line)
    say(f"{act.title}: {result.verdict()}")
    return result


def run() -> int:
    """Build, run the four acts, print the table."""
    begin = time.monotonic()
    ready = setup.demo_setup()
    builder = Builder(ready)
    builder.step("the modules", builder.make("modules", "racypts"))
    builder.step("the reproducer", ["cargo", "build", "--release", "-p", "rdevpts-reproducer", builder.jobs()])
    how = accel.choose(ready)
    results = [_perform(act, builder, how) for act in ACTS]

    choice = ready.kernel.choice
    print(f"\nstock kernel {choice.release} (Debian {choice.version}), QEMU {how}, 2 CPUs; the same load on each\n")
    print(f"  {'file system':<20} {'seconds':>8} {'open/close':>12} {'dir passes':>12}  result")
    for result in results:
        print(f"  {result.act.title:<20} {result.seconds:>8.2f} {result.pairs:>12,} {result.passes:>12,}  {result.verdict()}")
    wrong = [result for result in results if not result.as_expected]
    print(f"\nkernel logs: {jobs.shown(paths.LOGS)}/demo-*.console; {time.monotonic() - begin:.0f} s in all")
    for result in wrong:
        wish = "should have died of the race" if result.act.must_die else "should have survived"
        print(f"error: {result.act.title}: {wish} ({result.verdict()})")
    return 1 if wrong else 0
