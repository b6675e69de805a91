# SPDX-License-Identifier: GPL-2.0
#
# What the scripts for a Debian have that is not booted: whether the module is there for a kernel.

# shellcheck source=tests/vm/guest/lib.sh
. /tmp/package/tap.sh

installed() { # RELEASE
	dkms status -m rdevpts -k "$1"
	dkms status -m rdevpts -k "$1" | grep -q ': installed' && modinfo -k "$1" rdevpts
}

signed() { # RELEASE
	signer=$(modinfo -k "$1" -F signer rdevpts)
	echo "signer: $signer"
	[ "$signer" = 'DKMS module signing key' ]
}

autoloads() { # RELEASE
	modprobe -S "$1" -R fs-rdevpts | grep -qx rdevpts
}

small() { # RELEASE
	du -sm "/var/cache/rdevpts/$1"
	[ "$(du -sm "/var/cache/rdevpts/$1" | cut -f1)" -lt 250 ]
}
