#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The control with the parent's lock around the teardown: it survives what kills it without.
#
# timeout: 120
# fstype: devpts
# needs: racypts.ko bin/rdevpts-reproducer

# shellcheck source=tests/vm/guest/lib.sh
. /rdevpts/lib.sh

survives() {
	insmod /rdevpts/racypts.ko parent_lock=1 && mount -t racypts none /mnt &&
		/rdevpts/bin/rdevpts-reproducer --dir /mnt --seconds 15
}

tap_plan 1
tap_check 'survives' survives
exit "$tap_status"
