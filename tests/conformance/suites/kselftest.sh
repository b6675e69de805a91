# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftests that use ptys: all of tty, and devpts_pts of filesystems. devpts_pts mounts `devpts` by name: on
# rdevpts, a mount(2) in front of libc's gives the kernel the other name, so that the program is the same on both.
#
# source: linux
# format: tap
# passes: 16
# short: yes

build() {
	tests=$KERNEL_SOURCE/tools/testing/selftests
	for test in tty/tty_tstamp_update tty/tty_tiocsti_test filesystems/devpts_pts; do
		cc -O2 -Wall -I"$tests" -o "${test##*/}" "$tests/$test.c" -lcap
	done
	cc -O2 -Wall -shared -fPIC -o as_rdevpts.so -x c - <<-'C'
	#define _GNU_SOURCE
	#include <string.h>
	#include <sys/syscall.h>
	#include <unistd.h>

	int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
	{
		if (type && !strcmp(type, "devpts"))
			type = "rdevpts";
		return syscall(SYS_mount, source, target, type, flags, data);
	}
	C
}

run() {
	terminal_part tty_tstamp_update "$SUITE/tty_tstamp_update"
	terminal_part tty_tiocsti_test "$SUITE/tty_tiocsti_test"
	# It bind-mounts /dev/pts/ptmx on /dev/ptmx, which must be a file for that and no symbolic link.
	rm /dev/ptmx
	: >/dev/ptmx
	mount --bind /dev/pts/ptmx /dev/ptmx
	if [ "$FSTYPE" = rdevpts ]; then
		terminal_part devpts_pts "LD_PRELOAD=$SUITE/as_rdevpts.so $SUITE/devpts_pts"
	else
		terminal_part devpts_pts "$SUITE/devpts_pts"
	fi
	# Its status is 0 also where TIOCGPTPEER fails, which it does once, and must: so what it says is compared, too.
	part devpts_pts_says sed '/^Script /d; /^$/d; s/\r//; s/^/ok - /' /tmp/said
}
