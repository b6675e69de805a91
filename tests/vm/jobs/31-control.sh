#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The control without the parent's lock: the same reproducer must kill the kernel, or it would prove nothing.
#
# timeout: 120
# fstype: devpts
# needs: racypts.ko bin/rdevpts-reproducer
# dies: NULL pointer dereference

insmod /rdevpts/racypts.ko && mount -t racypts none /mnt && exec /rdevpts/bin/rdevpts-reproducer --dir /mnt --seconds 60
