#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a pty gives to user space, where the kernel fills what it allocates with poison in place of zeroes.
#
# timeout: 240
# fstype: devpts rdevpts
# append: init_on_alloc=0 init_on_free=0 slub_debug=FZP
# needs: bin/rdevpts-suite

exec /rdevpts/bin/rdevpts-suite --fstype "$FSTYPE" --tap --filter '^(stale_memory|cves.cve_2020_11494|integrity.odd_sizes)'
