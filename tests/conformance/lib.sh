# SPDX-License-Identifier: GPL-2.0
#
# What the suites' scripts share in the virtual machine.

export TERM=xterm SHELL=/bin/bash

# One part of a suite: part NAME COMMAND... What takes as long as this hangs; nothing here depends on speed.
part_limit=600
part() {
	part_name=$1
	shift
	echo "== $part_name"
	timeout -k 5 $part_limit "$@"
	echo "== $part_name: exit $?"
}

# A command line on a terminal of the file system under test, which is also its controlling terminal; nobody types. What it
# says is in /tmp/said as well.
on_terminal() {
	[ -p /tmp/nobody ] || mkfifo /tmp/nobody
	script -qec "$1" /tmp/said <>/tmp/nobody
}

# The same as a part: terminal_part NAME 'COMMAND LINE'
terminal_part() {
	[ -p /tmp/nobody ] || mkfifo /tmp/nobody
	part "$1" script -qec "$2" /tmp/said <>/tmp/nobody
}
