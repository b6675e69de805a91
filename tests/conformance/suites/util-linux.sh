# SPDX-License-Identifier: GPL-2.0
#
# util-linux's tests of its programs that work on terminals, and of lsfd, which knows what a multiplexer is and what it is the
# other end of. The programs are built, since Debian's packages have not all of them.
#
# source: util-linux
# format: util-linux
# passes: 15

build() {
	set -- script scriptreplay scriptlive lsfd more kill \
		test_script test_mkfds test_more test_sigreceive test_sigstate test_sysinfo test_strerror test_procfs test_pty
	mkdir build ready
	(
		cd build || exit
		../util-linux/configure --disable-all-programs --disable-shared --disable-nls --disable-asciidoc --without-systemd \
			--enable-libuuid --enable-libblkid --enable-libmount --enable-libsmartcols --enable-scriptutils --enable-lsfd \
			--enable-more --enable-kill
		make -j"$(nproc)" "$@"
		cp "$@" ../ready/
	)
	cp -r util-linux/tests ready/
	rm -r build util-linux
}

run() {
	cp -r "$SUITE/ready" .
	on_terminal 'ready/tests/run.sh --parsable --parallel=1 script more kill lsfd/mkfds-pty lsfd/mkfds-rw-character-device \
		lsfd/column-name'
}
