#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# What lspts says of ptys of which everything is known: to the superuser and to another user, of several mounts, one of them in
# another mount namespace.
#
# timeout: 180
# fstype: rdevpts
# needs: bin/lspts

"""The list of ptys, against what was done with them."""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator

import tap

LSPTS = "/rdevpts/bin/lspts"
TIOCGPTN, TIOCSPTLCK, TIOCPKT = 0x80045430, 0x40045431, 0x5420
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
PTS, MOUNT, BOUND, OWN = "/dev/pts", "/mnt", "/tmp/bound", "/tmp/own"
NOBODY = 65534
NUMBERS = ("output", "output_queued", "output_stalls", "input", "input_queued", "ring")
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*argv: str) -> None:
    """A command that must succeed."""
    subprocess.run(argv, check=True)


def lspts(*options: str, user: int | None = None) -> str:
    """What it prints; it must have no complaint."""
    groups = [] if user is not None else None
    done = subprocess.run([LSPTS, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, user=user, group=user,
                          extra_groups=groups, check=False, timeout=60)
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr)
    return done.stdout


def device(path: str) -> str:
    """MAJOR:MINOR of a file system."""
    number = os.stat(path).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def mounts(*options: str, user: int | None = None) -> dict[str, dict]:
    """The list, by device."""
    return {mount["device"]: mount for mount in json.loads(lspts("--json", *options, user=user))["mounts"]}


def ptys(path: str, user: int | None = None) -> dict[int, dict]:
    """The ptys of one mount, by index."""
    return {pty["index"]: pty for pty in mounts("-m", path, user=user)[device(path)]["ptys"]}


def agree(have: dict, **wanted) -> None:
    """What must be so."""
    differs = {key: (have[key], value) for key, value in wanted.items() if have[key] != value}
    assert not differs, f"is and should be: {differs}"


class Pty:
    """A master and its slave, which passes bytes through and echoes nothing."""

    def __init__(self, path: str = MOUNT) -> None:
        self.master = os.open(f"{path}/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.index = struct.unpack("i", fcntl.ioctl(self.master, TIOCGPTN, bytes(4)))[0]
        fcntl.ioctl(self.master, TIOCSPTLCK, struct.pack("i", 0))
        self.path = f"{path}/{self.index}"
        self.slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.slave, termios.TCSANOW)

    def __enter__(self) -> "Pty":
        return self

    def __exit__(self, *_) -> None:
        os.close(self.slave)
        os.close(self.master)


@contextlib.contextmanager
def child(what: Callable[[], str]) -> Iterator[tuple[int, str]]:
    """A process that does something, says a line of it, and stays; it and its session are gone afterwards."""
    hear, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(hear)
            os.setsid()
            os.write(say, what().encode())
            os.close(say)
            while True:
                signal.pause()
        except BaseException as error:
            os.write(say, f"failed: {error!r}".encode())
        finally:
            os._exit(1)
    os.close(say)
    said = b""
    try:
        while more := os.read(hear, 1000):
            said += more
        assert not said.startswith(b"failed"), said.decode()
        yield pid, said.decode()
    finally:
        os.close(hear)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def empty() -> None:
    """each mount is there once, with all its paths, and without ptys"""
    found = mounts()
    agree(found[device(PTS)], paths=[PTS], ptys=[])
    agree(found[device(MOUNT)], paths=[MOUNT, BOUND], ptys=[])
    assert "mode=640" in found[device(MOUNT)]["options"], found
    assert len(found) == 2, found.keys()
    assert lspts("-m", BOUND) == f"{MOUNT} {BOUND} ({device(MOUNT)}): 0 ptys\n"


def traffic() -> None:
    """bytes written, read and waiting"""
    before = mounts()[device(MOUNT)]["counters"]
    with Pty() as pty:
        assert os.write(pty.slave, b"o" * 1000) == 1000 and len(os.read(pty.master, 400)) == 400
        assert os.write(pty.master, b"i" * 50) == 50 and len(os.read(pty.slave, 20)) == 20
        found = ptys(MOUNT)[pty.index]
        agree(found, output=1000, output_queued=600, output_stalls=0, input=50, input_queued=0, opens=1, pgrp=0, session=0,
              foreground=None, path=pty.path, uid=0, owner="root", mode="0640", flags=[])
        assert found["ring"] > 0 and found["idle"] < 60, found
        with open("/proc/self/comm", encoding="ascii") as comm:
            name = comm.read().rstrip("\n")
        assert [(who["pid"], who["command"]) for who in found["masters"]] == [(os.getpid(), name)], found["masters"]
        again = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
        agree(ptys(MOUNT)[pty.index], opens=2)
        os.close(again)
        after = mounts()[device(MOUNT)]["counters"]
        grown = {name: after[name] - before[name] for name in ("ptys", "opened", "slaves_opened", "output", "input")}
        assert grown == {"ptys": 1, "opened": 1, "slaves_opened": 2, "output": 1000, "input": 50}, grown
    after = mounts()[device(MOUNT)]["counters"]
    agree(after, ptys=before["ptys"], opened=before["opened"] + 1, output=before["output"] + 1000)


def stalls() -> None:
    """a writer that finds no room is counted, and all that waits"""
    with Pty() as pty:
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += os.write(pty.slave, b"f" * 4096)
        found = ptys(MOUNT)[pty.index]
        agree(found, output=taken, output_queued=taken)
        assert found["output_stalls"] >= 1 and found["ring"] >= taken, found


def full() -> None:
    """input that the line discipline has no room for is waiting"""
    with Pty() as pty:
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += os.write(pty.master, b"f" * 1024)
        found = ptys(MOUNT)[pty.index]
        agree(found, input=taken)
        assert 0 < found["input_queued"] < taken - 2000, found


def table() -> None:
    """the table has the same figures"""
    with Pty() as pty:
        os.write(pty.slave, b"o" * 2048)
        assert lspts("-nb", "-o", "PTY,OUT,BACKLOG,IN", "-m", MOUNT).split() == [str(pty.index), "2048", "2048", "0"]
        head, names, line = lspts("-m", device(MOUNT)).splitlines()
        assert head == f"{MOUNT} {BOUND} ({device(MOUNT)}): 1 pty", head
        assert names.split() == "PTY OWNER IDLE PID COMMAND MASTER OUT BACKLOG STALLS IN".split(), names
        assert line.split()[-4:] == ["2.0K", "2.0K", "0", "0B"], line


def flags() -> None:
    """locked, packet and stopped"""
    with Pty() as pty:
        fcntl.ioctl(pty.master, TIOCSPTLCK, struct.pack("i", 1))
        agree(ptys(MOUNT)[pty.index], flags=["locked"])
        fcntl.ioctl(pty.master, TIOCSPTLCK, struct.pack("i", 0))
        fcntl.ioctl(pty.master, TIOCPKT, struct.pack("i", 1))
        termios.tcflow(pty.slave, termios.TCOOFF)
        assert sorted(ptys(MOUNT)[pty.index]["flags"]) == ["packet", "stopped"]


def foreground() -> None:
    """the foreground process, and another of its group when the leader is gone"""
    with Pty() as pty:

        def job() -> str:
            """A session with a job of two processes in the foreground, of which the first ends."""
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            terminal = os.open(pty.path, os.O_RDWR)
            leader = subprocess.Popen(["sleep", "1000"], process_group=0, stdin=terminal)
            member = subprocess.Popen(["tail", "-f", "/dev/null"], process_group=leader.pid, stdin=terminal)
            os.tcsetpgrp(terminal, leader.pid)

            def end(*_) -> None:
                leader.kill()
                leader.wait()

            signal.signal(signal.SIGUSR1, end)
            return f"{leader.pid} {member.pid}"

        with child(job) as (session, said):
            leader, member = map(int, said.split())
            found = ptys(MOUNT)[pty.index]
            agree(found, pgrp=leader, session=session)
            agree(found["foreground"], pid=leader, command="sleep", cmdline="sleep 1000")
            os.kill(session, signal.SIGUSR1)
            deadline = time.monotonic() + 10
            while os.path.exists(f"/proc/{leader}") and time.monotonic() < deadline:
                time.sleep(0.05)
            found = ptys(MOUNT)[pty.index]
            agree(found, pgrp=leader, session=session)
            agree(found["foreground"], pid=member, command="tail", cmdline="tail -f /dev/null")
            os.kill(member, signal.SIGKILL)


def users() -> None:
    """a user sees the numbers of ptys whose masters are the user's, of a slave how often it is open, and else what stat says"""

    def as_nobody() -> str:
        fcntl.ioctl(shown.slave, termios.TIOCSCTTY, 0)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        # What changes its user is not to be looked at by others of that user; a program that begins is.
        program = "import fcntl, os, sys, time; master = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); " \
                  "fcntl.ioctl(master, 0x40045431, bytes(4)); slave = fcntl.ioctl(master, 0x5441, os.O_RDWR | os.O_NOCTTY); " \
                  "os.set_blocking(slave, False); os.write(slave, b'x' * 100000); os.read(master, 1000); " \
                  "os.write(master, b'12345'); print(flush=True); time.sleep(1000)"
        holder = subprocess.Popen([sys.executable, "-c", program, f"{MOUNT}/ptmx"], stdin=shown.slave, stdout=subprocess.PIPE)
        assert holder.stdout and holder.stdout.readline()
        return str(holder.pid)

    with Pty() as mine, Pty() as shown, child(as_nobody) as (session, holder):
        try:
            os.write(mine.slave, b"secret")
            seen = {user: ptys(MOUNT, user=user) for user in (None, NOBODY)}
            assert seen[None].keys() == seen[NOBODY].keys() and len(seen[None]) == 3, seen
            theirs = (seen[None].keys() - {mine.index, shown.index}).pop()
            for user in seen:
                agree(seen[user][theirs], uid=NOBODY, owner="nobody", input=5, opens=1, mode="0640")
                assert [who["pid"] for who in seen[user][theirs]["masters"]] == [int(holder)], seen[user][theirs]
            agree(seen[NOBODY][theirs], **{name: seen[None][theirs][name] for name in NUMBERS})
            assert all(seen[NOBODY][theirs][name] for name in NUMBERS if name != "input_queued"), seen[NOBODY][theirs]
            agree(seen[None][mine.index], uid=0, output=6)
            agree(seen[NOBODY][mine.index], uid=0, owner="root", mode="0640", path=mine.path, opens=None, pgrp=None, masters=[],
                  flags=None, foreground=None, **dict.fromkeys(NUMBERS))
            assert seen[NOBODY][mine.index]["idle"] < 60
            agree(seen[None][shown.index], opens=1, pgrp=session, session=session, output=0)
            assert seen[None][shown.index]["foreground"]["pid"] == session, seen[None][shown.index]
            agree(seen[NOBODY][shown.index], opens=1, pgrp=None, session=None, masters=[], flags=None, foreground=None,
                  **dict.fromkeys(NUMBERS))
            assert mounts(user=NOBODY)[device(MOUNT)]["counters"] is None
        finally:
            os.kill(int(holder), signal.SIGKILL)


def transit() -> None:
    """a master that is on its way between processes is nobody's, and its pty is known all the same"""
    here, there = socket.socketpair()
    with here, there, Pty() as pty:
        master = os.dup(pty.master)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(pty.slave, b"o" * 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(pty.master, b"i" * 1024)
        before = ptys(MOUNT)[pty.index]
        socket.send_fds(here, [b"m"], [master])
        os.close(master)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, pty.master)
        os.close(null)
        found = ptys(MOUNT)[pty.index]
        agree(found, masters=[], **{name: before[name] for name in NUMBERS})
        assert all(found[name] for name in NUMBERS), found
        _, fds, _, _ = socket.recv_fds(there, 1, 1)
        os.dup2(fds[0], pty.master)
        os.close(fds[0])
        assert [who["pid"] for who in ptys(MOUNT)[pty.index]["masters"]] == [os.getpid()]


def closed() -> None:
    """a slave that outlives its master is no pty"""
    with Pty() as pty:
        holder = subprocess.Popen(["sleep", "1000"], stdin=pty.slave, user=NOBODY, group=NOBODY, extra_groups=[])
        agree(ptys(MOUNT, user=NOBODY)[pty.index], opens=1)
    try:
        for user in (None, NOBODY):
            assert not ptys(MOUNT, user=user), ptys(MOUNT, user=user)
    finally:
        holder.kill()
        holder.wait()


def hidden() -> None:
    """what is mounted on a slave is not taken for it"""
    with Pty() as pty:
        run("mount", "--bind", "/dev/null", pty.path)
        try:
            agree(ptys(MOUNT)[pty.index], uid=0, mode="0640", idle=None, path=None)
            agree(ptys(MOUNT, user=NOBODY)[pty.index], uid=None, mode=None, idle=None, path=None)
        finally:
            run("umount", pty.path)


def namespaces() -> None:
    """a mount of another mount namespace has ptys, and no path here"""

    def elsewhere() -> str:
        assert LIBC.unshare(CLONE_NEWNS) == 0
        assert LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0
        run("mount", "-t", "rdevpts", "-o", "ptmxmode=666", "rdevpts", OWN)
        pty = Pty(OWN)
        os.write(pty.slave, b"container")
        return f"{device(OWN)} {pty.index}"

    with child(elsewhere) as (pid, said):
        where, index = said.split()
        found = mounts()
        agree(found[where], paths=[], options=None)
        assert [pty["index"] for pty in found[where]["ptys"]] == [int(index)], found[where]
        agree(found[where]["ptys"][0], output=9, output_queued=9, uid=0, path=None, idle=None)
        assert [who["pid"] for who in found[where]["ptys"][0]["masters"]] == [pid]
        assert lspts("-m", where).startswith(f"{where}: 1 pty\n")
        assert where not in mounts(user=NOBODY)
    deadline = time.monotonic() + 10
    while where in mounts() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert where not in mounts(), "the mount is gone, and still listed"


def multiplexer() -> None:
    """ptmx bound to another place is no mount of its own"""
    with open("/tmp/ptmx", "wb"):
        pass
    run("mount", "--bind", f"{MOUNT}/ptmx", "/tmp/ptmx")
    try:
        assert stat.S_ISCHR(os.stat("/tmp/ptmx").st_mode)
        agree(mounts()[device(MOUNT)], paths=[MOUNT, BOUND])
    finally:
        run("umount", "/tmp/ptmx")


def churn() -> None:
    """ptys and processes that come and go meanwhile are no error"""
    over = False
    failed: list[BaseException] = []

    def ptys_come_and_go() -> None:
        while not over:
            with Pty():
                pass

    def processes_come_and_go() -> None:
        while not over:
            subprocess.run(["true"], check=True)

    def go_on(what: Callable[[], None]) -> None:
        try:
            what()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=go_on, args=[what]) for what in (ptys_come_and_go, processes_come_and_go) * 2]
    for thread in threads:
        thread.start()
    try:
        with Pty() as pty:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                for user in (None, NOBODY):
                    agree(ptys(MOUNT, user=user)[pty.index], owner="root")
    finally:
        over = True
        for thread in threads:
            thread.join()
    assert not failed, failed


def gone() -> None:
    """what is unmounted is not listed, and is an error to ask for"""
    was = device(MOUNT)
    run("umount", BOUND)
    run("umount", MOUNT)
    assert was not in mounts()
    done = subprocess.run([LSPTS, "-m", was], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"lspts: {was}: no mount of rdevpts\n"), done
    run("umount", PTS)
    assert lspts() == "" and json.loads(lspts("-J")) == {"mounts": []}


def main() -> int:
    """All in order."""
    if not os.path.ismount("/sys/kernel/debug"):
        run("mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug")
    run("mount", "-t", "rdevpts", "-o", "mode=640,ptmxmode=666", "rdevpts", MOUNT)
    for path in (BOUND, OWN):
        os.mkdir(path)
    run("mount", "--bind", MOUNT, BOUND)
    return tap.run(empty, traffic, stalls, full, table, flags, foreground, users, transit, closed, hidden, namespaces,
                   multiplexer, churn, gone)


sys.exit(main())
