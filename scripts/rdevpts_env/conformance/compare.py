# SPDX-License-Identifier: GPL-2.0
"""What the runs on the two file systems say, side by side.

A difference counts only if it is one of the file systems: a test that gives different results on C devpts itself, when the
suite is run again, is unsteady, and named so. Whatever else differs needs an entry in tests/conformance/known.toml, with a
reason that lies outside of the module; an entry that nothing fits is a mistake as well.
"""

import fnmatch
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from .. import paths
from ..fail import Fail
from .results import FAIL, PASS, SKIP

REFERENCE, OURS = "devpts", "rdevpts"
KNOWN = paths.REPO / "tests" / "conformance" / "known.toml"
MISSING = "missing"

SAME, UNSTEADY, DIFFERENT = "same", "unsteady", "different"


@dataclass
class Known:
    """A difference, or an unsteady test, whose reason is known."""

    suite: str
    test: str
    """A pattern."""
    reason: str
    seen: dict[str, str]
    """What each of the file systems gives; empty if the test is unsteady."""
    used: bool = False

    def fits(self, suite: str, test: str) -> bool:
        """Whether it is about this test."""
        return self.suite == suite and fnmatch.fnmatchcase(test, self.test)


def known(path: Path = KNOWN) -> list[Known]:
    """Every entry of the file."""
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("known", []):
        seen = {fstype: entry[fstype] for fstype in (REFERENCE, OURS) if fstype in entry}
        if len(seen) not in (0, 2) or not entry.get("reason") or not set(seen.values()) <= {PASS, FAIL, SKIP, MISSING}:
            raise Fail(f"{path}: an entry needs a suite, a test, a reason, and what both file systems give, or neither")
        found.append(Known(entry["suite"], entry["test"], entry["reason"], seen))
    return found


@dataclass
class Line:
    """One test that did not give one and the same result everywhere."""

    test: str
    verdict: str
    seen: dict[str, list[str]]
    reason: str = ""

    @property
    def explained(self) -> bool:
        """Whether it may be as it is."""
        return bool(self.reason)

    def __str__(self) -> str:
        both = ", ".join(f"{' '.join(statuses)} on {fstype}" for fstype, statuses in self.seen.items())
        return f"{self.test}: {both}: {self.reason or 'NO REASON IS KNOWN'}"


@dataclass
class Comparison:
    """One suite on both file systems, in as many rounds as were run."""

    suite: str
    rounds: dict[str, list[dict[str, str]]] = field(default_factory=lambda: {REFERENCE: [], OURS: []})
    troubles: list[str] = field(default_factory=list)
    """Runs that did not end as they should."""

    def tests(self) -> dict[str, dict[str, list[str]]]:
        """For each test what it gave, round by round."""
        names = dict.fromkeys(name for runs in self.rounds.values() for run in runs for name in run)
        return {name: {fstype: [run.get(name, MISSING) for run in runs] for fstype, runs in self.rounds.items()}
                for name in names}

    def count(self, fstype: str, status: str) -> int:
        """How many tests gave this in the first round."""
        return sum(how == status for how in self.rounds[fstype][0].values()) if self.rounds[fstype] else 0

    def most(self, fstype: str, status: str) -> int:
        """How many tests gave this in the round where most did."""
        return max((sum(how == status for how in run.values()) for run in self.rounds[fstype]), default=0)

    def lines(self, entries: list[Known]) -> list[Line]:
        """Every test that needs a word, with the reason if it is known."""
        found = []
        for name, seen in self.tests().items():
            verdict = judge(seen[REFERENCE], seen[OURS])
            entry = next((entry for entry in entries if entry.fits(self.suite, name)), None)
            if entry and not entry.seen:
                # What is known to be unsteady need not show it in every run; but where it can pass, so it must on ours.
                entry.used = True
                if verdict != SAME and passes_too(seen[REFERENCE], seen[OURS]):
                    found.append(Line(name, UNSTEADY, seen, entry.reason))
                    continue
            if verdict == SAME:
                continue
            line = Line(name, verdict, seen)
            if verdict == UNSTEADY:
                line.reason = "unsteady on devpts itself"
            elif entry and all(set(seen[fstype]) == {entry.seen.get(fstype)} for fstype in seen):
                entry.used = True
                line.reason = entry.reason
            found.append(line)
        return found

    def failed_on_both(self) -> list[str]:
        """Tests that fail, and as often on the one as on the other."""
        return [name for name, seen in self.tests().items() if set(seen[REFERENCE] + seen[OURS]) == {FAIL}]


def passes_too(reference: list[str], ours: list[str]) -> bool:
    """Whether ours passes at least once where the reference does."""
    return PASS in ours or PASS not in reference


def judge(reference: list[str], ours: list[str]) -> str:
    """What the results of one test on both file systems say."""
    if len(set(reference + ours)) <= 1:
        return SAME
    if len(set(reference)) > 1 and passes_too(reference, ours):
        return UNSTEADY
    return DIFFERENT


def unused(entries: list[Known], suites: list[str]) -> list[str]:
    """What is known of these suites but was not seen."""
    return [f"{entry.suite}: {entry.test}: tests/conformance/known.toml has a reason for a difference that is not there"
            for entry in entries if entry.suite in suites and not entry.used]
