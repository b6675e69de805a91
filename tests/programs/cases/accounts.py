# SPDX-License-Identifier: GPL-2.0
"""login, su, sudo, runuser: who changes the user, on which terminal."""

import os
import stat
from pathlib import Path

from rig import system
from rig.case import ProgramCase
from rig.terminal import PROMPT


class Accounts(ProgramCase):
    """The same terminal for another user, or a new one."""

    def test_login(self) -> None:
        """login asks for the password unseen, gives the terminal to the user, and takes it back"""
        terminal = self.terminal(["login"], hangs_up=True, rows=30, cols=100)
        terminal.shows("login: ")
        terminal.send("alice\r")
        terminal.shows("Password: ")
        terminal.send(f"{system.PASSWORD}\r")
        terminal.shows("alice@")
        self.assertNotIn(system.PASSWORD, terminal.before)
        pid = terminal.plain_shell()
        node = terminal.tty.stat()
        self.assertEqual((system.uid("alice"), system.TTY_GID), (node.st_uid, node.st_gid))
        self.assertEqual(0o600, stat.S_IMODE(node.st_mode) & ~0o020)
        self.assertEqual(f"{terminal.tty} alice 30 100\n", terminal.says("echo $(tty) $(id -un) $(stty size)"))
        terminal.send("sleep 1000\r")
        system.in_foreground(pid, "sleep")
        terminal.send("\x03")
        terminal.shows("^C")
        terminal.send("exit\r")
        terminal.ends()
        self.assertFalse(system.alive(pid))

    def test_wrong_password(self) -> None:
        """login refuses a wrong password, and asks again"""
        terminal = self.terminal(["login"], hangs_up=True)
        terminal.shows("login: ")
        terminal.send("alice\r")
        terminal.shows("Password: ")
        terminal.send("wrong\r")
        terminal.shows("Login incorrect", "login: ")
        self.assertNotIn("wrong", terminal.before)

    def test_su(self) -> None:
        """su keeps the terminal; asked by a user, it reads the password there, unseen"""
        shell = self.shell()
        self.assertEqual(f"{shell.tty}\nalice\n", shell.says("su alice -c 'tty; id -un'"))
        shell.send("su alice -c 'su bob -c \"id -un; tty; exit 4\"'\r")
        shell.shows("Password: ")
        shell.send(f"{system.PASSWORD}\r")
        # The slave belongs to root: bob has the terminal, but could not open it.
        shell.shows(f"bob\r\n{shell.tty}\r\n", PROMPT)
        self.assertEqual("4\n", shell.says("echo $?"))

    def test_su_pty(self) -> None:
        """su --pty and runuser --pty: a terminal of their own, with size, keys and exit status"""
        for program in ("su", "runuser"):
            # Without a user's name in the middle runuser would take the rest for its own.
            outer = self.terminal([program, "--pty", "alice", "-c",
                                   "tty; stty size; trap 'echo caught; exit 6' INT; echo armed; sleep 1000; :"],
                                  rows=30, cols=100)
            outer.shows("/dev/pts/1\r\n30 100\r\n", "armed\r\n")
            node = os.stat("/dev/pts/1")
            self.assertEqual((system.uid("alice"), system.TTY_GID), (node.st_uid, node.st_gid))
            outer.resize(40, 120)
            system.until("the new size", lambda: system.run(["stty", "-F", "/dev/pts/1", "size"]) == "40 120\n")
            outer.send("\x03")
            outer.shows("caught")
            self.assertEqual(6, outer.ends())
            system.until("the ptys to go", lambda: not system.nodes())

    def test_sudo(self) -> None:
        """sudo with use_pty: a terminal of its own, with size, keys, stop and exit status"""
        Path("/etc/sudoers.d/case").write_text("Defaults use_pty\nalice ALL=(ALL) ALL\n", encoding="ascii")
        self.addCleanup(os.unlink, "/etc/sudoers.d/case")
        outer = self.terminal(["sudo", "-u", "alice", "sh", "-c",
                               "tty; stty size; trap 'echo caught; exit 6' INT; echo armed; sleep 1000; :"],
                              rows=30, cols=100)
        outer.shows("/dev/pts/1\r\n30 100\r\n", "armed\r\n")
        outer.resize(40, 120)
        system.until("the new size", lambda: system.run(["stty", "-F", "/dev/pts/1", "size"]) == "40 120\n")
        outer.send("\x03")
        outer.shows("caught")
        self.assertEqual(6, outer.ends())

    def test_sudo_password(self) -> None:
        """sudo asks on the terminal, unseen; a job under it stops and resumes with it"""
        Path("/etc/sudoers.d/case").write_text("Defaults use_pty\nalice ALL=(ALL) ALL\n", encoding="ascii")
        self.addCleanup(os.unlink, "/etc/sudoers.d/case")
        shell = self.shell()
        shell.send("unset PS1; exec su alice\r")
        shell.shows("alice@")
        pid = shell.plain_shell()
        shell.send("sudo sh -c 'tty; id -un; exec sleep 1000'\r")
        shell.shows("password for alice: ")
        shell.send(f"{system.PASSWORD}\r")
        shell.shows("/dev/pts/1\r\nroot\r\n")
        self.assertNotIn(system.PASSWORD, shell.before)
        inner = system.until("the job", lambda: system.run(["pgrep", "-t", "pts/1", "-x", "sleep"], status=None).strip())
        shell.send("\x1a")
        shell.shows("Stopped", PROMPT)
        system.until("the job to be stopped", lambda: system.stat(int(inner))[0] == "T")
        shell.send("fg\r")
        system.until("the job to go on", lambda: system.stat(int(inner))[0] == "S")
        system.in_foreground(pid, "sudo")
        shell.send("\x03")
        shell.shows(PROMPT)
        system.until("the job to end", lambda: not system.alive(int(inner)))
