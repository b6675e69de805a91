# SPDX-License-Identifier: GPL-2.0
#
# The tests of Perl's Expect.
#
# source: libexpect-perl
# package: libexpect-perl libio-pty-perl
# format: tap
# passes: 95

run() {
	cp -r "$SUITE/libexpect-perl" .
	cd libexpect-perl || return
	for test in t/*.t; do
		part "$test" perl "$test"
	done
}
