# SPDX-License-Identifier: GPL-2.0
"""A program on a pty, as who sits in front of the terminal sees it."""

import os
import re
import select
import time
from pathlib import Path

import pexpect

from . import system

PROMPT = "ready> "
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "SHELL": "/bin/sh",
    "TERM": "xterm",
    # A bash that is not interactive forgets it, and has no part in how these run.
    "PS1": PROMPT,
}
BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"]


class Terminal(pexpect.spawn):
    """A program in a session of its own on a new pty of the file system under test."""

    def __init__(self, argv: list[str], rows: int = 24, cols: int = 80, hangs_up: bool = False, **more) -> None:
        """Start it. One that hangs its terminal up and opens it again, as login does, is at its end only when it ends."""
        self._hangs_up = hangs_up
        env = ENVIRONMENT | more.pop("env", {})
        super().__init__(argv[0], argv[1:], dimensions=(rows, cols), env=env, encoding="utf-8", timeout=system.PATIENCE,
                         codec_errors="replace", echo=True, **more)
        self.delaybeforesend = None
        self.delayafterclose = self.delayafterterminate = 0.01

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> str:
        """What pexpect reads by. It takes EIO for the end, and waits for the program to end then."""
        wait = self.timeout if timeout == -1 else timeout
        while self._hangs_up and select.select([self.child_fd], [], [], wait)[0]:
            try:
                return self._decoder.decode(os.read(self.child_fd, size), final=False)
            except OSError:
                if not system.alive(self.pid):
                    break
                time.sleep(0.02)
        return super().read_nonblocking(size, timeout)

    @property
    def tty(self) -> Path:
        """The path of the slave, from the master."""
        return Path(os.ptsname(self.child_fd))

    def shows(self, *texts: str) -> None:
        """Wait for these texts, one after the other; what came before each is forgotten."""
        for text in texts:
            self.expect_exact(text)

    def finds(self, pattern: str) -> re.Match:
        """Wait for what fits a regular expression."""
        self.expect(pattern)
        return self.match

    def says(self, line: str) -> str:
        """Have the shell here run a line, and give what that printed. It ends when the prompt is back."""
        # The echo has the quotes in it, the output has not.
        self.send(f"{line}{'' if line.endswith('&') else ';'} echo 'en''d'-$?-\n")
        self.shows("-$?-\r\n")
        self.expect(r"end-(\d+)-\r\n")
        said, self.status = self.before.replace("\r\n", "\n"), int(self.match[1])
        self.shows(PROMPT)
        return said

    def plain_shell(self) -> int:
        """Replace the shell that is at its prompt here by the one that `says` knows. Gives its process id."""
        self.shows("$ ")
        self.send(f"exec env PS1='{PROMPT[:3]}''{PROMPT[3:]}' {' '.join(BASH)}\r")
        self.shows(PROMPT)
        return int(self.says("echo $$"))

    def resize(self, rows: int, cols: int) -> None:
        """Change the window's size."""
        self.setwinsize(rows, cols)

    def ends(self) -> int:
        """Read to the end, give the exit status; of a signal its number, negative."""
        self.expect(pexpect.EOF)
        self.last = self.before
        # The terminal is closed a moment before the program has ended.
        self.wait()
        self.close(force=False)
        return self.exitstatus if self.exitstatus is not None else -self.signalstatus

    def hang_up(self) -> None:
        """Close the master, as who switches the terminal off, without a word to the program."""
        self.ptyproc.fileobj.close()
        self.child_fd = -1
        self.closed = self.ptyproc.closed = True


def shell(case, **more) -> Terminal:
    """An interactive shell with job control, at its prompt; closed with the case."""
    terminal = Terminal(BASH, **more)
    case.addCleanup(terminal.close, force=True)
    terminal.shows(PROMPT)
    return terminal
