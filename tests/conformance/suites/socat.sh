# SPDX-License-Identifier: GPL-2.0
#
# Those of socat's tests that are about ptys: what its test.sh has under `pty`, without the one that sends a pty through TLS,
# because that makes a prime number first, which takes minutes.
#
# source: socat
# package: socat
# format: socat
# passes: 15

run() {
	cp -r "$SUITE/socat" .
	cd socat || return
	export SOCAT=/usr/bin/socat
	on_terminal './test.sh EXECPTY SYSTEMPTY FAKEPTY SINGLEEXECOUTPTY SINGLEEXECINPTYDELAY SINGLEEXECINPTY READLINE \
		PTMXWAITSLAVE OPENPTYWAITSLAVE EXITCODESIGTERM EXITCODESIGILL PTYENDCLOSE EXECPTYKILL IOCTL_VOID PTY_VOIDARG \
		READLINE_OVFL PTY_PERM PTY_USER TERMIOS_PH_ALL RAWER SHELL_PTY'
}
