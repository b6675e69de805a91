# SPDX-License-Identifier: GPL-2.0
"""Containers by hand: unshare(1), mounts as lxc makes them, systemd-nspawn."""

import os
import subprocess
import uuid
from pathlib import Path

from rig import container, system
from rig.case import ProgramCase
from rig.newmount import new_mount

# A /dev as a container manager makes it: nodes of the outside bound in, an instance of its own, its ptmx bound or linked.
DEV = """
set -e
mount -t tmpfs -o mode=755 tmpfs /dev
mkdir /dev/pts
mount -t {fstype} -o newinstance,ptmxmode=0666,mode=0620 {fstype} /dev/pts
{ptmx}
"""
BOUND = ": >/dev/ptmx; mount --bind /dev/pts/ptmx /dev/ptmx"
LINKED = "ln -s pts/ptmx /dev/ptmx"
USE = "exec script -qec 'tty; stat -c %a $(tty); stat -f -c %t /dev/pts; read line; echo got-$line; exit 5' /nowhere/record"


class Unshare(ProgramCase):
    """Namespaces of users, mounts and processes, with a mount of their own."""

    def inside(self, ptmx: str, user: str) -> None:
        """Make the /dev, run script(1) on it."""
        commands = DEV.format(fstype=system.FSTYPE, ptmx=ptmx) + USE.replace("/nowhere/record", "/dev/record")
        unshare = ["unshare", "-Urmpf", "--mount-proc", "sh", "-c", commands]
        as_user = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        outer = self.terminal([*as_user, *unshare])
        outer.shows("/dev/pts/0\r\n", "620\r\n", "1cd1\r\n")
        outer.send("typed\r")
        outer.shows("got-typed\r\n")
        self.assertEqual(5, outer.ends())

    def test_bound_ptmx(self) -> None:
        """root in a namespace of users: ptmx bound"""
        self.inside(BOUND, "root")

    def test_linked_ptmx(self) -> None:
        """root in a namespace of users: ptmx linked"""
        self.inside(LINKED, "root")

    def test_user(self) -> None:
        """a user without rights has a mount of its own, and ptys on it"""
        self.inside(BOUND, "alice")

    def test_instances(self) -> None:
        """two instances have a pty 0 each, and know nothing of each other"""
        commands = DEV.format(fstype=system.FSTYPE, ptmx=LINKED) + "exec script -qec 'tty; ls /dev/pts; read x' /dev/record"
        outer = [self.terminal(["unshare", "-Urmpf", "--mount-proc", "sh", "-c", commands]) for _ in range(2)]
        for one in outer:
            one.shows("/dev/pts/0\r\n", "ptmx")
        self.assertEqual(["0", "1"], system.nodes())
        self.assertEqual(4, system.in_use())
        for one in outer:
            one.send("\r")
            self.assertEqual(0, one.ends())

    def test_dies(self) -> None:
        """a namespace whose first process is killed takes its instance and its ptys along"""
        commands = DEV.format(fstype=system.FSTYPE, ptmx=LINKED) + "exec script -qec 'tty; sleep 1000' /dev/record"
        child = subprocess.Popen(["unshare", "-Urmpf", "--kill-child", "--mount-proc", "sh", "-c", commands],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertEqual("/dev/pts/0\n", child.stdout.readline().replace("\r", ""))
        self.assertEqual(1, system.in_use())
        child.kill()
        child.stdout.close()
        system.until("the pty to go", lambda: not system.in_use())

    def test_lxc(self) -> None:
        """fsopen, fsconfig, fsmount, as lxc makes its mount: newinstance, ptmxmode, mode, gid, max"""
        at = self.work / "pts"
        at.mkdir()
        new_mount(system.FSTYPE, at, newinstance=None, ptmxmode="0666", mode="0620", gid="5", max="2")
        self.addCleanup(system.run, ["umount", str(at)])
        options = next(words[3] for words in system.mounts() if words[1] == str(at)).split(",")
        for option in ("gid=5", "mode=620", "ptmxmode=666", "max=2"):
            self.assertIn(option, options)
        masters = [os.open(at / "ptmx", os.O_RDWR | os.O_NOCTTY) for _ in range(2)]
        with self.assertRaises(OSError) as full:
            os.open(at / "ptmx", os.O_RDWR | os.O_NOCTTY)
        self.assertEqual("No space left on device", full.exception.strerror)
        self.assertEqual(["0", "1"], system.nodes(at))
        node = (at / "0").stat()
        self.assertEqual((0o20620, 0, 5), (node.st_mode, node.st_uid, node.st_gid))
        for master in masters:
            os.close(master)


class Nspawn(ProgramCase):
    """systemd-nspawn, without systemd as the first process."""

    def test_run(self) -> None:
        """a container with a console: keys, resize, ^C, exit status"""
        root = container.rootfs(self.work / "rootfs")
        (root / "usr").mkdir()
        (root / "etc/os-release").write_text("ID=case\n", encoding="ascii")
        machine = Path("/etc/machine-id")
        if not machine.exists() or not machine.read_text(encoding="ascii").strip():
            machine.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
        # It has no option for the type of the file system on the container's /dev/pts, on which its console is a pty; ours
        # is what it copies to and from.
        inside = ("test -t 0 && echo terminal; until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo sized; "
                  "read line; echo got-$line; trap 'echo caught; exit 6' INT; echo armed; while :; do sleep 0.1; done")
        outer = self.terminal(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", str(root),
                               "sh", "-c", inside], rows=30, cols=100)
        outer.shows("terminal\r\n")
        outer.resize(40, 120)
        outer.shows("sized\r\n")
        outer.send("typed\r")
        outer.shows("got-typed\r\n", "armed\r\n")
        outer.send("\x03")
        outer.shows("caught")
        self.assertEqual(6, outer.ends())
