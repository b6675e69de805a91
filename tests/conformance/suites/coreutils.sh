# SPDX-License-Identifier: GPL-2.0
#
# coreutils' tests that want a terminal, with Debian's programs: of stty, tty, nohup, tail, and of the end of input in every
# program that reads it.
#
# source: coreutils
# package: coreutils
# format: exit
# passes: 6

build() {
	find coreutils -mindepth 1 -maxdepth 1 ! -name tests ! -name init.cfg ! -name src -exec rm -r {} +
	find coreutils/src ! -name stty.c -type f -delete
}

run() {
	cp -r "$SUITE/coreutils" .
	cd coreutils || return
	# What tests/local.mk tells them.
	version=$(stty --version | sed -n '1s/.* //p')
	export srcdir=. top_srcdir=. abs_top_srcdir="$PWD" abs_top_builddir="$PWD" abs_srcdir="$PWD" fail=0 VERSION="$version" \
		PACKAGE_VERSION="$version" built_programs='stty tty nohup tail' CONFIG_HEADER=/dev/null AWK=awk EGREP='grep -E' \
		PERL=perl SHELL=/bin/sh EXEEXT='' host_triplet=x86_64-pc-linux-gnu LC_ALL=C
	for test in stty/stty stty/stty-invalid stty/stty-row-col tty/tty misc/nohup tail/follow-stdin; do
		terminal_part $test "sh tests/$test.sh 9>&2"
	done
	terminal_part tty/tty-eof \
		'perl -w -Itests -MCuSkip -MCoreutils -M"CuTmpdir qw(tty-eof)" tests/tty/tty-eof.pl 9>&2'
}
