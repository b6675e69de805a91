# SPDX-License-Identifier: GPL-2.0
"""An sshd of our own on the loopback interface."""

import pwd
import socket
import subprocess
from pathlib import Path

from . import system

PORT = 2222


class Sshd:
    """Runs in the foreground of a directory with its keys; users log in by key."""

    def __init__(self, work: Path) -> None:
        self._work = work
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for name in ("host", "user"):
            system.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / name)])
        (work / "config").write_text(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {work}/host\nAuthorizedKeysFile {work}/user.pub\n"
            "StrictModes no\nUsePAM yes\nPermitRootLogin yes\nPidFile none\nPrintMotd no\nPrintLastLog no\nUseDNS no\n"
            "MaxStartups 100\nMaxSessions 100\nPerSourcePenalties no\n", encoding="ascii")
        self._log = open(work / "sshd.log", "wb")  # noqa: SIM115 - closed in stop()
        self._daemon = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(work / "config")],
                                        stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        system.until("sshd to listen", self._listens)

    @staticmethod
    def _listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", PORT)) == 0

    def stop(self) -> None:
        """End it; what it said is lost."""
        self._daemon.terminate()
        self._daemon.wait()
        self._log.close()

    def client(self, *arguments: str, user: str = "alice", options: tuple[str, ...] = ()) -> list[str]:
        """The command line of a client that wants a terminal."""
        pwd.getpwnam(user)
        return ["ssh", "-tt", "-F", "/dev/null", "-p", str(PORT), "-i", str(self._work / "user"), "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                *options, f"{user}@127.0.0.1", *arguments]
