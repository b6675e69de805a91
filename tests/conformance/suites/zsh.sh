# SPDX-License-Identifier: GPL-2.0
#
# zsh's tests of jobs, traps, history, its line editor and completion: they drive an interactive shell on a pty.
#
# source: zsh
# package: zsh
# format: zsh
# passes: 380

build() {
	find zsh -mindepth 1 -maxdepth 1 ! -name Test ! -name Functions ! -name Completion ! -name Config -exec rm -r {} +
}

run() {
	cp -r "$SUITE/zsh" .
	# Where the tests look for the shell that they were built with.
	mkdir zsh/Src
	ln -s /usr/bin/zsh zsh/Src/zsh
	cd zsh/Test || return
	export ZTST_verbose=1 ZTST_exe=../Src/zsh ZTST_testdir=. ZTST_srcdir=.
	for test in C03traps V08zpty W01history W02jobs W03jobparameters X02zlevi X03zlebindkey X04zlehighlight \
		Y01completion Y02compmatch Y03arguments; do
		part $test zsh +Z -f ./ztst.zsh ./$test.ztst
	done
}
