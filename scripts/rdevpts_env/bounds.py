# SPDX-License-Identifier: GPL-2.0
"""What the fast path is meant to reach, and whether a result does. For the reader: no bound changes an exit status."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Record = dict
"""One object of the benchmark's JSON list."""


@dataclass(frozen=True)
class Bound:
    """What is asked of one workload."""

    value: float
    kind: str = "ratio"
    cpus: int | None = None
    """Only of runs with so many processors."""

    def applies(self, record: Record) -> bool:
        """Whether it is asked of this result."""
        return self.cpus is None or self.cpus == record["cpus"]

    def figure(self, record: Record) -> float | None:
        """What is held against the value."""
        return _KINDS[self.kind](record)

    def is_met(self, record: Record) -> bool:
        """Whether the result is as good as that, or better."""
        figure = self.figure(record)
        if figure is None:
            return True
        return figure >= self.value if record["better"] == "higher" else figure <= self.value

    def text(self, record: Record) -> str:
        """How the table says it."""
        sign = ">=" if record["better"] == "higher" else "<="
        what = {"ratio": "", "pipe": " of a pipe", "own": f" {record['unit']}"}[self.kind]
        return f"{sign} {self.value:g}{what}"


_KINDS: dict[str, Callable[[Record], float | None]] = {
    "ratio": lambda record: record["ratio"],
    "pipe": lambda record: record["rdevpts"] / record["pipe"] if record["pipe"] else None,
    "own": lambda record: record["rdevpts"],
}

BOUNDS: dict[str, tuple[Bound, ...]] = {
    "slave-to-master raw, 64 KiB writes": (Bound(5), Bound(0.6, "pipe")),
    "slave-to-master cooked, 64 KiB writes": (Bound(3.5),),
    "slave-to-master cooked, 80-byte writes": (Bound(1.3, cpus=2), Bound(1, cpus=1)),
    "master-to-slave raw, 64 KiB writes": (Bound(1.5),),
    "master-to-slave canonical, 64 KiB writes": (Bound(1.2),),
    "bytes per master read, 64 KiB buffer": (Bound(32768, "own"),),
    "echo round trip": (Bound(0.3),),
    "ping-pong between two processes": (Bound(0.6),),
    "open/close of ptmx": (Bound(0.85),),
    "open/close of ptmx and slave": (Bound(0.85),),
    "getdents of 4000 ptys": (Bound(1),),
    "open/close of ptmx under getdents load, 99th percentile": (Bound(1.5),),
    "memory per idle pty": (Bound(0.55),),
    "memory per pty after traffic was drained": (Bound(0.7),),
}

# What must not grow with the number of ptys: names of workloads up to that number.
FLAT = ("open/close of ptmx", "lookup of a slave")
# More than any noise of medians, far less than what a search through 4000 ptys adds.
FLAT_WITHIN = 1.25


def of(record: Record) -> list[Bound]:
    """Every bound of this result."""
    return [bound for bound in BOUNDS.get(record["workload"], ()) if bound.applies(record)]


def growth(records: Iterable[Record]) -> list[tuple[str, float]]:
    """How much more the flat ones cost rdevpts with the most ptys than with one."""
    costs = {record["workload"]: record["rdevpts"] for record in records}
    found = []
    for name in FLAT:
        one, many = costs.get(f"{name}, 1 pty held"), costs.get(f"{name}, 4000 ptys held")
        if one and many:
            found.append((name, many / one))
    return found
