#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every operation, with every allocation that it makes failing once; on devpts too, for comparison.
#
# timeout: 300
# kernel: memory
# test: memory
# fstype: devpts rdevpts
# needs: bin/rdevpts-faults

. /rdevpts/lib.sh

if [ "$FSTYPE" = rdevpts ]; then
	# Loading and unloading are among the operations.
	umount /dev/pts && unload || exit
	set -- --module /rdevpts/rdevpts.ko
fi
exec /rdevpts/bin/rdevpts-faults --fstype "$FSTYPE" "$@"
