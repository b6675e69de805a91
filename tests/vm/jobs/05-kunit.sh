#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The KUnit tests of src/vfs and src/tty, which run when the module is loaded.
#
# kernel: memory
# test: memory
# fstype: none
# append: kunit.enable=1 kunit.autorun=1 kunit.filter_glob=rdevpts_*

. /rdevpts/lib.sh

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug || exit
insmod /rdevpts/rdevpts.ko || exit

# The results of each suite are KTAP, one level deep. Of the suite itself nothing is left out: it is what its tests are.
cd /sys/kernel/debug/kunit || exit
awk '
	/^    1\.\./ { planned += substr($1, 4) }
	/^    # / { said = said "# " substr($0, 7) "\n" }
	/^    (not )?ok [0-9]+ / {
		suite = FILENAME
		sub(/\/.*/, "", suite)
		name = $0
		sub(/^    (not )?ok [0-9]+ (- )?/, "", name)
		bad = $1 == "not"
		failed += bad
		lines = lines (bad ? "not ok " : "ok ") ++seen " - " suite ": " name "\n" (bad ? said : "")
		said = ""
	}
	END {
		printf "1..%d\n%s", planned, lines
		exit failed || !planned || seen != planned
	}
' rdevpts_*/results
status=$?
cd / && unload && exit $status
