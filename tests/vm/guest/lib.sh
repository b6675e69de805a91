# SPDX-License-Identifier: GPL-2.0
#
# What the scripts in the guest share.

# Put a file system of this type on /dev/pts, with the options that distributions give it, and /dev/ptmx where programs
# look for it. `none` leaves /dev/pts empty.
mount_pts() {
	[ "$1" != none ] || return 0
	if [ "$1" = rdevpts ]; then
		grep -qw rdevpts /proc/filesystems || insmod /rdevpts/rdevpts.ko || return
	fi
	mount -t "$1" -o gid=5,mode=620,ptmxmode=666 "$1" /dev/pts || return
	# A device node made by devtmpfs belongs to the C driver; the multiplexer of this mount is inside it.
	ln -sf pts/ptmx /dev/ptmx
}

# Unload the module once nothing uses it. The tty core lets go of a closed tty, and so of its driver's module, in a work
# queue: give it a moment.
unload() {
	for _ in $(seq 50); do
		! rmmod rdevpts 2>/dev/null || return 0
		sleep 0.1
	done
	rmmod rdevpts
}

# On the kernel with KCSAN: watch more accesses than by default, and for longer, as the processors that race are slow here.
watch_closely() {
	echo 1000 >/sys/module/kcsan/parameters/skip_watch
	echo 200 >/sys/module/kcsan/parameters/udelay_task
}

# tap_plan N; tap_check NAME COMMAND...: one numbered line each, and the status for `exit` in $tap_status.
tap_count=0
tap_status=0
tap_plan() {
	echo "1..$1"
}
tap_check() {
	tap_name=$1
	shift
	tap_count=$((tap_count + 1))
	if tap_said=$("$@" 2>&1); then
		echo "ok $tap_count - $tap_name"
	else
		echo "not ok $tap_count - $tap_name"
		printf '%s\n' "$tap_said" | tail -n 15 | sed 's/^/# /'
		# shellcheck disable=SC2034
		tap_status=1
	fi
}
