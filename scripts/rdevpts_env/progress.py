# SPDX-License-Identifier: GPL-2.0
"""Progress lines with elapsed time, and commands that run under them."""

import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

_START = time.monotonic()
_LOCK = threading.Lock()
_ACTIVE: list["Step"] = []
_QUIET_PERIOD = 20.0


def _clock() -> str:
    seconds = int(time.monotonic() - _START)
    return f"[{seconds // 60:02d}:{seconds % 60:02d}]"


def say(text: str) -> None:
    """Print one line, with the time since the start."""
    with _LOCK:
        if sys.stdout.isatty():
            sys.stdout.write("\r\033[K")
        print(f"{_clock()} {text}", flush=True)


class Step:
    """A piece of work that may take long: a line when it starts, a sign of life, a line when it is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.detail = ""
        self._begin = 0.0
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> "Step":
        self._begin = time.monotonic()
        say(f"{self.name} ...")
        with _LOCK:
            _ACTIVE.append(self)
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, kind, value, trace) -> None:
        self._stop.set()
        if self._ticker:
            self._ticker.join()
        with _LOCK:
            _ACTIVE.remove(self)
        if kind is None:
            say(f"{self.name}: done in {self.seconds:.0f} s")

    @property
    def seconds(self) -> float:
        """Time since the step began."""
        return time.monotonic() - self._begin

    def _tick(self) -> None:
        live = sys.stdout.isatty()
        last = time.monotonic()
        while not self._stop.wait(1.0 if live else 5.0):
            if live:
                with _LOCK:
                    if _ACTIVE and _ACTIVE[-1] is self:
                        parts = [f"{s.name} {s.seconds:.0f} s {s.detail}".rstrip() for s in _ACTIVE]
                        sys.stdout.write(f"\r\033[K{_clock()} {'; '.join(parts)}"[:150])
                        sys.stdout.flush()
            elif time.monotonic() - last >= _QUIET_PERIOD:
                last = time.monotonic()
                say(f"{self.name}: {self.seconds:.0f} s {self.detail}".rstrip())


_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def run_logged(
    argv: Sequence[str],
    log: Path,
    on_line: Callable[[str], None] | None = None,
    append: bool = False,
    outlives: bool = False,
    **popen,
) -> tuple[int, str]:
    """Run a command with its output in a file. Returns its status and the last lines it wrote.

    Unless it `outlives` this process, because stopping it halfway would do harm, the command dies with it.
    """
    tail: deque[str] = deque(maxlen=40)
    with open(log, "a" if append else "w", encoding="utf-8", errors="replace") as out:
        child = subprocess.Popen(
            [*([] if outlives else ["setpriv", "--pdeathsig", "KILL", "--"]), *argv],
            stdin=popen.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **popen,
        )
        try:
            for line in child.stdout:
                out.write(line)
                out.flush()
                line = _ESCAPES.sub("", line).rstrip()
                tail.append(line)
                if on_line and line:
                    on_line(line)
            return child.wait(), "\n".join(tail)
        finally:
            if child.poll() is None:
                if not outlives:
                    child.kill()
                child.wait()
