# SPDX-License-Identifier: GPL-2.0
"""script(1) and scriptreplay(1)."""

from rig import system
from rig.case import ProgramCase
from rig.terminal import BASH, PROMPT


class Script(ProgramCase):
    """A recorded session on a pty of its own."""

    def test_command(self) -> None:
        """--command runs on a terminal, --return gives its exit status, the typescript has what it said"""
        record = self.work / "typescript"
        commands = "tty; test -t 0 && test -t 1 && test -t 2 && echo all; stty size; exit 7"
        said = system.run(["script", "--quiet", "--return", "--command", commands, str(record)], status=7)
        self.assertEqual("/dev/pts/0\nall\n0 0\n", said)
        self.assertIn("/dev/pts/0\r\nall\r\n", record.read_bytes().decode())
        self.assertIn('COMMAND_EXIT_CODE="7"', record.read_bytes().decode())

    def test_interactive(self) -> None:
        """what is typed goes through, ^C too; a change of size as well"""
        outer = self.terminal(["script", "-q", "-e", "-c", " ".join(BASH), "/dev/null"], rows=31, cols=97)
        outer.shows(PROMPT)
        outer.send("echo pid-$$ $(tty) $(stty size)-\r")
        pid = int(outer.finds(r"pid-(\d+) /dev/pts/1 31 97-\r\n")[1])
        outer.resize(41, 101)
        outer.send("\r")
        system.until("the new size", lambda: system.run(["stty", "-F", "/dev/pts/1", "size"]) == "41 101\n")
        outer.send("sleep 1000\r")
        system.in_foreground(pid, "sleep")
        outer.send("\x03")
        outer.shows("^C", PROMPT)
        outer.send("exit 3\r")
        self.assertEqual(3, outer.ends())

    def test_flush(self) -> None:
        """--flush writes the typescript while the command runs"""
        record = self.work / "typescript"
        outer = self.terminal(["script", "-q", "-f", "-c", "echo before; read line; echo got-$line", str(record)])
        outer.shows("before")
        system.until("the line in the typescript", lambda: b"before\r\n" in record.read_bytes())
        self.assertNotIn(b"\r\ngot-", record.read_bytes())
        outer.send("typed\r")
        outer.shows("got-typed")
        self.assertEqual(0, outer.ends())

    def test_replay(self) -> None:
        """scriptreplay shows a session again, byte for byte, and the log of the input has what was typed"""
        output, keys, timing = (str(self.work / name) for name in ("output", "input", "timing"))
        outer = self.terminal(["script", "-q", "--log-out", output, "--log-in", keys, "--log-timing", timing,
                               "-c", "echo armed; read line; seq 300; echo $line"])
        outer.shows("armed")
        outer.send("typed\r")
        outer.ends()
        self.assertIn("300\r\ntyped\r\n", outer.last)
        self.assertEqual(b"typed\r", (self.work / "input").read_bytes().split(b"\n", 1)[1].split(b"\n")[0])
        replay = ["scriptreplay", "--divisor", "1000", "--log-out", output, "--timing", timing]
        said = system.run(replay, text=False).decode()
        lines = "".join(f"{number}\r\n" for number in range(1, 301))
        self.assertIn(f"{lines}typed\r\n", said)

    def test_output(self) -> None:
        """2 MiB of output arrive whole"""
        said = system.run(["script", "-q", "-e", "-c", "stty -opost; seq 300000", "/dev/null"])
        self.assertEqual([str(number) for number in range(1, 300001)], said.split())
