# SPDX-License-Identifier: GPL-2.0
#
# bash's tests of job control, traps, history and redirections, on a terminal.
#
# source: bash
# package: bash
# format: exit
# passes: 5

build() {
	for helper in recho zecho; do
		cc -DHAVE_STRING_H -DHAVE_STDLIB_H -Ibash -o $helper bash/support/$helper.c
	done
	find bash -mindepth 1 -maxdepth 1 ! -name tests -exec rm -r {} +
}

run() {
	cp -r "$SUITE/bash/tests" .
	cd tests || return
	export THIS_SH=/bin/bash BUILD_DIR=/tmp/work TMPDIR=/tmp BASH_TSTOUT=/tmp/bashtst PATH="$PATH:.:$SUITE"
	for test in run-jobs run-trap run-history run-lastpipe run-vredir; do
		# Its status is that of diff(1): nothing differs.
		terminal_part "$test" "sh ./$test"
	done
}
