#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The behaviour suite: the same cases on the kernel's own file system and on ours.
#
# timeout: 420
# kernel: stock debug
# test: memory
# fstype: devpts rdevpts
# needs: bin/rdevpts-suite

# A case that hangs ends here. The longest look through all of the memory, and that took a minute on a machine that did much else.
seconds=180
# Some cases look through all of the memory: longer where the processor is emulated, and every access goes through KCSAN.
[ "$KERNEL" != races ] || seconds=600
exec /rdevpts/bin/rdevpts-suite --fstype "$FSTYPE" --tap --timeout "$seconds"
