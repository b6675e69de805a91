# SPDX-License-Identifier: GPL-2.0
"""vim on a terminal."""

from rig import system
from rig.case import ProgramCase
from rig.terminal import PROMPT


class Vim(ProgramCase):
    """A file edited by keys."""

    COMMAND = ("vim.tiny", "-u", "NONE", "-i", "NONE", "-n", "-N")

    def test_edit(self) -> None:
        """keys become a file; the size of the screen is the terminal's, before and after a change"""
        path = self.work / "text"
        vim = self.terminal([*self.COMMAND, str(path)], rows=30, cols=100)
        vim.shows("~")
        vim.send("ifirst line\x1b")
        vim.shows("first line")
        for rows, cols in ((30, 100), (41, 121)):
            vim.resize(rows, cols)
            # It asks for the size when its SIGWINCH comes.
            system.until("vim to have the size", lambda: self._option(vim, "lines") == rows)  # noqa: B023
            self.assertEqual(cols, self._option(vim, "columns"))
        vim.send("Gosecond\x1b:wq\r")
        self.assertEqual(0, vim.ends())
        self.assertEqual(["first line", "second"], path.read_text(encoding="ascii").splitlines())

    @staticmethod
    def _option(vim, name: str) -> int:
        vim.send(f":set {name}?\r")
        return int(vim.finds(rf"  {name}=(\d+)")[1])

    def test_suspend(self) -> None:
        """^Z gives the terminal back to the shell as it was, fg takes it again; a program under vim has it, too"""
        path = self.work / "text"
        shell = self.shell()
        before = shell.says("stty -g")
        shell.send(f"{' '.join(self.COMMAND)} {path}\r")
        system.in_foreground(shell.pid, "vim.tiny")
        shell.shows("~")
        shell.send("ihalf")
        shell.shows("half")
        shell.send("\x1b")
        shell.send("\x1a")
        shell.shows("Stopped", PROMPT)
        self.assertEqual(before, shell.says("stty -g"))
        shell.send("fg\r")
        system.in_foreground(shell.pid, "vim.tiny")
        # It draws the screen again once it has the terminal.
        shell.shows("~")
        shell.send("A and half\x1b:w\r")
        system.until("the file", lambda: path.exists() and path.read_text(encoding="ascii") == "half and half\n")
        shell.send(":!tty\r")
        shell.shows(str(shell.tty))
        shell.send("\r:q\r")
        shell.shows(PROMPT)
        self.assertEqual(before, shell.says("stty -g"))
