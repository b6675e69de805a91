#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random operations on devpts and on rdevpts in lockstep, for ten minutes: half of them from seeds that are always the same,
# half from new ones. `make differential` is the long run.
#
# timeout: 1500
# cpus: 1
# fstype: none
# needs: bin/rdevpts-differential

insmod /rdevpts/rdevpts.ko || exit
exec /rdevpts/bin/rdevpts-differential --seed 1 --seed clock --seconds 600 --real-time-workers --save /rdevpts/out
