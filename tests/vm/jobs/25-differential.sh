#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random operations on devpts and on rdevpts in lockstep, for two minutes, from seeds that are always the same: what is new is
# looked for by `make differential`. What never comes again is told, and does not fail the job: the tester still has some rare
# differences of its own making (its README).
#
# timeout: 600
# cpus: 1
# fstype: none
# needs: bin/rdevpts-differential

insmod /rdevpts/rdevpts.ko || exit
exec /rdevpts/bin/rdevpts-differential --seed 1 --seconds 120 --again --real-time-workers --save /rdevpts/out
