# SPDX-License-Identifier: GPL-2.0
#
# The tests that Debian itself adds to tmux and util-linux: a session that comes and goes, and a login.
#
# debian: tmux util-linux
# package: tmux login util-linux
# format: exit
# passes: 2

run() {
	cp -r "$SUITE/tmux" "$SUITE/util-linux" .
	terminal_part tmux/smoketest 'sh tmux/debian/tests/smoketest'
	cd util-linux || return
	terminal_part util-linux/login 'bash debian/tests/login'
}
