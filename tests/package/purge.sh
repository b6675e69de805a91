# SPDX-License-Identifier: GPL-2.0
#
# purge.sh LIST: nothing is left of the package. LIST has the files that were there before it was installed.

# shellcheck source=tests/package/lib.sh
. /tmp/package/lib.sh

traces() {
	find / -xdev \( -path /tmp -o -path /proc -o -path /rdevpts -o -path /run \) -prune -o -iname '*rdevpts*' -print
}

# What is not the package's: logs, what apt and DKMS keep for themselves, what a booted system writes, other kernels.
added() {
	/tmp/package/files | sort | comm -13 "$1" - >/tmp/added
	cat /tmp/added
	[ ! -s /tmp/added ]
}

lost() {
	/tmp/package/files | sort | comm -23 "$1" - >/tmp/lost
	cat /tmp/lost
	[ ! -s /tmp/lost ]
}

tap_plan 5
tap_check "apt purges the package" apt-get -q purge -y rdevpts-dkms
tap_check "no file has its name" test -z "$(traces)"
tap_check "no file is there that was not before" added "$1"
tap_check "no file is missing" lost "$1"
tap_check "no kernel has the module" sh -c '! grep -r rdevpts /lib/modules/*/modules.*'
exit "$tap_status"
