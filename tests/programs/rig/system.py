# SPDX-License-Identifier: GPL-2.0
"""The system under test: what is on /dev/pts, who is there, and waiting for conditions."""

import grp
import os
import pwd
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

FSTYPE = os.environ.get("FSTYPE", "devpts")
"""The file system on /dev/pts."""

PTS = Path("/dev/pts")
TTY_GID = 5
PATIENCE = float(os.environ.get("PATIENCE", "120"))
"""Seconds after which a wait has failed: only for what never comes, machines may be slow."""

USERS = ("alice", "bob")
PASSWORD = "open-sesame"

_LIMITS = {"devpts": Path("/proc/sys/kernel/pty"), "rdevpts": Path("/proc/sys/kernel/rdevpts")}


def prepare() -> None:
    """Make the users, once."""
    for name in USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            run(["useradd", "--create-home", "--shell", "/bin/bash", name])
            run(["chpasswd"], input=f"{name}:{PASSWORD}\n")
            # What a shell reads at its start would only be in the way.
            for file in Path("/home", name).glob(".bash*"):
                file.unlink()
    assert grp.getgrnam("tty").gr_gid == TTY_GID
    kind = next(words[2] for words in mounts() if words[1] == str(PTS))
    if kind != FSTYPE:
        raise SystemExit(f"{kind} is on {PTS}, not {FSTYPE}")


def mounts() -> list[list[str]]:
    """The lines of /proc/mounts as words; a later one covers an earlier."""
    return [line.split() for line in Path("/proc/mounts").read_text(encoding="ascii").splitlines()][::-1]


def uid(name: str) -> int:
    """The number of a user."""
    return pwd.getpwnam(name).pw_uid


def nodes(pts: Path = PTS) -> list[str]:
    """The ptys that have a node, in order."""
    return sorted((name for name in os.listdir(pts) if name != "ptmx"), key=int)


def in_use(fstype: str = FSTYPE) -> int:
    """How many ptys there are of this kind in the whole system."""
    return int((_LIMITS[fstype] / "nr").read_text(encoding="ascii"))


def until(what: str, condition: Callable[[], object]):
    """Wait for a condition to become true, and give what it gave."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.02)


def read(fd: int, count: int) -> bytes:
    """So many bytes, in as many reads as they come in."""
    got = b""
    while len(got) < count:
        got += os.read(fd, count - len(got))
    return got


def run(argv: list[str], status: int | None = 0, **more) -> str:
    """Run a program to its end, check its exit status, give what it printed on both channels."""
    text = more.pop("text", True)
    more.setdefault("stdin", None if "input" in more else subprocess.DEVNULL)
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=text, timeout=PATIENCE,
                          check=False, **more)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{argv} ended with {done.returncode}, not {status}:\n{done.stdout}")
    return done.stdout


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    return stat(pid)[:1] not in ([], ["Z"], ["X"])


def stat(pid: int) -> list[str]:
    """What /proc/PID/stat has after the name: state, parent, group, session, terminal, foreground group...; empty for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def holders() -> dict[int, str]:
    """The other processes that have a terminal, as their controlling terminal or open."""
    found = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        terminal = (stat(pid) or ["0"] * 5)[4]
        if pid != os.getpid() and (terminal != "0" or any("/pts/" in file or "/ptmx" in file for file in files)):
            found[pid] = comm(pid)
    return found


def comm(pid: int) -> str:
    """The name of a process, empty for none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def foreground(pid: int) -> int:
    """The process group that has the terminal of process `pid`."""
    return int((stat(pid) or ["0"] * 6)[5])


def in_foreground(pid: int, name: str) -> int:
    """Wait until a program of this name leads the foreground group of the terminal of `pid`: a job has the terminal a
    moment before it is that program, when it still ignores what its shell ignores. Gives its process id."""
    return until(f"{name} in the foreground", lambda: comm(foreground(pid)) == name and foreground(pid))
