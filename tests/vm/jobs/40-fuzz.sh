#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random system calls from many processes at once, for a minute, from seeds that are always the same: what is new is looked for
# by `make fuzz`.
#
# timeout: 600
# cpus: 2
# fstype: rdevpts
# kernel: stock memory locks
# needs: bin/rdevpts-fuzz

exec /rdevpts/bin/rdevpts-fuzz --fstype "$FSTYPE" --seconds 60
