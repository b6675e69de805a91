# SPDX-License-Identifier: GPL-2.0
"""ps, w, who, tty, stty, wall: what programs call a terminal, and how they find it."""

import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from rig import system
from rig.case import ProgramCase

UTMP = Path("/run/utmp")


class Names(ProgramCase):
    """The names of terminals."""

    def test_ps(self) -> None:
        """ps and pgrep name the terminal of a process, and find processes by it"""
        shells = [self.shell() for _ in range(3)]
        for number, shell in enumerate(shells):
            name = f"pts/{number}"
            self.assertEqual(f"/dev/{name}", str(shell.tty))
            self.assertEqual(name, system.run(["ps", "-o", "tty=", "-p", str(shell.pid)]).strip())
            self.assertEqual(str(shell.pid), system.run(["ps", "-o", "pid=", "-t", name]).strip())
            self.assertEqual(str(shell.pid), system.run(["pgrep", "-t", name]).strip())
        self.assertIn("pts/2", shells[2].says("ps"))

    def test_tty(self) -> None:
        """tty prints the slave's path, /dev/tty is it, and others are not terminals"""
        shell = self.shell()
        self.assertEqual(f"{shell.tty}\n", shell.says("tty"))
        self.assertEqual("/dev/tty\n", shell.says("tty </dev/tty"))
        self.assertEqual("through\n", shell.says("echo through >/dev/tty"))
        self.assertEqual("not a tty\n", shell.says("tty </dev/null"))
        self.assertEqual(1, shell.says("tty -s </dev/null") or shell.status)
        number = os.stat(shell.tty).st_rdev
        self.assertEqual(f"{os.major(number):x} {os.minor(number):x}\n", shell.says("stat -c '%t %T' $(tty)"))

    def test_stty(self) -> None:
        """stty -a of a new terminal is that of C devpts, and its changes hold"""
        shell = self.shell()
        other = Path(tempfile.mkdtemp(dir=self.work))
        system.run(["mount", "-t", "devpts", "-o", "ptmxmode=666", "devpts", str(other)])
        self.addCleanup(system.run, ["umount", str(other)])
        master = os.open(other / "ptmx", os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, master)
        os.unlockpt(master)
        mine, slave = os.openpty()
        self.addCleanup(os.close, mine)
        self.addCleanup(os.close, slave)
        settings = system.run(["stty", "-a", "-F", os.ttyname(slave)])
        self.assertEqual(system.run(["stty", "-a", "-F", str(other / "0")]), settings)
        self.assertIn("speed 38400 baud; rows 0; columns 0; line = 0;", settings)
        saved = shell.says("stty -g").strip()
        shell.says("stty rows 11 cols 99 intr '^G' -echoctl 9600")
        self.assertEqual((11, 99), shell.getwinsize())
        said = shell.says("stty -a")
        for text in ("speed 9600 baud; rows 11; columns 99", "intr = ^G;", "-echoctl"):
            self.assertIn(text, said)
        shell.says(f"stty {saved}")
        self.assertEqual(saved, shell.says("stty -g").strip())

    def test_utmp(self) -> None:
        """who and w show who is recorded in utmp with this terminal, and wall writes there"""
        login = self.terminal(["login", "-f", "alice"], hangs_up=True)
        login.shows("$ ")
        self.addCleanup(UTMP.unlink)
        # What login programs wrote before Debian 13: USER_PROCESS, pid, line, id, user, host, exit, session, seconds...
        UTMP.write_bytes(struct.pack("hi32s4s32s256shhiii4i20x", 7, login.pid, b"pts/0", b"ts/0", b"alice", b"", 0, 0, 0,
                                     int(time.time()), 0, 0, 0, 0, 0))
        self.assertRegex(system.run(["who", str(UTMP)]), r"(?m)^alice +pts/0 ")
        self.assertRegex(system.run(["w", "-h"]), r"(?m)^alice +pts/0 ")
        system.run(["wall", "to everybody"])
        login.shows("Broadcast message", "to everybody")
        login.send("exit\r")
        login.ends()

    def test_messages(self) -> None:
        """a slave's mode says who may write to it, as mesg(1) sets it"""
        login = self.terminal(["login", "-f", "alice"], hangs_up=True)
        login.shows("$ ")
        tty = str(login.tty)

        def write(*who: str) -> int:
            return subprocess.run(["setpriv", *who, "--", "sh", "-c", f"echo message >{tty}"], check=False,
                                  capture_output=True).returncode

        bob = ("--reuid=bob", "--regid=bob", "--clear-groups")
        messenger = ("--reuid=bob", "--regid=tty", "--clear-groups")
        system.run(["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "chmod", "620", tty])
        self.assertNotEqual(0, write(*bob))
        self.assertEqual(0, write(*messenger))
        login.shows("message\r\n")
        system.run(["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "chmod", "600", tty])
        self.assertNotEqual(0, write(*messenger))
        login.send("exit\r")
        login.ends()
