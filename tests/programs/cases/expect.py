# SPDX-License-Identifier: GPL-2.0
"""expect(1): programs spawned on ptys, several at once."""

from rig import system
from rig.case import ProgramCase

SPAWN = """
set timeout %TIME%
proc shows {id pattern} {
    expect -i $id -re $pattern { return $expect_out(1,string) } timeout { exit 9 } eof { exit 8 }
}
proc status {id} {
    expect -i $id timeout { exit 9 } eof
    puts "status [lindex [wait -i $id] 3]"
}
spawn -noecho bash --norc --noprofile --noediting -i
set one $spawn_id
set name $spawn_out(slave,name)
shows $one "(ready> )"
exec stty rows 33 columns 99 < $name
send "echo \\$(tty)-\\$(stty size)-\\$((6 * 7))\\r"
if {[shows $one {(/dev/pts/[0-9]+)-33 99-42\\r\\n}] ne $name} { puts "the slave is $name"; exit 7 }
spawn -noecho cat
set two $spawn_id
send -i $two "both\\r"
shows $two "(both)\\r\\nboth\\r\\n"
send -i $one "exec sh -c 'trap \\"echo caught; exit 6\\" INT; echo armed; sleep 1000 & wait'\\r"
shows $one "(armed)\\r\\n"
send -i $one "\\003"
shows $one "(caught)"
status $one
send -i $two "\\004"
status $two
"""

INTERACT = """
log_user 1
spawn -noecho cat
interact {
    ~~ { send_user "escaped\\n"; exit 4 }
}
"""


class Expect(ProgramCase):
    """Scripts of expect's own."""

    def script(self, text: str) -> list[str]:
        """The command line that runs a script."""
        path = self.work / "script"
        path.write_text(text.replace("%TIME%", str(int(system.PATIENCE))), encoding="ascii")
        return ["expect", "-f", str(path)]

    def test_spawn(self) -> None:
        """spawn, send, expect and wait on two programs at once; the slave's name, size, ^C and end of file"""
        said = system.run(self.script(SPAWN), env={"PS1": "ready> ", "PATH": "/usr/bin", "TERM": "xterm"})
        self.assertEqual(["status 6", "status 0"], [line for line in said.splitlines() if line.startswith("status")])

    def test_interact(self) -> None:
        """interact joins two terminals, until its escape"""
        user = self.terminal(self.script(INTERACT))
        user.send("hello\r")
        user.shows("hello\r\n", "hello\r\n")
        user.send("~~")
        user.shows("escaped")
        self.assertEqual(4, user.ends())

    def test_unbuffer(self) -> None:
        """unbuffer gives a program a terminal for its output"""
        said = system.run(["unbuffer", "sh", "-c", "test -t 1 && tty <&1; exit 5"], status=5)
        self.assertEqual("/dev/pts/0\r\n", said.replace("\r\n", "\n").replace("\n", "\r\n"))
