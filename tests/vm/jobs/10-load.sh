#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module by itself: it loads, also by the alias of its file system, but not where it was not built for; it stays while it
# is in use; it goes.
#
# fstype: none

# shellcheck source=tests/vm/guest/lib.sh
. /rdevpts/lib.sh

loaded() {
	grep -q '^rdevpts ' /proc/modules
}
registered() {
	grep -qw rdevpts /proc/filesystems
}
load_and_unload() {
	insmod /rdevpts/rdevpts.ko && loaded && registered && rmmod rdevpts && ! loaded && ! registered
}
# A directory of modules with ours in it, as `make install` leaves it.
load_by_alias() {
	mkdir -p /tmp/lib/modules/"$RELEASE"/updates
	cp /lib/modules/"$RELEASE"/modules.builtin* /lib/modules/"$RELEASE"/modules.order /tmp/lib/modules/"$RELEASE"/
	cp /rdevpts/rdevpts.ko /tmp/lib/modules/"$RELEASE"/updates/
	depmod -b /tmp "$RELEASE"
	mount --bind /tmp/lib/modules /usr/lib/modules
	! loaded && mount -t rdevpts rdevpts /mnt && loaded && umount /mnt && unload && ! loaded
}
kept_while_mounted() {
	insmod /rdevpts/rdevpts.ko && mount -t rdevpts rdevpts /mnt || return
	! rmmod rdevpts 2>/tmp/said && grep -q 'in use' /tmp/said && loaded && umount /mnt && unload
}
# The mount is gone from every namespace, but a pty of it is still open.
kept_while_open() {
	insmod /rdevpts/rdevpts.ko && mount -t rdevpts -o ptmxmode=666 rdevpts /mnt || return
	exec 9<>/mnt/ptmx || return
	umount -l /mnt
	! rmmod rdevpts 2>/tmp/said
	refused=$?
	exec 9>&-
	[ "$refused" -eq 0 ] && grep -q 'in use' /tmp/said && unload
}
# As if it had been made to go on by `insmod -f`: in the module, what it was built for stands by itself, apart from what the
# loader compares.
refuses_another_release() {
	other=0${RELEASE#?}
	LC_ALL=C sed "s/$RELEASE\\x00/$other\\x00/" /rdevpts/rdevpts.ko >/tmp/other.ko
	! cmp -s /rdevpts/rdevpts.ko /tmp/other.ko || return
	! insmod /tmp/other.ko 2>/tmp/said && grep -q 'Invalid module format' /tmp/said || return
	[ "$(dmesg | grep -c 'rdevpts: not loaded')" = 1 ] || return
	dmesg | grep -q "rdevpts: not loaded: this is kernel $RELEASE, and it was built for $other\$" || return
	! loaded && ! registered && ! grep rdevpts /proc/tty/drivers && load_and_unload
}
says_what_it_is() {
	modinfo /rdevpts/rdevpts.ko >/tmp/info
	grep -q '^license: *GPL' /tmp/info && grep -q '^alias: *fs-rdevpts$' /tmp/info
}

tap_plan 6
tap_check 'loads and unloads' load_and_unload
tap_check 'carries its license and the alias of its file system' says_what_it_is
tap_check 'refuses a kernel that it was not built for' refuses_another_release
tap_check 'is loaded by mount through its alias' load_by_alias
tap_check 'refuses to unload while mounted' kept_while_mounted
tap_check 'refuses to unload while a pty is open' kept_while_open
exit "$tap_status"
