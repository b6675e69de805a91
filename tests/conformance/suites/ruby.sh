# SPDX-License-Identifier: GPL-2.0
#
# Ruby's tests of pty and io/console.
#
# source: ruby3.3
# package: ruby3.3
# format: ruby
# passes: 40

build() {
	find ruby3.3 -mindepth 1 -maxdepth 1 ! -name test ! -name tool -exec rm -r {} +
}

run() {
	cp -r "$SUITE/ruby3.3" .
	cd ruby3.3 || return
	on_terminal 'ruby test/runner.rb -v test/test_pty.rb test/io/console/test_io_console.rb'
}
