#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Programs that users run, on terminals of either file system.
#
# timeout: 900
# fstype: devpts rdevpts
# root: guest
# needs: programs

exec /rdevpts/programs/run
