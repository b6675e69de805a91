# SPDX-License-Identifier: GPL-2.0
"""crun and runc: containers whose /dev/pts is a mount of the file system under test."""

import json
import os
import signal
import subprocess
import termios

import pexpect.fdpexpect

from rig import container, system
from rig.case import ProgramCase

# What runs inside: it tells about its terminal, takes a line, and ends by ^C.
# A runtime sets the size a moment after the start.
INSIDE = ("sized() { until [ \"$(stty size 2>/dev/null)\" = \"$1\" ]; do sleep 0.1; done; echo sized; }; "
          "tty; sized '30 100'; stat -c '%t:%T %a %g' $(tty); stat -f -c %t /dev/pts; stat -c '%i %t:%T %a' /dev/pts/ptmx; "
          "readlink /dev/ptmx; stat -c %t:%T /dev/console; grep ' /dev/pts ' /proc/mounts | cut -d' ' -f3; "
          "read line; echo got-$line; sized '40 120'; trap 'echo caught; exit 6' INT; echo armed; while :; do sleep 0.1; done")
SHELL = ["sh", "-c", INSIDE]


class Oci:
    """For either runtime, with and without a namespace of users."""

    runtime = ""

    def run_inside(self, userns: bool) -> None:
        """Run with a terminal: the runtime copies between ours and the container's."""
        bundle = container.bundle(self.work / "bundle", SHELL, userns)
        outer = self.terminal([self.runtime, "run", "--bundle", str(bundle), "case"], rows=30, cols=100)
        self.addCleanup(subprocess.run, [self.runtime, "delete", "--force", "case"], capture_output=True, check=False)
        self.check_inside(outer, outer.resize)
        self.assertEqual(6, outer.ends())

    def check_inside(self, outer, resize) -> None:
        """Talk with what runs inside, through the master or what stands for it."""
        tty = outer.finds(r"(/dev/(?:pts/0|console))\r\n")[1]
        self.assertEqual("/dev/pts/0", tty)
        outer.shows("sized\r\n")
        numbers, mode, group = outer.finds(r"([0-9a-f]+:[0-9a-f]+) (\d+) (\d+)\r\n").groups()
        self.assertEqual(("620", "5"), (mode, group))
        # What runtimes look at before they trust a ptmx.
        outer.shows("1cd1\r\n", "2 5:2 666\r\n", "pts/ptmx\r\n")
        # The console is the slave, bound there.
        outer.shows(f"{numbers}\r\n", f"{system.FSTYPE}\r\n")
        resize(40, 120)
        outer.send("typed\r")
        outer.shows("got-typed\r\n")
        outer.shows("sized\r\n", "armed\r\n")
        outer.send("\x03")
        outer.shows("caught")

    def detached(self, userns: bool) -> None:
        """Run in the background: the master comes out of a socket."""
        bundle = container.bundle(self.work / "bundle", SHELL, userns)
        console = container.Console(self.work / "socket")
        before = system.in_use()
        system.run([self.runtime, "run", "--detach", "--bundle", str(bundle), "--console-socket",
                    str(self.work / "socket"), "case"])
        self.addCleanup(subprocess.run, [self.runtime, "delete", "--force", "case"], capture_output=True, check=False)
        master = console.master()
        self.assertEqual(before + 1, system.in_use())
        self.assertEqual([], system.nodes(), "the pty is the container's")
        outer = pexpect.fdpexpect.fdspawn(master, encoding="utf-8", timeout=system.PATIENCE)
        outer.delaybeforesend = None
        outer.finds = lambda pattern: outer.expect(pattern) >= 0 and outer.match
        outer.shows = lambda *texts: [outer.expect_exact(text) for text in texts]
        tty = outer.finds(r"(/dev/pts/\d+)\r\n")[1]
        self.assertEqual("/dev/pts/0", tty)
        outer.shows("sized\r\n")
        termios.tcsetwinsize(master, (40, 120))
        outer.send("typed\r")
        outer.shows("got-typed\r\n", "sized\r\n", "armed\r\n")
        state = json.loads(system.run([self.runtime, "state", "case"]))
        self.assertEqual("running", state["status"])
        self.exec_inside()
        outer.send("\x03")
        outer.shows("caught")
        system.until("the container to stop",
                     lambda: json.loads(system.run([self.runtime, "state", "case"]))["status"] == "stopped")
        with self.assertRaises(OSError):
            os.read(master, 100) and os.read(master, 100)
        os.close(master)
        system.run([self.runtime, "delete", "case"])

    def exec_inside(self) -> None:
        """A second terminal in the same container."""
        second = self.terminal([self.runtime, "exec", "--tty", "case", "sh", "-c", "tty; stty size; read x; exit 7"],
                               rows=20, cols=60)
        second.shows("/dev/pts/1\r\n", "20 60\r\n")
        second.send("\r")
        self.assertEqual(7, second.ends())

    def test_run(self) -> None:
        """run with a terminal: its name, size, nodes, keys, resize, exit status"""
        self.run_inside(False)

    def test_run_userns(self) -> None:
        """run with a terminal in a namespace of users"""
        self.run_inside(True)

    def test_detached(self) -> None:
        """run --detach hands the master over a console socket; exec gives a second terminal"""
        self.detached(False)

    def test_detached_userns(self) -> None:
        """run --detach and exec in a namespace of users"""
        self.detached(True)

    def test_killed(self) -> None:
        """a container that is killed leaves no pty"""
        bundle = container.bundle(self.work / "bundle", SHELL)
        outer = self.terminal([self.runtime, "run", "--bundle", str(bundle), "case"])
        self.addCleanup(subprocess.run, [self.runtime, "delete", "--force", "case"], capture_output=True, check=False)
        outer.shows("/dev/pts/0\r\n")
        system.run([self.runtime, "kill", "case", "KILL"])
        self.assertEqual(128 + signal.SIGKILL, outer.ends())


class Crun(Oci, ProgramCase):
    """crun."""

    runtime = "crun"


class Runc(Oci, ProgramCase):
    """runc."""

    runtime = "runc"
