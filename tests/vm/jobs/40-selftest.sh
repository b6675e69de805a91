#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftest for devpts, as it is on devpts, and with the one mount(2) call changed on rdevpts.
#
# fstype: devpts rdevpts
# needs: bin/devpts_pts bin/rdevpts_pts

. /rdevpts/lib.sh

# It bind-mounts /dev/pts/ptmx on /dev/ptmx, which must be a file for that and no symbolic link.
rm /dev/ptmx
: >/dev/ptmx

tap_plan 1
tap_check "devpts_pts" "/rdevpts/bin/${FSTYPE}_pts"
exit "$tap_status"
