# SPDX-License-Identifier: GPL-2.0
#
# expect's own tests, with Debian's expect.
#
# source: expect
# package: expect
# format: tcltest
# passes: 29
# short: yes

run() {
	cp -r "$SUITE/expect/tests" .
	on_terminal 'expect tests/all.tcl -verbose "pass skip error body"'
}
