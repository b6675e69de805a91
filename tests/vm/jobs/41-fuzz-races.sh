#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random system calls from many processes at once, where accesses to memory are watched: on devpts first, since what races there
# is the kernel's own (see tests/vm/races.toml).
#
# timeout: 900
# kernel: races
# fstype: devpts rdevpts
# needs: bin/rdevpts-fuzz

# shellcheck source=tests/vm/guest/lib.sh
. /rdevpts/lib.sh

watch_closely
exec /rdevpts/bin/rdevpts-fuzz --fstype "$FSTYPE" --seconds 120
