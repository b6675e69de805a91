# SPDX-License-Identifier: GPL-2.0
"""Counting results, and telling them: TAP lines in, readable lines and a summary out."""

import re
import threading
from dataclasses import dataclass, field

_RESULT = re.compile(r"^(ok|not ok)\b\s*(\d*)\s*-?\s*(.*)$")
_PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*skip\b.*)?$", re.I)
_SKIP = re.compile(r"\s*#\s*skip\b[:\s]*(.*)$", re.I)


@dataclass
class Tally:
    """The results of a whole run, some of whose jobs may run side by side."""

    quiet: bool = False
    """Whether to pass over what is well."""
    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def ok(self) -> bool:
        """Whether something ran and nothing failed."""
        return self.passed > 0 and not self.failures

    def good(self, name: str, count: int = 1) -> None:
        """Something passed."""
        with self._lock:
            self.passed += count
        if not self.quiet:
            self.note(f"ok - {name}")

    def bad(self, name: str, why: str) -> None:
        """Something failed."""
        with self._lock:
            self.failures.append(name)
        self.note(f"not ok - {name}: {why}")

    def skip(self, name: str, why: str) -> None:
        """Something was not run."""
        with self._lock:
            self.skipped += 1
        if not self.quiet:
            self.note(f"ok - {name} # SKIP {why}")

    def add(self, other: "Tally") -> None:
        """Count what another has counted."""
        with self._lock:
            self.passed += other.passed
            self.skipped += other.skipped
            self.failures += other.failures

    def note(self, line: str) -> None:
        """A line of the run's output."""
        with self._lock:
            print(line, flush=True)

    def summary(self) -> str:
        """The last line of a run."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failures)} failed{skipped}"


class TapReader:
    """Reads the TAP of one job, line by line, into a tally."""

    def __init__(self, tally: Tally, job: str) -> None:
        self._tally = tally
        self._job = job
        self._planned: int | None = None
        self._seen = 0
        self._failed = False
        self._diagnose = False

    def line(self, line: str) -> None:
        """Take one line; what is not TAP is the diagnosis of a failure or of no interest here."""
        plan = _PLAN.match(line)
        if plan:
            self._planned = int(plan[1])
            return
        result = _RESULT.match(line)
        if not result:
            if self._diagnose and line.startswith("#"):
                self._tally.note(f"    {line}")
            return
        self._seen += 1
        self._diagnose = False
        name = f"{self._job}: {_SKIP.sub('', result[3])}"
        skip = _SKIP.search(result[3])
        if skip:
            self._tally.skip(name, skip[1])
        elif result[1] == "ok":
            self._tally.good(name)
        else:
            self._failed = self._diagnose = True
            self._tally.bad(name, "see below and the job's log")

    def end(self, trouble: str | None) -> None:
        """The job is over. `trouble` says how it ended, if not well; a plan that was not kept is trouble too."""
        if self._planned is None and not trouble:
            trouble = "it announced no plan (1..N)"
        elif self._planned is not None and self._seen != self._planned:
            short = f"{self._seen} results of {self._planned} planned"
            trouble = f"{trouble}; {short}" if trouble else short
        # A status that only repeats what the lines said is not another failure.
        if trouble and not (self._failed and trouble.startswith("exit status") and self._seen == self._planned):
            self._tally.bad(self._job, trouble)
