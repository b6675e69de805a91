# SPDX-License-Identifier: GPL-2.0
"""The report: one line of TAP for each case, what went wrong below it."""

import time
import traceback
import unittest


class TapResult(unittest.TestResult):
    """Prints as it goes."""

    def __init__(self) -> None:
        super().__init__()
        self._begin = 0.0
        self._bad: list[str] = []
        self._skip: str | None = None

    def startTest(self, test) -> None:
        """A case begins."""
        super().startTest(test)
        self._begin = time.monotonic()
        self._bad, self._skip = [], None

    def _blame(self, error) -> None:
        lines = "".join(traceback.format_exception(*error)).splitlines()
        # Of what pexpect tells about itself, all after what it has read.
        end = next((number for number, line in enumerate(lines) if line.startswith("match: ")), len(lines))
        self._bad += lines[:end]

    def addError(self, test, err) -> None:
        """It could not go on."""
        super().addError(test, err)
        self._blame(err)
        # setUpClass and tearDownClass have no line of their own: they fail the plan.
        if not isinstance(test, unittest.TestCase):
            print(f"not ok - {test}", flush=True)
            self._explain()

    def addFailure(self, test, err) -> None:
        """A check failed."""
        super().addFailure(test, err)
        self._blame(err)

    def addSkip(self, test, reason: str) -> None:
        """It does not apply."""
        super().addSkip(test, reason)
        self._skip = reason

    def stopTest(self, test) -> None:
        """A case is over."""
        super().stopTest(test)
        title = f"{type(test).__name__.lower()}: {test.shortDescription() or test.id().split('.')[-1]}"
        verdict = "not ok" if self._bad else "ok"
        skip = f" # SKIP {self._skip}" if self._skip and not self._bad else ""
        print(f"{verdict} {self.testsRun} - {title.rstrip('.')}{skip}", flush=True)
        print(f"# {time.monotonic() - self._begin:.1f} s", flush=True)
        self._explain()

    def _explain(self) -> None:
        for line in self._bad[-60:]:
            print(f"# {line}", flush=True)
        self._bad = []
