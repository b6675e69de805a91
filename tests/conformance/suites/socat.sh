# SPDX-License-Identifier: GPL-2.0
#
# Those of socat's tests that are about ptys.
#
# source: socat
# package: socat
# format: socat
# passes: 15

run() {
	cp -r "$SUITE/socat" .
	cd socat || return
	export SOCAT=/usr/bin/socat
	on_terminal './test.sh pty'
}
