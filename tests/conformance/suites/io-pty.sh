# SPDX-License-Identifier: GPL-2.0
#
# The tests of Perl's IO::Tty and IO::Pty, with Debian's build of them.
#
# source: libio-pty-perl
# package: libio-pty-perl
# format: tap
# passes: 6
# short: yes

run() {
	cp -r "$SUITE/libio-pty-perl" .
	cd libio-pty-perl || return
	for test in t/*.t; do
		part "$test" perl "$test"
	done
}
