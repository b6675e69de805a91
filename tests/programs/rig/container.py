# SPDX-License-Identifier: GPL-2.0
"""Bundles for OCI runtimes, whose /dev/pts is of the file system under test."""

import array
import json
import os
import shutil
import socket
from pathlib import Path

from . import system

# Users of a container in a namespace of its own are these of the host.
FIRST_ID = 100000
IDS = 65536


def rootfs(at: Path) -> Path:
    """A root with nothing but busybox."""
    for name in ("bin", "dev", "proc", "sys", "etc", "tmp", "run"):
        (at / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", at / "bin/busybox")
    system.run([str(at / "bin/busybox"), "--install", "-s", str(at / "bin")])
    # Its links name the path that the program has here.
    for link in (at / "bin").iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to("busybox")
    (at / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n", encoding="ascii")
    (at / "etc/group").write_text("root:x:0:\ntty:x:5:\n", encoding="ascii")
    return at


def bundle(at: Path, args: list[str], userns: bool = False) -> Path:
    """A bundle that runs `args` on a terminal, from the specification that `crun spec` gives."""
    at.mkdir()
    rootfs(at / "rootfs")
    system.run(["crun", "spec"], cwd=at)
    path = at / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["process"].update(args=args, terminal=True, consoleSize={"height": 30, "width": 100})
    config["root"]["readonly"] = False
    for mount in config["mounts"]:
        if mount["destination"] == "/dev/pts":
            mount.update(type=system.FSTYPE, source=system.FSTYPE,
                         options=["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"])
    if userns:
        config["linux"]["namespaces"].append({"type": "user"})
        ids = [{"containerID": 0, "hostID": FIRST_ID, "size": IDS}]
        config["linux"].update(uidMappings=ids, gidMappings=ids)
        for parent in [at, *at.rglob("*")]:
            os.chown(parent, FIRST_ID, FIRST_ID, follow_symlinks=False)
    path.write_text(json.dumps(config), encoding="utf-8")
    return at


class Console:
    """The socket on which a runtime hands the master of a container's terminal over."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(system.PATIENCE)
        self._socket.bind(str(path))
        self._socket.listen()

    def master(self) -> int:
        """Wait for the master."""
        connection, _ = self._socket.accept()
        with connection:
            size = array.array("i").itemsize
            _data, ancillary, _flags, _from = connection.recvmsg(4096, socket.CMSG_SPACE(size))
        self._socket.close()
        return int.from_bytes(ancillary[0][2][:size], "little")
