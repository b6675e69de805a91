# SPDX-License-Identifier: GPL-2.0
"""A case on programs: it begins and ends with no pty in the whole system."""

import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from . import system
from .terminal import Terminal, shell


def _overdue(_signal, _frame) -> None:
    raise AssertionError("the case takes too long")


class ProgramCase(unittest.TestCase):
    """What every case has."""

    maxDiff = None

    def setUp(self) -> None:
        """A directory of its own; no pty yet."""
        self.assertEqual([], system.nodes(), "ptys before the case")
        signal.signal(signal.SIGALRM, _overdue)
        signal.alarm(int(3 * system.PATIENCE))
        self.addCleanup(signal.alarm, 0)
        self.work = Path(tempfile.mkdtemp(prefix="case-"))
        self.work.chmod(0o755)
        self.addCleanup(self._nothing_left)
        self.addCleanup(shutil.rmtree, self.work, ignore_errors=True)

    def _nothing_left(self) -> None:
        kinds = {"devpts", system.FSTYPE}
        try:
            system.until("the last pty to go", lambda: not any(map(system.in_use, kinds)) and not system.nodes())
        except AssertionError as error:
            # So that the next case can begin.
            holders = system.holders()
            for pid in holders:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"{error}; held by {holders}") from error

    def terminal(self, argv: list[str], **more) -> Terminal:
        """A program on a terminal, closed with the case."""
        terminal = Terminal(argv, **more)
        self.addCleanup(terminal.close, force=True)
        return terminal

    def shell(self, **more) -> Terminal:
        """An interactive bash on a terminal."""
        return shell(self, **more)
