#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftest for devpts, as it is on devpts, and with the one mount(2) call changed on rdevpts.
#
# fstype: devpts rdevpts
# needs: bin/devpts_pts bin/rdevpts_pts

. /rdevpts/lib.sh

# It wants a terminal on its standard input, and bind-mounts /dev/pts/ptmx on /dev/ptmx, which must be a file for that and
# no symbolic link by then.
on_a_terminal() {
	said=$(script -qec "rm /dev/ptmx; : >/dev/ptmx; $1" /dev/null </dev/null)
	status=$?
	ln -sf pts/ptmx /dev/ptmx
	printf '%s\n' "$said"
	return $status
}

tap_plan 1
tap_check 'devpts_pts' on_a_terminal "/rdevpts/bin/${FSTYPE}_pts"
exit "$tap_status"
