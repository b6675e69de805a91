#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# The sample driver of samples/onepty, which is built on the layers of rdevpts alone, and is here without rdevpts.
#
# timeout: 120
# fstype: devpts
# needs: onepty.ko

"""What a mount of onepty does: two files, one terminal."""

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator

import tap

MOUNT = "/mnt"
MASTER, SLAVE = f"{MOUNT}/master", f"{MOUNT}/slave"


def run(*argv: str) -> None:
    """A command that must succeed."""
    subprocess.run(argv, check=True)


@contextlib.contextmanager
def opened(path: str, flags: int = 0) -> Iterator[int]:
    """A descriptor for as long as it is needed."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | flags)
    try:
        yield fd
    finally:
        os.close(fd)


def fails(number: int, what: Callable[[], object]) -> None:
    """What must fail with this error."""
    try:
        what()
    except OSError as error:
        assert error.errno == number, error
    else:
        raise AssertionError(f"succeeded, not {errno.errorcode[number]}")


def read(fd: int, wanted: bytes) -> None:
    """Read until there is as much as wanted, which must be that."""
    have = b""
    while len(have) < len(wanted):
        assert select.select([fd], [], [], 10)[0], f"{have!r}, and no more"
        have += os.read(fd, 4096)
    assert have == wanted, have


def files() -> None:
    """the slave's file is there while the master is open"""
    assert os.listdir(MOUNT) == ["master"]
    fails(errno.ENOENT, lambda: os.open(SLAVE, os.O_RDWR))
    with opened(MASTER):
        assert sorted(os.listdir(MOUNT)) == ["master", "slave"]
        status = os.stat(SLAVE)
        assert status.st_mode == 0o020640 and os.major(status.st_rdev) == 136, oct(status.st_mode)
    assert os.listdir(MOUNT) == ["master"]


def one() -> None:
    """a second master is EBUSY, and leaves the first alone"""
    with opened(MASTER) as master, opened(SLAVE) as slave:
        fails(errno.EBUSY, lambda: os.open(MASTER, os.O_RDWR | os.O_NOCTTY))
        os.write(slave, b"still here\n")
        read(master, b"still here\r\n")


def line() -> None:
    """a line is edited and echoed, and ends a read"""
    with opened(MASTER) as master, opened(SLAVE) as slave:
        os.write(master, b"lone\x7f\x7f\x7fine\n")
        read(slave, b"line\n")
        read(master, b"lone\b \b\b \b\b \bine\r\n")


def bulk() -> None:
    """a megabyte comes through as it was written"""
    data = bytes(number % 251 for number in range(1 << 20))
    with opened(MASTER) as master, opened(SLAVE) as slave:
        mode = termios.tcgetattr(slave)
        mode[1] &= ~termios.OPOST
        termios.tcsetattr(slave, termios.TCSANOW, mode)

        def write() -> None:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(slave, rest):]

        writer = threading.Thread(target=write)
        writer.start()
        read(master, data)
        writer.join()


def hangup() -> None:
    """the master's end hangs up who is on the terminal"""
    master = os.open(MASTER, os.O_RDWR | os.O_NOCTTY)
    child = os.fork()
    if child == 0:
        os.setsid()
        os.open(SLAVE, os.O_RDWR)
        os.write(master, b"on\n")
        os.close(master)
        signal.pause()
    with opened(SLAVE) as slave:
        assert select.select([slave], [], [], 10)[0]
        os.close(master)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGHUP
        assert os.read(slave, 1) == b""
        fails(errno.EIO, lambda: os.write(slave, b"x"))


def session() -> None:
    """a shell with job control on the terminal"""
    with opened(MASTER) as master, opened(SLAVE) as slave:
        shell = subprocess.Popen(["/bin/bash", "--norc", "--noprofile", "-c", "tty; stty size; kill -INT $$"],
                                 start_new_session=True, stdin=slave, stdout=slave, stderr=slave)
        read(master, f"{SLAVE}\r\n0 0\r\n".encode())
        assert shell.wait(10) == -signal.SIGINT


def options() -> None:
    """mode= is shown, changed by a remount, and must be permissions"""
    with open("/proc/self/mounts", encoding="ascii") as mounts:
        assert "none /mnt onepty rw,relatime,mode=640 0 0\n" in mounts.readlines()
    run("mount", "-o", "remount,mode=606", MOUNT)
    with opened(MASTER):
        assert os.stat(SLAVE).st_mode & 0o777 == 0o606
    assert subprocess.run(["mount", "-o", "remount,mode=1777", MOUNT], stderr=subprocess.DEVNULL, check=False).returncode
    run("mount", "-o", "remount,mode=640", MOUNT)


def race() -> None:
    """who reads the directory while the slave's file comes and goes sees it whole or not at all"""
    seen = set()
    over = False

    def look() -> None:
        while not over:
            seen.add(tuple(sorted(os.listdir(MOUNT))))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(2000):
            os.close(os.open(MASTER, os.O_RDWR | os.O_NOCTTY))
    finally:
        over = True
        for reader in readers:
            reader.join()
    assert seen <= {("master",), ("master", "slave")}, seen


def gone() -> None:
    """a mount keeps the module, an open terminal the mount; then both go"""
    with opened(MASTER):
        assert subprocess.run(["umount", MOUNT], stderr=subprocess.DEVNULL, check=False).returncode
    assert subprocess.run(["rmmod", "onepty"], stderr=subprocess.DEVNULL, check=False).returncode
    run("umount", MOUNT)
    # The tty core lets go of a closed terminal in a work queue.
    run("sh", "-c", "for i in $(seq 100); do ! rmmod onepty 2>/dev/null || exit 0; sleep 0.1; done; exit 1")


def main() -> int:
    """All in order."""
    run("insmod", "/rdevpts/onepty.ko")
    run("mount", "-t", "onepty", "-o", "mode=640", "none", MOUNT)
    return tap.run(files, one, line, bulk, hangup, session, options, race, gone)


sys.exit(main())
