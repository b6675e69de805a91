# SPDX-License-Identifier: GPL-2.0
"""tmux: a server with a pty for each pane, and clients on ptys of their own."""

import os
import subprocess

from rig import system
from rig.case import ProgramCase
from rig.terminal import BASH, ENVIRONMENT, PROMPT


class Tmux(ProgramCase):
    """A server for each case."""

    def setUp(self) -> None:
        """The server starts with the first session."""
        super().setUp()
        self.environment = ENVIRONMENT | {"TMUX_TMPDIR": str(self.work)}
        self.addCleanup(subprocess.run, self.command("kill-server"), capture_output=True, env=self.environment,
                        check=False)

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """The command line of a client."""
        return ["tmux", "-L", "case", "-f", "/dev/null", *arguments]

    def tmux(self, *arguments: str) -> str:
        """Tell the server something."""
        return system.run(self.command(*arguments), env=self.environment)

    def start(self) -> None:
        """A session of one window, with bash."""
        self.tmux("new-session", "-d", "-s", "one", "-x", "80", "-y", "24", " ".join(BASH))

    def shown(self, pane: str) -> list[str]:
        """The lines that a pane shows."""
        return self.tmux("capture-pane", "-p", "-t", pane).splitlines()

    def answer(self, pane: str, command: str) -> str:
        """Type a command into a pane, give the line that it printed."""
        self.tmux("send-keys", "-t", pane, f"echo \"<\"$({command})\">\"; tmux wait-for -S said", "Enter")
        self.tmux("wait-for", "said")
        said = [line[1:-1] for line in self.shown(pane) if line.startswith("<")]
        self.tmux("send-keys", "-t", pane, "clear", "Enter")
        system.until("the screen to be clear", lambda: self.shown(pane)[:1] == [PROMPT.rstrip()])
        return said[-1]

    def panes(self) -> dict[str, tuple[str, str]]:
        """The terminal and the size of each pane, as tmux has them."""
        lines = self.tmux("list-panes", "-a", "-F", "#{pane_id} #{pane_tty} #{pane_height} #{pane_width}").splitlines()
        return {pane: (tty, f"{rows} {cols}") for pane, tty, rows, cols in map(str.split, lines)}

    def test_panes(self) -> None:
        """windows and panes have a pty each, of the size that tmux gives them"""
        self.start()
        shell = " ".join(BASH)
        self.tmux("new-window", "-t", "one", shell)
        self.tmux("split-window", "-h", "-t", "one:1", shell)
        self.tmux("split-window", "-v", "-t", "one:1", shell)
        self.tmux("new-session", "-d", "-s", "two", "-x", "40", "-y", "10", shell)
        panes = self.panes()
        self.assertEqual(5, len({tty for tty, _size in panes.values()}))
        self.assertEqual(sorted(panes.values()), sorted((f"/dev/pts/{n}", panes[p][1]) for n, p in enumerate(panes)))
        for pane, (tty, size) in panes.items():
            self.assertEqual(f"{tty} {size}", self.answer(pane, "tty; stty size").strip())

    def test_split_resizes(self) -> None:
        """a split and a resize-pane reach the shells, with SIGWINCH"""
        self.start()
        self.tmux("send-keys", "trap 'echo size-$(stty size)-' WINCH; tmux wait-for -S armed", "Enter")
        self.tmux("wait-for", "armed")
        self.tmux("split-window", "-d", "-v", "-l", "10", "sleep 1000")
        system.until("the new size", lambda: self.says_size("size-13 80-"))
        self.tmux("resize-pane", "-t", "one:0.0", "-y", "5")
        system.until("the new size", lambda: self.says_size("size-5 80-"))

    def says_size(self, said: str) -> bool:
        """Whether the shell says so. A trap runs when a line has been read: one that came before the signal does not count."""
        self.tmux("send-keys", "-t", "one:0.0", "", "Enter")
        return said in self.shown("one:0.0")

    def test_attach(self) -> None:
        """a client passes keys and its size on, detaches, and another of another size takes over"""
        client = self.terminal(self.command("new-session", "-s", "one", *BASH), env=self.environment)
        client.shows(PROMPT)
        client.send("echo $((6 * 7))-shown $(stty size)\r")
        client.shows("42-shown 23 80")
        client.resize(40, 120)
        system.until("tmux to take the size over", lambda: self.panes() == {"%0": ("/dev/pts/1", "39 120")})
        client.send("echo $((6 * 8))-shown $(stty size)\r")
        client.shows("48-shown 39 120")
        client.send("\x02d")
        client.shows("detached")
        self.assertEqual(0, client.ends())
        self.tmux("send-keys", "echo while-$((40 + 2))", "Enter")
        second = self.terminal(self.command("attach-session"), rows=20, cols=60, env=self.environment)
        second.shows("while-42")
        second.send("stty size; sleep 1000\r")
        second.shows("19 60")
        pid = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        system.in_foreground(pid, "sleep")
        second.send("\x03")
        second.send("echo status-$?\r")
        second.shows("status-130")
        second.send("exit\r")
        second.shows("exited")
        self.assertEqual(0, second.ends())

    def test_kill(self) -> None:
        """a killed pane hangs its shell up, and its pty goes"""
        self.start()
        said = self.work / "said"
        self.tmux("split-window", "-d", f"trap 'echo hup >{said}; exit' HUP; tmux wait-for -S armed; sleep 1000 & wait")
        self.tmux("wait-for", "armed")
        pane, (tty, _size) = list(self.panes().items())[1]
        pid = int(self.tmux("display-message", "-p", "-t", pane, "#{pane_pid}"))
        self.tmux("kill-pane", "-t", pane)
        system.until("the shell to end", lambda: not system.alive(pid))
        self.assertEqual("hup\n", said.read_text(encoding="ascii"))
        system.until("the node to go", lambda: not os.path.exists(tty))
        self.tmux("kill-session", "-t", "one")
        system.until("every pty to go", lambda: not system.nodes())

    def test_output(self) -> None:
        """20,000 lines arrive whole in a pane's history"""
        self.start()
        self.tmux("set-option", "-g", "history-limit", "30000")
        self.tmux("new-window", "seq 20000; tmux wait-for -S done; sleep 1000")
        self.tmux("wait-for", "done")
        # What seq wrote is in the pty when it ends; tmux reads it soon.
        system.until("the last line", lambda: "20000" in self.shown("one:1"))
        history = self.tmux("capture-pane", "-p", "-t", "one:1", "-S", "-").split()
        self.assertEqual([str(n) for n in range(1, 20001)], history)
