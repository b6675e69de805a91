# SPDX-License-Identifier: GPL-2.0
"""Draw what `make bench` measured: plot.py RESULTS DIRECTORY makes SVG files in the directory."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of what to draw with
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

WHO = {"devpts": ("C devpts", "#b5651d"), "rdevpts": ("rdevpts", "#1f5fa8"), "pipe": ("pipe", "#8a8a8a")}
SIZES = {"80-byte": 80, "1 KiB": 1024, "4 KiB": 4096, "16 KiB": 16384, "64 KiB": 65536}
COUNTS = {"1 pty": 1, "100 ptys": 100, "1000 ptys": 1000, "4000 ptys": 4000}
CLOCKS = {"icount": "instruction-counted time", "wall": "wall-clock time"}
# Of the round trips and of open and close; what they are called in the plot.
LATENCIES = {
    "echo round trip": "echo of a key",
    "ping-pong between two processes": "ping-pong",
    "TIOCGPTPEER and close": "TIOCGPTPEER, close",
    "open/close of ptmx": "open, close ptmx",
    "open/close of ptmx and slave": "the same with slave",
    "open/close of ptmx under getdents load, median": "open, close ptmx\nunder getdents load",
}
MEMORY = {"memory per idle pty": "idle", "memory per pty after traffic was drained": "after traffic\nwas drained"}

plt.rcParams.update({
    # Text as text, and the same file of the same figures.
    "svg.fonttype": "none", "svg.hashsalt": "rdevpts", "font.family": "DejaVu Sans", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11, "figure.constrained_layout.use": True,
    "axes.facecolor": "white", "figure.facecolor": "white",
})


class Results:
    """What was measured by one clock in the virtual machine with the most processors, by workload."""

    def __init__(self, records, clock):
        records = [record for record in records if (record["machine"], record["clock"]) == ("qemu", clock)]
        self.clock, self.cpus = clock, max(record["cpus"] for record in records)
        self.kernel = records[0]["kernel"]
        self._by_name = {record["workload"]: record for record in records if record["cpus"] == self.cpus}

    def __getitem__(self, name):
        return self._by_name[name]

    def title(self, what, is_time=True):
        """A headline that says where it was measured."""
        cpus = f"{self.cpus} CPU{'' if self.cpus == 1 else 's'}"
        return f"{what}\nLinux {self.kernel}, QEMU, {cpus}" + (f", {CLOCKS[self.clock]}" if is_time else "")


def save(figure, directory, name):
    """One file, without a date."""
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def curve(axes, xs, records, who):
    """One line, with its name at its end."""
    label, color = WHO[who]
    ys = [record[who] for record in records]
    axes.plot(xs, ys, color=color, marker="o", markersize=4, linewidth=2 if who == "rdevpts" else 1.5)
    return label, color, xs[-1], ys[-1]


def name_ends(axes, ends):
    """Names at the right ends of the lines, apart from each other."""
    log = axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    height = (high / low) if log else high - low
    last = None
    for label, color, x, y in sorted(ends, key=lambda end: end[3]):
        least = y if last is None else (last * height ** 0.07 if log else last + height * 0.07)
        last = max(y, least)
        axes.annotate(label, (x, last), xytext=(8, 0), textcoords="offset points", color=color, va="center",
                      fontweight="bold" if label == "rdevpts" else "normal", annotation_clip=False)


def ticks(axes, values, names):
    """Only these, by these names."""
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: names[values.index(value)] if value in values else ""))


def throughput(results, directory):
    """Bytes a second against the size of the writes."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    figure.suptitle(results.title("Throughput, slave to master, by size of the writes"), fontsize=11)
    for axes, what, title in zip(panels, ("raw", "cooked"), ("raw", "cooked (OPOST, ONLCR), lines of 80 columns")):
        records = [results[f"slave-to-master {what}, {size} writes"] for size in SIZES]
        axes.set(title=title, xscale="log", xlabel="bytes of a write")
        ends = [curve(axes, list(SIZES.values()), records, who) for who in WHO]
        axes.set_ylim(bottom=0)
        ticks(axes, list(SIZES.values()), ["80", "1K", "4K", "16K", "64K"])
        axes.grid(axis="y", alpha=0.3)
        name_ends(axes, ends)
    panels[0].set_ylabel("MB/s (more is better)")
    save(figure, directory, "throughput")


def bars(axes, names, records, unit):
    """Two or three bars for each name, with their figures."""
    present = [who for who in WHO if any(record[who] for record in records)]
    height = 0.8 / len(present)
    for place, who in enumerate(present):
        label, color = WHO[who]
        for row, record in enumerate(records):
            if record[who] is None:
                continue
            y = row + (place - (len(present) - 1) / 2) * height
            axes.barh(y, record[who], height * 0.9, color=color, label=label if row == 0 or who == "pipe" else None)
            axes.annotate(f"{record[who]:.3g}", (record[who], y), xytext=(4, 0), textcoords="offset points", va="center",
                          fontsize=9, color=color)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"{unit} (less is better)")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def latency(results, directory):
    """Round trips, and ptys that come and go."""
    figure, axes = plt.subplots(figsize=(8, 4.6))
    axes.set_title(results.title("Latency"), loc="left")
    bars(axes, list(LATENCIES.values()), [results[name] for name in LATENCIES], "microseconds")
    save(figure, directory, "latency")


def memory(results, directory):
    """Of one pty."""
    figure, axes = plt.subplots(figsize=(8, 2.6))
    axes.set_title(results.title("Kernel memory of one pty with both ends open", is_time=False), loc="left")
    bars(axes, list(MEMORY.values()), [results[name] for name in MEMORY], "KiB")
    save(figure, directory, "memory")


def scaling(results, directory):
    """Against the number of ptys."""
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6))
    figure.suptitle(results.title("Scaling with the number of ptys"), fontsize=11)
    for axes, what, title, is_flat in (
        (panels[0], "open/close of ptmx, {} held", "open and close a pty", True),
        (panels[1], "lookup of a slave, {} held", "look a slave up by its name", True),
        (panels[2], "getdents of {}", "read the whole directory", False),
    ):
        records = [results[what.format(count)] for count in COUNTS]
        axes.set(title=title, xscale="log", xlabel="ptys open", yscale="linear" if is_flat else "log")
        ends = [curve(axes, list(COUNTS.values()), records, who) for who in ("devpts", "rdevpts")]
        if is_flat:
            axes.set_ylim(0, max(end[3] for end in ends) * 1.4)
        ticks(axes, list(COUNTS.values()), ["1", "100", "1k", "4k"])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(axis="y", alpha=0.3)
        name_ends(axes, ends)
    panels[0].set_ylabel("microseconds (less is better)")
    save(figure, directory, "scaling")


def main(results, directory):
    """All of them, from the clock that repeats."""
    records = json.loads(Path(results).read_text(encoding="utf-8"))
    counted = Results(records, "icount")
    for draw in (throughput, latency, memory, scaling):
        draw(counted, Path(directory))


if __name__ == "__main__":
    main(*sys.argv[1:])
