# SPDX-License-Identifier: GPL-2.0
#
# failures.sh RELEASE DEB: in a Debian where nothing of rdevpts is yet, with the headers of a kernel that it can be built for. Whatever
# keeps it from being built is one line for the user, and no failure for the package manager. The package stays, built.

# shellcheck source=tests/package/lib.sh
. /tmp/package/lib.sh

release=$1
deb=$2

# Status 0, and one line that says why.
skipped() { # RELEASE WORDS COMMAND...
	for_release=$1 words=$2
	shift 2
	"$@" >/tmp/said 2>&1
	status=$?
	cat /tmp/said
	[ "$status" = 0 ] || return
	[ "$(grep -c "^rdevpts: not built for $for_release: .*$words" /tmp/said)" = 1 ] && [ -z "$(find /lib/modules -name 'rdevpts*')" ]
}

autoinstall() { # RELEASE
	dkms autoinstall -k "$1"
}

# A kernel that is there in name only: RELEASE and a line of its configuration.
fake() {
	mkdir -p "/lib/modules/$1/build/include"
	echo "$2" >"/lib/modules/$1/build/.config"
}

without() { # FILE WORDS
	mv "$1" "$1.away"
	skipped "$release" "$2" autoinstall "$release"
	found=$?
	mv "$1.away" "$1"
	return "$found"
}

other_rustc() {
	printf '#!/bin/sh\necho "rustc 1.99.0"\n' >/usr/bin/rustc.new
	chmod +x /usr/bin/rustc.new
	mv /usr/bin/rustc /usr/bin/rustc.away
	mv /usr/bin/rustc.new /usr/bin/rustc
	skipped "$release" "rustc $(/usr/bin/rustc.away --version | cut -d' ' -f2).*rustc 1.99.0" autoinstall "$release"
	found=$?
	mv /usr/bin/rustc.away /usr/bin/rustc
	return "$found"
}

no_space() {
	mkdir -p /var/cache/rdevpts
	mount -t tmpfs -o size=64m tmpfs /var/cache/rdevpts
	skipped "$release" 'MiB free' autoinstall "$release"
	found=$?
	umount /var/cache/rdevpts
	return "$found"
}

no_source() {
	mv /var/lib/apt/lists /var/lib/apt/lists.away
	mkdir /var/lib/apt/lists
	skipped "$release" "apt install linux-source-.*=" autoinstall "$release"
	found=$?
	rm -rf /var/lib/apt/lists
	mv /var/lib/apt/lists.away /var/lib/apt/lists
	return "$found"
}

does_not_compile() {
	dkms unbuild rdevpts/"$(version)" -k "$release" || return
	source=/usr/src/rdevpts-$(version)/src/pair.rs
	cp "$source" /tmp/pair.rs
	echo 'not Rust' >>"$source"
	skipped "$release" 'does not compile.*/make.log' autoinstall "$release"
	found=$?
	cp /tmp/pair.rs "$source"
	dkms autoinstall -k "$release" && return "$found"
}

version() {
	dpkg-query -W -f '${Version}' rdevpts-dkms
}

built() {
	dkms autoinstall -k "$1" || return
	installed "$1"
}

tap_plan 15
fake 6.12.0-old CONFIG_RUST=y
fake 7.2.99-plain '# CONFIG_RUST is not set'
mv /usr/bin/rustc /usr/bin/rustc.away
tap_check "apt installs the package where it cannot be built" skipped "$release" 'rustc is missing.*apt install' \
	apt-get -q install -y --no-install-recommends "$deb"
mv /usr/bin/rustc.away /usr/bin/rustc
tap_check "a kernel of another series is skipped" skipped 6.12.0-old 'kernels 7.2 and 7.3' autoinstall 6.12.0-old
tap_check "a kernel without Rust is skipped" skipped 7.2.99-plain CONFIG_RUST autoinstall 7.2.99-plain
rm -r /lib/modules/6.12.0-old /lib/modules/7.2.99-plain
tap_check "no bindgen" without /usr/bin/bindgen 'bindgen is missing.*apt install bindgen'
tap_check "another rustc" other_rustc
tap_check "no space" no_space
tap_check "no source" no_source
tap_check "it is built once all is there" built "$release"
tap_check "it is signed with the key of DKMS" signed "$release"
tap_check "mount loads it by its name" autoloads "$release"
tap_check "what was made for the build is small" small "$release"
tap_check "nothing of the build is left but that" test -z "$(find /var/cache/rdevpts -mindepth 1 -maxdepth 1 ! -name "$release" ! -name lock)"
tap_check "source that does not compile" does_not_compile
tap_check "the unit is off" sh -c '! systemctl is-enabled rdevpts.service'
tap_check "the unit is sound" systemd-analyze verify --man=no rdevpts.service
exit "$tap_status"
