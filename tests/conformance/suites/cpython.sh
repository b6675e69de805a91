# SPDX-License-Identifier: GPL-2.0
#
# CPython's tests of everything that works on terminals, and of the parts of larger tests that do.
#
# package: libpython3.13-testsuite
# format: junit
# passes: 360

run() {
	on_terminal 'python3 -m test --junit-xml /rdevpts/out/terminals.xml --timeout 900 -u curses test_pty test_openpty \
		test_tty test_fcntl test_ioctl test_termios test_readline test_curses test_getpass test_pyrepl'
	on_terminal 'python3 -m test --junit-xml /rdevpts/out/parts.xml --timeout 900 -m "*Pty*" -m "*pty*" \
		-m "*Pseudoterminal*" -m "*TermsizeTests*" -m "*controlling*" -m "*isatty*" test_os test_builtin test_posix \
		test_asyncio test_subprocess test_fileio test_io test_shutil'
}
