# SPDX-License-Identifier: GPL-2.0
"""podman without dbus, systemd or network: a container on a root directory."""

import subprocess

from rig import container, system
from rig.case import ProgramCase

# podman always asks for devpts: this runtime rewrites what it is handed.
RUNTIME = """#!/bin/sh
previous=
for word; do
	if [ "$previous" = --bundle ]; then
		sed -i 's/"type": *"devpts"/"type":"{fstype}"/' "$word/config.json"
	fi
	previous=$word
done
exec crun "$@"
"""


class Podman(ProgramCase):
    """podman, with crun."""

    def setUp(self) -> None:
        """The runtime, and a root."""
        super().setUp()
        self.runtime = self.work / "crun"
        self.runtime.write_text(RUNTIME.format(fstype=system.FSTYPE), encoding="ascii")
        self.runtime.chmod(0o755)
        self.root = container.rootfs(self.work / "rootfs")
        self.addCleanup(subprocess.run, self.command("rm", "--all", "--force", "--time", "0"), capture_output=True,
                        check=False)

    def command(self, *arguments: str) -> list[str]:
        """The command line, with all state in the case's directory."""
        return ["podman", "--root", str(self.work / "storage"), "--runroot", str(self.work / "run"),
                "--tmpdir", str(self.work / "tmp"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
                "--events-backend", "none", "--runtime", str(self.runtime), *arguments]

    def run_with(self, *options: str) -> list[str]:
        """The command line of a container with a terminal."""
        return self.command("run", "--interactive", "--tty", "--network", "none", "--log-driver", "none",
                            *options, "--rootfs", str(self.root))

    def test_run(self) -> None:
        """run --tty: its name, size, keys, resize, exit status; exec --tty gives a second terminal"""
        inside = ("tty; grep ' /dev/pts ' /proc/mounts | cut -d' ' -f3; "
                  "until [ \"$(stty size 2>/dev/null)\" = '40 120' ]; do sleep 0.1; done; echo sized; "
                  "trap 'echo caught; exit 6' INT; echo armed; while :; do sleep 0.1; done")
        outer = self.terminal([*self.run_with("--name", "case"), "sh", "-c", inside], rows=30, cols=100)
        outer.shows("/dev/pts/0\r\n", f"{system.FSTYPE}\r\n")
        outer.resize(40, 120)
        outer.shows("sized\r\n", "armed\r\n")
        second = self.terminal([*self.command("exec", "--interactive", "--tty", "case", "sh", "-c", "tty; read x; exit 7")])
        second.shows("/dev/pts/1\r\n")
        second.send("\r")
        self.assertEqual(7, second.ends())
        outer.send("\x03")
        outer.shows("caught")
        self.assertEqual(6, outer.ends())
