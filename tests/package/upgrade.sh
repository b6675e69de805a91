# SPDX-License-Identifier: GPL-2.0
#
# upgrade.sh RELEASE OLD SUITE: another kernel is installed, and the old one is removed.

# shellcheck source=tests/package/lib.sh
. /tmp/package/lib.sh

release=$1
old=$2
suite=$3

tap_plan 4
tap_check "apt installs another kernel" apt-get -q install -y --no-install-recommends \
	"linux-image-$release/$suite" "linux-headers-$release/$suite"
tap_check "DKMS has built the module for it" installed "$release"
tap_check "it is signed" signed "$release"
tap_check "the old kernel goes with all that was made for it" sh -c "
	apt-get -q purge -y 'linux-*-$old' && ! find /var/cache/rdevpts /var/lib/dkms/rdevpts /lib/modules -path '*$old*' | grep ."
exit "$tap_status"
