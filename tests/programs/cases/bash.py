# SPDX-License-Identifier: GPL-2.0
"""A shell with job control."""

import os
import signal

import pexpect

from rig import system
from rig.case import ProgramCase
from rig.terminal import PROMPT


class Bash(ProgramCase):
    """bash -i on a terminal, and what is typed to it."""

    def start(self, shell, command: str, name: str = "sleep") -> int:
        """Type a command that takes the foreground; wait until it has it."""
        shell.send(f"{command}\r")
        return system.in_foreground(shell.pid, name)

    def test_interrupt_and_quit(self) -> None:
        """^C and ^\\ end the foreground job by their signals, not the shell"""
        shell = self.shell()
        for key, shown, number in (("\x03", "^C", signal.SIGINT), ("\x1c", "^\\", signal.SIGQUIT)):
            self.start(shell, "sleep 1000")
            shell.send(key)
            shell.shows(shown, PROMPT)
            self.assertEqual(f"{128 + number}\n", shell.says("echo $?"))

    def test_stop_and_resume(self) -> None:
        """^Z stops; jobs lists; bg and fg resume, in the background and in the foreground; wait waits"""
        shell = self.shell()
        job = self.start(shell, "sleep 1000")
        shell.send("\x1a")
        shell.shows("Stopped", PROMPT)
        self.assertEqual("T", system.stat(job)[0])
        self.assertRegex(shell.says("jobs"), r"\[1\]\+ +Stopped +sleep 1000")
        shell.says("bg")
        system.until("the job to go on", lambda: system.stat(job)[0] == "S")
        self.assertEqual(shell.pid, system.foreground(shell.pid))
        self.assertRegex(shell.says("jobs"), r"\[1\]\+ +Running +sleep 1000 &")
        self.start(shell, "fg")
        self.assertEqual(job, system.foreground(shell.pid))
        shell.send("\x03")
        shell.shows("^C", PROMPT)
        self.assertFalse(system.alive(job))
        shell.says("(exit 3) & first=$!; (exit 4) & true")
        shell.says("wait $first")
        self.assertEqual(3, shell.status)

    def test_tty_input(self) -> None:
        """a background job that reads is stopped by SIGTTIN, and reads once it is in the foreground"""
        shell = self.shell()
        shell.says("(read line; echo got-$line) &")
        self._stopped(shell, "tty input")
        shell.send("fg\r")
        system.until("the job to have the terminal", lambda: system.foreground(shell.pid) != shell.pid)
        shell.send("typed\r")
        shell.shows("got-typed\r\n", PROMPT)

    def test_tty_output(self) -> None:
        """a background job that writes is stopped by SIGTTOU with tostop alone"""
        shell = self.shell()
        shell.send("echo free-$((40 + 2)) &\r")
        shell.shows("free-42")
        shell.says("wait")
        shell.says("stty tostop; (echo told; exit 6) &")
        self._stopped(shell, "tty output")
        shell.send("fg\r")
        shell.shows("told\r\n", PROMPT)
        self.assertEqual("6\n", shell.says("echo $?"))

    def _stopped(self, shell, reason: str) -> None:
        """Wait until the only job of the shell is stopped, and why, as the shell sees it."""
        pid = int(shell.says("jobs -p"))
        system.until("the job to be stopped", lambda: system.stat(pid)[0] == "T")
        said = system.until("the shell to know", lambda: self._listed(shell))
        self.assertIn(f"Stopped ({reason})", said)

    @staticmethod
    def _listed(shell) -> str:
        said = shell.says("jobs -l")
        return said if "Stopped" in said else ""

    def test_settings_of_others(self) -> None:
        """stty in the background is stopped by SIGTTOU even without tostop"""
        shell = self.shell()
        shell.says("stty -echo &")
        self._stopped(shell, "tty output")
        shell.says("kill -KILL %1; disown -a")
        self.assertIn(" echo ", shell.says("stty -a"))

    def test_hangup(self) -> None:
        """a terminal that goes hangs up the shell and its jobs, stopped ones too; not what it disowned"""
        shell = self.shell()
        shell.says("sleep 1001 & sleep 1002 & disown %2; sleep 1003 & setsid sleep 1004 &")
        self.start(shell, "sleep 1005")
        shell.send("\x1a")
        shell.shows("Stopped", PROMPT)
        jobs = {int(args.split()[2]): int(args.split()[0]) for args in
                system.run(["ps", "-C", "sleep", "-o", "pid=,args="]).splitlines()}
        self.assertEqual({1001, 1002, 1003, 1004, 1005}, set(jobs))
        for survivor in (1002, 1004):
            self.addCleanup(os.kill, jobs[survivor], signal.SIGKILL)
        shell.hang_up()
        for gone in (1001, 1003, 1005):
            system.until(f"sleep {gone} to end", lambda gone=gone: not system.alive(jobs[gone]))
        for survivor in (1002, 1004):
            self.assertTrue(system.alive(jobs[survivor]))
        # It lives, but its terminal is none.
        self.assertEqual(0, int(system.stat(jobs[1002])[4]))
        shell.wait()
        self.assertEqual(signal.SIGHUP, shell.signalstatus)

    def test_flow(self) -> None:
        """^S holds the output, ^Q lets it go on"""
        shell = self.shell()
        shell.send("\x13")
        shell.send("echo held-$((40 + 2))\r")
        # The shell has read its line when it writes, and that waits.
        self.assertEqual(1, shell.expect_exact(["held-42", pexpect.TIMEOUT], timeout=1.0))
        shell.send("\x11")
        shell.shows("held-42\r\n", PROMPT)

    def test_end_of_file(self) -> None:
        """^D at the prompt ends the shell; elsewhere it ends what is read"""
        shell = self.shell()
        shell.send("cat >/dev/null; exec 3<&0\r")
        system.in_foreground(shell.pid, "cat")
        shell.send("text\r\x04")
        shell.shows(PROMPT)
        shell.send("\x04")
        self.assertEqual(0, shell.ends())
        self.assertIn("exit", shell.last)

    def test_typeahead(self) -> None:
        """what is typed while a command runs is for the next"""
        shell = self.shell()
        job = self.start(shell, "sleep 1000")
        shell.send("echo ahead-$((40 + 2))\r")
        shell.shows("echo ahead-")
        os.kill(job, signal.SIGTERM)
        shell.shows("Terminated", "ahead-42\r\n", PROMPT)
