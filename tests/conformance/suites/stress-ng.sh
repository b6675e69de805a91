# SPDX-License-Identifier: GPL-2.0
#
# stress-ng's stressors of ptys, directories and devices, verifying what they do. Those that make files do so on a tmpfs, since
# nobody can make files on devpts; those that take a path of a device get the multiplexer.
#
# package: stress-ng
# format: stress-ng
# passes: 20

run() {
	terminal_part all 'stress-ng --verify --temp-path /tmp/work --timeout 6 --seq 2 --with \
		pty,getdent,dir,dirdeep,dirmany,dentry,bad-ioctl,chdir,close,dup,epoll,fd-fork,file-ioctl,inotify,poll,procfs,session,sigio,touch,yield'
	terminal_part ptmx 'stress-ng --verify --temp-path /tmp/work --timeout 10 --dev 2 --dev-file /dev/pts/ptmx'
	terminal_part limit 'stress-ng --verify --temp-path /tmp/work --timeout 10 --pty 4 --pty-max 1000'
}
