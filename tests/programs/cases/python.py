# SPDX-License-Identifier: GPL-2.0
"""Python's own modules on terminals: os, pty, tty, termios."""

import fcntl
import os
import pty
import select
import termios
import tty

from rig import system
from rig.case import ProgramCase


class Python(ProgramCase):
    """In this process, or in a child of it."""

    def pair(self) -> tuple[int, int]:
        """Both ends of a pty, closed with the case."""
        ends = os.openpty()
        for end in ends:
            self.addCleanup(os.close, end)
        return ends

    def test_openpty(self) -> None:
        """os.openpty, ttyname, ptsname, isatty, ttyname of a duplicate"""
        master, slave = self.pair()
        self.assertEqual("/dev/pts/0", os.ttyname(slave))
        self.assertEqual("/dev/pts/0", os.ptsname(master))
        self.assertTrue(os.isatty(master) and os.isatty(slave))
        again = os.dup(slave)
        self.assertEqual("/dev/pts/0", os.ttyname(again))
        os.close(again)
        with self.assertRaises(OSError):
            os.ttyname(os.open("/dev/null", os.O_RDWR))

    def test_posix_openpt(self) -> None:
        """posix_openpt, grantpt, unlockpt: the slave is EIO until it is unlocked"""
        master = os.posix_openpt(os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, master)
        with self.assertRaises(OSError) as locked:
            os.open(os.ptsname(master), os.O_RDWR | os.O_NOCTTY)
        self.assertEqual("Input/output error", locked.exception.strerror)
        os.grantpt(master)
        os.unlockpt(master)
        slave = os.open(os.ptsname(master), os.O_RDWR | os.O_NOCTTY)
        os.write(slave, b"said\n")
        os.close(slave)
        self.assertEqual(b"said\r\n", system.read(master, 6))

    def test_fork(self) -> None:
        """pty.fork: the child leads a session on the slave; its end is EIO at the master"""
        pid, master = pty.fork()
        if pid == 0:
            with open("/dev/tty", "w", encoding="ascii") as terminal:
                line = os.read(0, 100).decode().strip()
                leads = os.getsid(0) == os.getpid() == os.tcgetpgrp(0)
                print(os.ttyname(0), line, *os.get_terminal_size(0), leads, file=terminal, flush=True)
            os._exit(3)
        self.addCleanup(os.close, master)
        termios.tcsetwinsize(master, (5, 6))
        os.write(master, b"typed\n")
        said = b""
        with self.assertRaises(OSError) as end:
            while True:
                said += os.read(master, 1000)
        self.assertEqual("Input/output error", end.exception.strerror)
        self.assertEqual(3, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        self.assertEqual(b"typed\r\n/dev/pts/0 typed 6 5 True\r\n", said)

    def test_spawn(self) -> None:
        """pty.spawn copies both ways, and gives the exit status"""
        code = ("import pty, os; s = pty.spawn(['/bin/sh', '-c', 'tty; read a; echo got-$a; exit 5']); "
                "print('status', os.waitstatus_to_exitcode(s))")
        outer = self.terminal(["python3", "-c", code])
        outer.shows("/dev/pts/1\r\n")
        outer.send("typed\r")
        outer.shows("got-typed\r\n", "status 5\r\n")
        self.assertEqual(0, outer.ends())

    def test_modes(self) -> None:
        """tty.setraw and setcbreak, and every byte as it is in raw mode"""
        master, slave = self.pair()
        before = tty.setraw(slave)
        self.assertEqual(before[3] & termios.ICANON, termios.ICANON)
        every = bytes(range(256))
        os.write(master, every)
        self.assertEqual(every, system.read(slave, len(every)))
        os.write(slave, every)
        got = b""
        while len(got) < len(every):
            got += os.read(master, 1000)
        self.assertEqual(every, got)
        termios.tcsetattr(slave, termios.TCSANOW, before)
        tty.setcbreak(slave)
        os.write(master, b"x")
        self.assertEqual(b"x", os.read(slave, 10))
        self.assertEqual(([], [], []), select.select([master], [], [], 0))

    def test_select(self) -> None:
        """select, poll and epoll say when there is something, and when all is over"""
        master, slave = self.pair()
        self.assertEqual(([], [master], []), select.select([master], [master], [], 0))
        os.write(slave, b"x")
        self.assertEqual(([master], [], []), select.select([master], [], [], system.PATIENCE))
        os.read(master, 10)
        other = os.open(os.ttyname(slave), os.O_RDWR | os.O_NOCTTY)
        with select.epoll() as epoll:
            epoll.register(other, select.EPOLLIN)
            self.assertEqual([], epoll.poll(0))
            os.write(master, b"line\n")
            self.assertEqual([(other, select.EPOLLIN)], epoll.poll(system.PATIENCE))
        os.close(other)
        self.assertEqual(5, int.from_bytes(fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4), "little"))
