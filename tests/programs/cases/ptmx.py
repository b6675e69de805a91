# SPDX-License-Identifier: GPL-2.0
"""/dev/ptmx as a link to pts/ptmx, as a bind mount of it, and as the C driver's own device."""

import os

from rig import system
from rig.case import ProgramCase

# /dev in a namespace of mounts, with the instance of the outside.
DEV = """
set -e
mount --bind /dev/pts /mnt
mount -t tmpfs -o mode=755 tmpfs /dev
mkdir /dev/pts
mount --move /mnt /dev/pts
"""
USE = "exec script -qec 'tty; stty size; read line; echo got-$line; exit 5' /dev/record"


class Ptmx(ProgramCase):
    """What programs open first."""

    def use(self, ptmx: str) -> None:
        """script(1) on such a /dev/ptmx, with its pty on the instance that is on /dev/pts outside, too."""
        outer = self.terminal(["unshare", "-m", "sh", "-c", f"{DEV}\n{ptmx}\n{USE}"])
        outer.shows("/dev/pts/1\r\n", "24 80\r\n")
        self.assertEqual(["0", "1"], system.nodes())
        outer.send("typed\r")
        outer.shows("got-typed\r\n")
        self.assertEqual(5, outer.ends())

    def test_link(self) -> None:
        """a link to pts/ptmx"""
        self.use("ln -s pts/ptmx /dev/ptmx")

    def test_bind(self) -> None:
        """a bind mount of pts/ptmx"""
        self.use(": >/dev/ptmx; mount --bind /dev/pts/ptmx /dev/ptmx")

    def test_device(self) -> None:
        """the device 5:2 beside pts: works beside devpts, fails with ENODEV beside rdevpts, which it does not touch"""
        node = "mknod -m 666 /dev/ptmx c 5 2"
        if system.FSTYPE == "devpts":
            self.use(node)
            return
        counts = {kind: system.in_use(kind) for kind in ("devpts", "rdevpts")}
        said = system.run(["unshare", "-m", "sh", "-c", f"{DEV}\n{node}\n{USE}"], status=None)
        self.assertRegex(said, "script: failed to create pseudo-terminal: (No such device|Operation not supported by device)")
        said = system.run(["unshare", "-m", "sh", "-c", f"{DEV}\n{node}\nexec 3<>/dev/ptmx"], status=None)
        self.assertIn("/dev/ptmx: No such device", said)
        self.assertEqual(counts, {kind: system.in_use(kind) for kind in counts})
        self.assertEqual([], system.nodes())

    def test_devices_elsewhere(self) -> None:
        """a device 5:2 beside a C devpts means that one, whatever is on /dev/pts"""
        pts = self.work / "pts"
        pts.mkdir()
        system.run(["mount", "-t", "devpts", "-o", "newinstance,mode=620,gid=5", "devpts", str(pts)])
        self.addCleanup(system.run, ["umount", str(pts)])
        os.mknod(self.work / "ptmx", 0o20666, os.makedev(5, 2))
        ours = self.shell()
        before = system.in_use(system.FSTYPE)
        counts = system.in_use("devpts")
        master = os.open(self.work / "ptmx", os.O_RDWR | os.O_NOCTTY)
        self.assertEqual(["0"], system.nodes(pts))
        self.assertEqual(["0"], system.nodes())
        self.assertEqual(counts + 1, system.in_use("devpts"))
        if system.FSTYPE != "devpts":
            self.assertEqual(before, system.in_use())
        os.unlockpt(master)
        slave = os.open(pts / "0", os.O_RDWR | os.O_NOCTTY)
        self.assertEqual(136, os.major(os.fstat(slave).st_rdev))
        os.write(slave, b"said\n")
        self.assertEqual(b"said\r\n", system.read(master, 6))
        self.assertEqual("there\n", ours.says("echo there"))
        for end in (slave, master):
            os.close(end)

    def test_bound_beside_other(self) -> None:
        """a bind mount of our ptmx beside a C devpts is ours all the same, and the other way round"""
        pts = self.work / "pts"
        pts.mkdir()
        system.run(["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=666", "devpts", str(pts)])
        self.addCleanup(system.run, ["umount", str(pts)])
        for name, source, index in (("mine", system.PTS, system.PTS), ("theirs", pts, pts)):
            bound = self.work / name
            bound.touch()
            system.run(["mount", "--bind", str(source / "ptmx"), str(bound)])
            master = os.open(bound, os.O_RDWR | os.O_NOCTTY)
            self.assertEqual(["0"], system.nodes(index))
            self.assertEqual([], system.nodes(pts if index == system.PTS else system.PTS))
            os.close(master)
            system.run(["umount", str(bound)])
