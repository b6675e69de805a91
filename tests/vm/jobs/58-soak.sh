#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A short run of the soak: thousands of ptys on several mounts, hangups, processors that go, memory that runs out, OOM kills, and
# the module unloaded in between. A kernel that cannot take processors away, or has no memory cgroups, is spared those; one with
# KASAN, which is slow, has fewer ptys.
#
# timeout: 300
# memory: 1536
# fstype: none
# kernel: stock memory locks
# needs: bin/rdevpts-soak

ptys=4000
! grep -qw kasan_quarantine_put /proc/kallsyms || ptys=500
echo 1..1
exec /rdevpts/bin/rdevpts-soak --module /rdevpts/rdevpts.ko --seconds 20 --round 12 --ptys "$ptys"
