# SPDX-License-Identifier: GPL-2.0
"""OpenSSH: sshd gives each session a pty of its own."""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from pathlib import Path

from rig import system
from rig.case import ProgramCase
from rig.daemon import Sshd

# The remote shell of a user, at a prompt that no echo of what is typed can be taken for.
SHELL = "exec env PS1='remote> ' bash --norc --noprofile --noediting -i"
PROMPT = "remote> "
SESSIONS = 6
SHARED = 20


class Ssh(ProgramCase):
    """Client and server on one machine: the client's terminal is one pty, the session's another."""

    @classmethod
    def setUpClass(cls) -> None:
        """One daemon for all."""
        cls.keys = Path(tempfile.mkdtemp(prefix="sshd-"))
        cls.keys.chmod(0o755)
        cls.daemon = Sshd(cls.keys)

    @classmethod
    def tearDownClass(cls) -> None:
        """The daemon goes last."""
        cls.daemon.stop()
        shutil.rmtree(cls.keys)

    def login(self, *arguments: str, **more):
        """A client on a terminal."""
        return self.terminal(self.daemon.client(*arguments), **more)

    def remote_shell(self, **more):
        """A client with an interactive shell at its prompt; its process id and its terminal."""
        client = self.login(SHELL, **more)
        client.shows(PROMPT)
        client.sendline("echo pid-$$ tty-$(tty)")
        found = client.finds(r"pid-(\d+) tty-(/dev/pts/\d+)\r\n")
        client.shows(PROMPT)
        return client, int(found[1]), Path(found[2])

    def test_login(self) -> None:
        """a login has the slave for itself: its name, owner, group, mode, size"""
        client, _pid, tty = self.remote_shell(rows=30, cols=100)
        self.assertNotEqual(client.tty, tty)
        node = tty.stat()
        self.assertEqual((system.uid("alice"), system.TTY_GID), (node.st_uid, node.st_gid))
        self.assertIn(stat.S_IMODE(node.st_mode), (0o620, 0o600))
        client.sendline("echo $SSH_TTY $(stty size) $(ps -o tty= -p $$)")
        client.shows(f"{tty} 30 100 {str(tty).removeprefix('/dev/')}\r\n", PROMPT)
        client.sendline("exit 5")
        self.assertEqual(5, client.ends())
        system.until("the node to go", lambda: not tty.exists())

    def test_resize(self) -> None:
        """a change of the window's size reaches the session, with SIGWINCH"""
        client = self.login("trap 'echo size-$(stty size)-' WINCH; echo armed; while :; do sleep 0.1; done")
        client.shows("armed")
        for rows, cols in ((33, 99), (50, 132), (1, 1)):
            client.resize(rows, cols)
            client.shows(f"size-{rows} {cols}-\r\n")
        client.close(force=True)

    def test_interrupt(self) -> None:
        """^C ends the foreground job of the session, and ^Z stops it; the shell lives on"""
        client, pid, _tty = self.remote_shell()
        client.sendline("sleep 1000")
        system.in_foreground(pid, "sleep")
        client.send("\x03")
        client.shows("^C", PROMPT)
        client.sendline("echo status-$?")
        client.shows("status-130\r\n", PROMPT)
        client.sendline("sleep 1001")
        system.in_foreground(pid, "sleep")
        client.send("\x1a")
        client.shows("Stopped", PROMPT)
        client.sendline("kill -KILL %1; disown -a; exit 0")
        self.assertEqual(0, client.ends())

    def test_many(self) -> None:
        """many sessions at once, each with a pty of its own"""
        control = ("-o", f"ControlPath={self.work}/control")
        first = self.terminal(self.daemon.client(SHELL, options=("-M", *control)))
        first.shows(PROMPT)
        clients = [self.login(SHELL) for _ in range(SESSIONS)]
        clients += [self.terminal(self.daemon.client(SHELL, options=control)) for _ in range(SHARED)]
        remote = set()
        for number, client in enumerate(clients):
            client.shows(PROMPT)
            client.sendline(f"echo mine-$((1000 + {number}))-$(tty)-")
            remote.add(client.finds(rf"mine-{1000 + number}-/dev/pts/(\d+)-\r\n")[1])
        self.assertEqual(SESSIONS + SHARED, len(remote))
        local = {client.tty.name for client in [first, *clients]}
        self.assertFalse(remote & local)
        self.assertTrue(remote | local <= set(system.nodes()))
        self.assertEqual(2 * (1 + SESSIONS + SHARED), system.in_use())
        for client in [*clients, first]:
            client.sendline("exit 3")
            self.assertEqual(3, client.ends())

    def test_disconnect(self) -> None:
        """a session whose client dies is hung up: SIGHUP to what runs there, and the node goes"""
        said = self.work / "said"
        self.work.chmod(0o777)
        client = self.login(f"trap 'echo hup >{said}; exit' HUP; echo pid-$$ tty-$(tty)-; sleep 1000 & wait")
        found = client.finds(r"pid-(\d+) tty-(/dev/pts/\d+)-\r\n")
        idle, shell, idle_tty = self.remote_shell()
        for one in (client, idle):
            os.kill(one.pid, signal.SIGKILL)
        system.until("the script to have had its SIGHUP", lambda: said.exists() and said.read_text(encoding="ascii"))
        self.assertEqual("hup\n", said.read_text(encoding="ascii"))
        for pid, tty in ((int(found[1]), Path(found[2])), (shell, idle_tty)):
            system.until("the shell to end", lambda pid=pid: not system.alive(pid))
            system.until("the node to go", lambda tty=tty: not tty.exists())

    def test_output(self) -> None:
        """4 MiB of output arrive whole"""
        data = os.urandom(4 << 20)
        (self.work / "data").write_bytes(data)
        got = system.run(self.daemon.client(f"stty raw; cat {self.work}/data"), text=False)
        self.assertEqual((len(data), hashlib.sha256(data).hexdigest()), (len(got), hashlib.sha256(got).hexdigest()))

    def test_input(self) -> None:
        """1 MiB of input arrives whole"""
        data = os.urandom(1 << 20)
        command = f"stty raw -echo; echo armed; head -c {len(data)} | sha256sum"
        # No escapes: what is sent may look like one.
        client = subprocess.Popen(self.daemon.client(command, options=("-e", "none")), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(client.kill)
        self.assertEqual(b"armed\n", client.stdout.readline())
        writer = threading.Thread(target=lambda: client.stdin.write(data) and client.stdin.flush())
        writer.start()
        self.assertEqual(hashlib.sha256(data).hexdigest(), client.stdout.readline().split()[0].decode())
        writer.join(system.PATIENCE)
        client.communicate(timeout=system.PATIENCE)
        self.assertEqual(0, client.returncode)
