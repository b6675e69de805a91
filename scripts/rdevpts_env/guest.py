# SPDX-License-Identifier: GPL-2.0
"""A kernel that is booted for one job, whatever boots it.

The guest finds a share at /rdevpts: tests/vm/guest, what the job needs, and the job. Three channels come out: the console
(kernel log, into a file), the output of what runs (line by line), and its exit status (a file in the share, absent when the
guest did not live to write it).
"""

import contextlib
import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import paths
from .cache import remove_tree
from .root import environment

_FILES = paths.REPO / "tests" / "vm" / "guest"

_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
# KCSAN's reports are another matter: see races.py.
_OOPS = re.compile(r"\b(BUG: (?!KCSAN: ).*|Oops: .*|WARNING: .*|UBSAN: .*|kernel BUG at .*|general protection fault.*|INFO: task .*)")


def complaint(line: str) -> str | None:
    """What a line of the kernel's log complains of, if that is fatal."""
    found = _OOPS.search(line) or _PANIC.search(line)
    return found[1].strip() if found else None


# What the first process says into the kernel log.
_UP = "rdevpts-init: up"


@dataclass
class Outcome:
    """How one boot ended."""

    status: int | None = None
    """Exit status of what ran in the guest, if it ended."""
    panic: str | None = None
    """What the kernel said when it died, if it did."""
    timed_out: bool = False
    seconds: float = 0.0
    console: Path | None = None
    """The kernel log."""

    @property
    def ok(self) -> bool:
        """Whether it ran to its end with status 0."""
        return self.status == 0 and not self.panic and not self.timed_out

    def __str__(self) -> str:
        if self.panic:
            return f"the kernel died: {self.panic}"
        if self.timed_out:
            return f"not finished after {self.seconds:.0f} s"
        if self.status is None:
            return "the virtual machine ended early"
        return f"exit status {self.status}"


@dataclass
class Guest:
    """What to boot, and with what in the share."""

    name: str
    cpus: int = field(default=2, kw_only=True)
    memory: int = field(default=1024, kw_only=True)
    """In MiB."""
    timeout: float = field(default=120.0, kw_only=True)
    fatal: bool = field(default=True, kw_only=True)
    """Whether any oops or WARN kills the kernel; an oops does in any case."""
    append: str = field(default="", kw_only=True)
    """More for the kernel's command line."""
    env: dict[str, str] = field(default_factory=dict, kw_only=True)
    """What the guest finds in the environment."""

    def __post_init__(self) -> None:
        self.judged = True
        """Whether what the kernel complains of counts; it does from when its first process runs."""
        self.share = paths.BUILD / "vm" / self.name
        remove_tree(self.share)
        (self.share / "out").mkdir(parents=True)
        shutil.copytree(_FILES, self.share, dirs_exist_ok=True)

    def put(self, source: Path, name: str) -> None:
        """Put a file or a directory into the share."""
        target = self.share / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)

    def write(self, name: str, text: str) -> None:
        """Put a file with this text into the share."""
        (self.share / name).write_text(text, encoding="utf-8")

    def script(self, text: str) -> None:
        """Run this shell script."""
        self.write("job", f"#!/bin/sh\n. /rdevpts/lib.sh\n{text}")
        (self.share / "job").chmod(0o755)

    @property
    def output(self) -> Path:
        """What the job prints."""
        return self.share / "out" / "output"

    def command(self) -> list[str]:
        """The command that boots it, with the console on its standard output and what the job prints in the file
        `output`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """The last before the boot."""
        self.write("env", "".join(f"export {name}='{value}'\n" for name, value in self.env.items()))
        self.output.touch()

    def run(self, on_line: Callable[[str], None] | None = None) -> Outcome:
        """Boot, run `/rdevpts/job`, power off."""
        self.prepare()
        outcome = Outcome(console=paths.logs() / f"{self.name}.console")
        begin = time.monotonic()
        child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, env=environment())
        reader = _Tail(self.output, on_line)
        try:
            with open(outcome.console, "w", encoding="utf-8") as console, selectors.DefaultSelector() as ready:
                ready.register(child.stdout, selectors.EVENT_READ)
                console_line = _Lines(lambda line: self._note(line, outcome, console, begin))
                while True:
                    reader.poll()
                    if ready.select(0.1):
                        chunk = os.read(child.stdout.fileno(), 65536)
                        if not chunk:
                            break
                        console_line.feed(chunk)
                    if time.monotonic() - begin > self.timeout:
                        outcome.timed_out = True
                        break
                console_line.end()
        finally:
            child.kill()
            child.wait()
            reader.poll()
            reader.end()
        outcome.seconds = time.monotonic() - begin
        with contextlib.suppress(OSError, ValueError):
            outcome.status = int((self.share / "out" / "status").read_text(encoding="utf-8"))
        return outcome

    def _note(self, line: str, outcome: Outcome, console, begin: float) -> None:
        console.write(f"{time.monotonic() - begin:8.2f}  {line}\n")
        console.flush()
        self.judged = self.judged or _UP in line
        # The first complaint is the cause; the panic after it is the consequence.
        if self.judged:
            outcome.panic = outcome.panic or complaint(line)


class _Lines:
    """Bytes in, whole lines out."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the stream."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            self._on_line(line.decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        """Give out what has no newline."""
        if self._rest:
            self._on_line(self._rest.decode("utf-8", "replace").rstrip("\r"))
            self._rest = b""


class _Tail:
    """Follow a file that grows."""

    def __init__(self, path: Path, on_line: Callable[[str], None] | None) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed in end()
        self._lines = _Lines(on_line or (lambda line: None))

    def poll(self) -> None:
        """Give out what is new."""
        chunk = self._file.read()
        if chunk:
            self._lines.feed(chunk)

    def end(self) -> None:
        """No more will come."""
        self._lines.end()
        self._file.close()
