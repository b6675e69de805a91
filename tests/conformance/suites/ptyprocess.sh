# SPDX-License-Identifier: GPL-2.0
#
# The tests of Python's ptyprocess, on which pexpect and Jupyter's terminals stand.
#
# source: ptyprocess
# package: python3-ptyprocess
# format: pytest
# passes: 13

run() {
	cp -r "$SUITE/ptyprocess/tests" .
	# test_invalid_binary calls a function that Python 3.13 no longer has.
	on_terminal 'python3 -m pytest -v -p no:cacheprovider tests --ignore tests/test_invalid_binary.py'
}
