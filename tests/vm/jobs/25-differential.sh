#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random operations on devpts and on rdevpts in lockstep, for ten minutes, from seeds that are always the same: what is new is
# looked for by `make differential`. Not where races between processors are looked for: it has one.
#
# timeout: 1500
# kernel: stock memory locks
# cpus: 1
# fstype: none
# needs: bin/rdevpts-differential

insmod /rdevpts/rdevpts.ko || exit
exec /rdevpts/bin/rdevpts-differential --seed 1 --seconds 600 --real-time-workers --save /rdevpts/out
