# SPDX-License-Identifier: GPL-2.0
"""The results of the benchmarks as tables: for the screen, and for Documentation."""

import math
from collections.abc import Sequence
from itertools import groupby

from . import bounds
from .bounds import Record

_HEADER = ("workload", "unit", "devpts", "rdevpts", "pipe", "ratio", "bound", "met")

LEGEND = """\
Medians, with half the distance between the quartiles. Ratio: rdevpts to devpts. Met: whether the bound is; where there are
two, the second is what else is asked. wall: the time of the virtual machine's clock; icount: one instruction, one
nanosecond. uml: User Mode Linux of the same source."""


def cpus(number: int) -> str:
    """How many processors."""
    return f"{number} CPU{'' if number == 1 else 's'}"


def figure(value: float | None, spread: float | None) -> str:
    """Three digits that mean something, and the spread."""
    if value is None or spread is None:
        return "-"
    digits = min(max(2 - math.floor(math.log10(abs(value) or 1)), 0), 3)
    return f"{value:.{digits}f} ±{spread * 100:2.0f} %"


def places(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """The results by where and how they were measured, with a title each."""
    key = ("machine", "clock", "cpus")
    return [(f"{machine}, {clock}, {cpus(number)}", list(group)) for (machine, clock, number), group
            in groupby(records, lambda record: tuple(record[name] for name in key))]


def _rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    rows = []
    for record in records:
        asked = bounds.of(record)
        rows.append((
            record["workload"],
            record["unit"],
            *(figure(record[who], record["spread"][who]) for who in ("devpts", "rdevpts", "pipe")),
            f"{record['ratio']:.2f}",
            ", ".join(bound.text(record) for bound in asked),
            ", ".join("yes" if bound.is_met(record) else "no" for bound in asked),
        ))
    for name, times in bounds.growth(records):
        met = "yes" if times <= bounds.FLAT_WITHIN else "no"
        rows.append((f"{name}, 4000 held / 1 held", "", "", f"{times:.2f}", "", "", "flat", met))
    return rows


def _lines(rows: Sequence[Sequence[str]]) -> tuple[str, list[str]]:
    """Columns as wide as they must be, numbers to the right; first a ruler of the same columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]

    def line(row: Sequence[str]) -> str:
        cells = (cell.rjust(width) if 2 <= i <= 5 else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))
        return "  ".join(cells).rstrip()

    return "  ".join("=" * width for width in widths), [line(row) for row in rows]


def text(records: Sequence[Record]) -> str:
    """For the screen."""
    parts = []
    for title, group in places(records):
        parts += ["", f"{title}:", "", *_lines([_HEADER, *_rows(group)])[1]]
    return "\n".join([*parts, "", LEGEND, ""])


def rst(records: Sequence[Record]) -> str:
    """For Documentation: simple tables. An empty first cell would continue the row above it, so no row has one."""
    parts = [f"Linux {records[0]['kernel']}.", ""]
    for title, group in places(records):
        ruler, (header, *lines) = _lines([_HEADER, *_rows(group)])
        parts += [title, "-" * len(title), "", ruler, header, ruler, *lines, ruler, ""]
    return "\n".join(parts)
