#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Reading the directory against opening and closing, on a mount beside /dev/pts.
#
# timeout: 180
# fstype: devpts rdevpts
# needs: bin/reproducer

. /rdevpts/lib.sh

on_a_mount() {
	mount -t "$FSTYPE" -o ptmxmode=666 "$FSTYPE" /mnt || return
	/rdevpts/bin/reproducer --dir /mnt "$@"
	status=$?
	umount /mnt && return $status
}

tap_plan 2
tap_check 'masters' on_a_mount --seconds 20
tap_check 'masters and slaves' on_a_mount --seconds 20 --slaves
exit "$tap_status"
