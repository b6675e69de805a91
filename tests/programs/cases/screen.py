# SPDX-License-Identifier: GPL-2.0
"""GNU screen: windows on ptys, attached to and detached from."""

import os
import subprocess

from rig import system
from rig.case import ProgramCase
from rig.terminal import BASH, ENVIRONMENT, PROMPT


class Screen(ProgramCase):
    """A session for each case."""

    def setUp(self) -> None:
        """No session yet."""
        super().setUp()
        sockets = self.work / "sockets"
        sockets.mkdir(mode=0o700)
        (self.work / "screenrc").write_text("startup_message off\nshell /bin/bash\n", encoding="ascii")
        self.environment = ENVIRONMENT | {"SCREENDIR": str(sockets), "SCREENRC": str(self.work / "screenrc")}
        self.addCleanup(subprocess.run, self.command("-X", "quit"), capture_output=True, env=self.environment,
                        check=False)

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """The command line that talks to the session."""
        return ["screen", "-S", "case", *arguments]

    def tell(self, *arguments: str) -> None:
        """Have the session do something."""
        system.run(self.command("-X", *arguments), env=self.environment)

    def start(self) -> None:
        """A detached session with one window."""
        system.run(["screen", "-dmS", "case", *BASH], env=self.environment)
        system.until("the session", lambda: "case" in system.run(["screen", "-ls"], status=None, env=self.environment))

    def answer(self, window: str, command: str) -> str:
        """Type a command into a window, give what it printed."""
        said = self.work / f"said-{window}"
        self.tell("at", window, "stuff", f"{{ {command}; }} >{said}.part; mv {said}.part {said}\r")
        system.until("an answer", said.exists)
        text = said.read_text(encoding="ascii")
        said.unlink()
        return text

    def test_windows(self) -> None:
        """windows have a pty each, with the keys that screen gives it"""
        self.start()
        self.tell("screen", *BASH)
        self.tell("screen", *BASH)
        names = [self.answer(window, "tty").strip() for window in "012"]
        self.assertEqual([f"/dev/pts/{number}" for number in range(3)], names)
        self.assertEqual("24 80\n", self.answer("1", "stty size"))
        hardcopy = self.work / "hardcopy"
        self.tell("at", "2", "stuff", "echo copy-$((6 * 7))\r")

        def copied() -> bool:
            hardcopy.unlink(missing_ok=True)
            self.tell("at", "2", "hardcopy", str(hardcopy))
            system.until("a hardcopy", hardcopy.exists)
            return "copy-42\n" in hardcopy.read_text(encoding="utf-8")

        system.until("the window to show what was typed", copied)
        self.tell("at", "1", "kill")
        system.until("the window's pty to go", lambda: system.nodes() == ["0", "2"])

    def test_attach(self) -> None:
        """attach, resize, split, detach, attach again"""
        self.start()
        client = self.terminal(["screen", "-r", "case"], env=self.environment)
        client.send("echo $((6 * 7))-shown $(tty) $(stty size)\r")
        client.shows("42-shown /dev/pts/0 24 80")
        client.resize(40, 120)
        system.until("the window to take the size over", lambda: self.answer("0", "stty size") == "40 120\n")
        client.send("\x01S")
        # A region ends with a line of screen's own.
        system.until("the window to be split", lambda: self.answer("0", "stty size") in ("19 120\n", "20 120\n"))
        client.send("\x01d")
        client.shows("detached")
        self.assertEqual(0, client.ends())
        second = self.terminal(["screen", "-r", "case"], rows=20, cols=60, env=self.environment)
        second.send("echo pid-$$ $(stty size)-; sleep 1000\r")
        pid = int(second.finds(r"pid-(\d+) 20 60-")[1])
        system.in_foreground(pid, "sleep")
        second.send("\x03")
        second.send("echo status-$?\r")
        second.shows("status-130")
        second.send("exit\r")
        second.shows("terminating")
        self.assertEqual(0, second.ends())
        self.assertFalse(os.path.exists("/dev/pts/0"))

    def test_quit(self) -> None:
        """quit hangs every window up"""
        self.start()
        said = self.work / "hup"
        self.tell("screen", "sh", "-c", f"trap 'echo hup >{said}; exit' HUP; : >{said}; sleep 1000 & wait")
        system.until("the window", said.exists)
        self.assertEqual(PROMPT, self.answer("0", "printf %s \"$PS1\""))
        self.tell("quit")
        system.until("the SIGHUP", lambda: said.read_text(encoding="ascii") == "hup\n")
        system.until("every pty to go", lambda: not system.nodes())
