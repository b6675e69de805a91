# SPDX-License-Identifier: GPL-2.0
#
# A machine that came up by itself: what is on /dev/pts, and whether one can log in. $EXPECTED says what must be there, $STATE
# what systemd must say of the unit.

. /rdevpts/env
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=vt100

is() { # VALUE COMMAND...
	value=$1
	shift
	got=$("$@" 2>&1)
	echo "got '$got', wanted '$value'"
	[ "$got" = "$value" ]
}

# The type of the file system that a program's terminal is on; nothing if it does not find its terminal's name.
# shellcheck disable=SC2016 # for the shell there
where='findmnt -n -o FSTYPE --target "$(tty)" | tail -n 1'

over_ssh() {
	ssh -tt -q -o StrictHostKeyChecking=accept-new -o ConnectTimeout=60 root@localhost "$where" | tr -d '\r'
}

in_tmux() {
	rm -f /run/in-tmux
	tmux -f /dev/null new-session -d "$where >/run/in-tmux.new; mv /run/in-tmux.new /run/in-tmux"
	for _ in $(seq 300); do
		[ ! -e /run/in-tmux ] || break
		sleep 0.1
	done
	cat /run/in-tmux
}

# A service with a /dev of its own, with a terminal that it makes there.
in_private_dev() {
	systemd-run -q --wait --pipe -p PrivateDevices=yes script -qec "$where" /dev/null </dev/null | tr -d '\r'
}

failed_units() {
	systemctl list-units --failed --plain --no-legend | cut -d' ' -f1 | tr '\n' ' '
}

settled() {
	systemctl is-system-running --wait || :
	[ "$(systemctl list-jobs --no-legend | grep -cv 'No jobs')" = 0 ]
}

before_sysinit() {
	started=$(systemctl show -P ActiveEnterTimestampMonotonic rdevpts.service)
	reached=$(systemctl show -P ActiveEnterTimestampMonotonic sysinit.target)
	echo "rdevpts.service at $started, sysinit.target at $reached"
	[ "$started" -gt 0 ] && [ "$started" -lt "$reached" ]
}

uppermost() {
	findmnt -n -o FSTYPE --mountpoint /dev/pts | tail -n 1
}

# Whoever has closed a terminal may not be done with it yet.
unused() {
	for _ in $(seq 300); do
		[ "$(ls /dev/pts)" != ptmx ] || return 0
		sleep 0.1
	done
	ls /dev/pts
	return 1
}

stays_in_use() {
	sleep 1000 3<>/dev/ptmx &
	holder=$!
	systemctl stop rdevpts.service
	is rdevpts uppermost && is rdevpts over_ssh
	stays=$?
	kill "$holder"
	systemctl start rdevpts.service && unused && return "$stays"
}

there_and_back() {
	unused && systemctl stop rdevpts.service && is devpts uppermost || return
	[ -c /dev/ptmx ] && [ ! -L /dev/ptmx ] && is devpts over_ssh || return
	systemctl start rdevpts.service && is rdevpts over_ssh
}

said_once() {
	journalctl -b -q -o cat -t dev-pts
	[ "$(journalctl -b -q -o cat -t dev-pts | wc -l)" = 1 ]
}

plan=7
case $STATE in
active) plan=11 ;;
failed) plan=9 ;;
esac
tap_plan "$plan"
tap_check "it comes up" settled
tap_check "the kernel is $RELEASE" is "$RELEASE" uname -r
tap_check "$EXPECTED is on /dev/pts" is "$EXPECTED" uppermost
tap_check "a login over ssh is on $EXPECTED" is "$EXPECTED" over_ssh
tap_check "tmux is on $EXPECTED" is "$EXPECTED" in_tmux
tap_check "a service with a /dev of its own is on $EXPECTED" is "$EXPECTED" in_private_dev
tap_check "there is a getty on the console" is active systemctl is-active serial-getty@ttyS0.service
case $STATE in
active)
	tap_check "no unit has failed" is '' failed_units
	tap_check "it was mounted before anything else was started" before_sysinit
	tap_check "it stays while something uses it" stays_in_use
	tap_check "it is taken away and put back while nothing uses it" there_and_back
	;;
failed)
	tap_check "no other unit has failed" is 'rdevpts.service ' failed_units
	tap_check "the log has one line of it" said_once
	;;
esac
# shellcheck disable=SC2154 # of tap.sh, which comes before this
exit "$tap_status"
