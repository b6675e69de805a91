# SPDX-License-Identifier: GPL-2.0
#
# pexpect's tests of programs on ptys. Its tests of performance, of its terminal emulator and of sockets need none.
#
# source: pexpect
# package: python3-pexpect
# format: pytest
# passes: 120

run() {
	cp -r "$SUITE/pexpect" .
	cd pexpect || return
	# Debian's module is under test, not that beside the tests.
	rm -r pexpect
	on_terminal 'python3 -m pytest -v -p no:cacheprovider tests --ignore tests/test_performance.py \
		--ignore tests/test_FSM.py --ignore tests/test_ansi.py --ignore tests/test_screen.py --ignore tests/test_socket.py \
		--ignore tests/test_socket_fd.py --ignore tests/test_socket_pexpect.py'
}
