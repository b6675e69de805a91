# SPDX-License-Identifier: GPL-2.0
"""socat(1): ptys as addresses, and programs run on them."""

import hashlib
import os
import signal
import stat
import subprocess
import threading
import time

from rig import system
from rig.case import ProgramCase


class Socat(ProgramCase):
    """socat makes the pty, others use it."""

    def start(self, *arguments: str, **more) -> subprocess.Popen:
        """Run until the case ends."""
        child = subprocess.Popen(["socat", *arguments], **({"stdin": subprocess.DEVNULL} | more))
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def test_pair(self) -> None:
        """two ptys joined: links, options of the nodes, 1 MiB each way at once"""
        one, two = self.work / "one", self.work / "two"
        child = self.start(f"PTY,link={one},rawer,mode=600,user=alice", f"PTY,link={two},rawer,mode=640,group=tty")
        system.until("the links", lambda: one.is_symlink() and two.is_symlink())
        self.assertEqual({"/dev/pts/0", "/dev/pts/1"}, {os.readlink(one), os.readlink(two)})
        nodes = [path.stat() for path in (one, two)]
        self.assertEqual([0o600, 0o640], [stat.S_IMODE(node.st_mode) for node in nodes])
        self.assertEqual((system.uid("alice"), system.TTY_GID), (nodes[0].st_uid, nodes[1].st_gid))
        data = [os.urandom(1 << 20) for _ in range(2)]
        got = [hashlib.sha256(), hashlib.sha256()]
        ends = [os.open(path, os.O_RDWR | os.O_NOCTTY) for path in (one, two)]

        def write(number: int) -> None:
            rest = memoryview(data[number])
            while rest:
                rest = rest[os.write(ends[number], rest):]

        def read(number: int) -> None:
            left = len(data[1 - number])
            while left:
                part = os.read(ends[number], left)
                got[number].update(part)
                left -= len(part)

        work = [threading.Thread(target=what, args=(number,), daemon=True) for what in (write, read) for number in (0, 1)]
        for thread in work:
            thread.start()
        deadline = time.monotonic() + system.PATIENCE
        for thread in work:
            thread.join(max(0, deadline - time.monotonic()))
        self.assertEqual([hashlib.sha256(data[1 - number]).digest() for number in (0, 1)],
                         [part.digest() for part in got])
        for end in ends:
            os.close(end)
        child.send_signal(signal.SIGTERM)
        child.wait()
        self.assertFalse(one.is_symlink() or two.is_symlink())

    def test_exec(self) -> None:
        """EXEC with pty, setsid, ctty: a program with a controlling terminal, ^C, ^D, its end"""
        command = "EXEC:bash --norc --noprofile --noediting -i,pty,setsid,ctty,stderr,echo=0"
        child = self.start("STDIO", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                           env=os.environ | {"PS1": "", "TERM": "dumb"})

        def answer(line: str, end: str) -> str:
            child.stdin.write(f"{line}\n")
            while True:
                said = child.stdout.readline()
                if not said:
                    raise AssertionError(f"ended, no {end}")
                if said.strip().endswith(end):
                    return said.strip()

        said = answer("echo $(tty) $(</proc/$$/stat) $((40 + 2))", "42")
        words = said.split()
        self.assertEqual("/dev/pts/0", words[0])
        pid, session, tty = int(words[1]), int(words[6]), int(words[7])
        self.assertEqual(pid, session)
        self.assertEqual(os.stat("/dev/pts/0").st_rdev, os.makedev(tty >> 8 & 0xfff, tty & 0xff))
        child.stdin.write("sleep 1000\n")
        system.in_foreground(pid, "sleep")
        child.stdin.write("\x03")
        child.stdin.flush()
        system.until("the shell to have its terminal back", lambda: system.foreground(pid) == pid)
        self.assertIn("status-130", answer("echo status-$?", "130"))
        child.stdin.write("\x04")
        child.stdin.close()
        child.wait()
        system.until("the shell to end", lambda: not system.alive(pid))

    def test_wait_slave(self) -> None:
        """PTY,wait-slave begins when a slave is opened, and socat ends when it is closed"""
        link = self.work / "link"
        child = self.start(f"PTY,link={link},rawer,wait-slave,pty-interval=0.05", "EXEC:sed -u y/shout/SHOUT/")
        system.until("the link", link.is_symlink)
        slave = os.open(link, os.O_RDWR | os.O_NOCTTY)
        os.write(slave, b"shout\n")
        self.assertEqual(b"SHOUT\n", os.read(slave, 100))
        os.close(slave)
        self.assertEqual(0, child.wait())
