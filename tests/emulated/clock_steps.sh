#!/bin/sh
# Sets the clock while tcpdiag records, and reads what was recorded:
#
#   clock_steps.sh TCPDIAG
#
# Sets the clock of the machine, so it refuses to run on any that was not booted for it: the root
# has to be the initial file system. Needs root, and date, sed, grep, sleep and kill.
set -eu

tcpdiag=$1
grep -q '^[^ ]* / \(rootfs\|tmpfs\|ramfs\) ' /proc/mounts || {
	echo "clock_steps.sh: this machine was not booted for it, and its clock would be set" >&2
	exit 1
}
work=$(mktemp -d)
fail() {
	echo "clock_steps.sh: $*" >&2
	exit 1
}

# Seconds since the boot, and the wall clock that belongs to them.
uptime() { sed 's/\..*//' /proc/uptime; }
right=$(($(date +%s) - $(uptime)))
set_clock() { date -s "@$1" >/dev/null || fail "the clock cannot be set"; }
# By how many seconds the clock is to differ from the right one.
be_off() { set_clock $((right + $(uptime) + $1)); }

# The seconds that the samples of a recording cover.
covered() {
	"$tcpdiag" stats -o json "$@" 2>"$work/message" |
		sed -n 's/.*"since":{[^}]*"seconds":\([0-9]*\).*/\1/p'
}
between() { # WHAT FOUND LEAST MOST
	[ -n "$2" ] || fail "$1: nothing was shown: $(cat "$work/message")"
	[ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: $2, and not from $3 to $4"
}
says() { grep -q "$1" "$work/message" || fail "no \`$1\` in: $(cat "$work/message")"; }
# Waits until the first sample is written.
begun() { # FILE, or pattern of files
	tries=0
	while :; do
		for found in $1; do
			[ ! -s "$found" ] || return 0
		done
		tries=$((tries + 1))
		[ $tries -lt 60 ] || fail "nothing was recorded: $(cat "$work/recorded")"
		sleep 1
	done
}
finish() {
	kill -INT "$recorder"
	wait "$recorder" || fail "the recording failed: $(cat "$work/recorded")"
}
# The number of the sample of a file at a time, from 1, and when it was taken.
number_at() { shown_at "$1" "$2" | sed 's/ .*//'; }
time_at() { # FILE TIME
	text=$(shown_at "$1" "$2" | sed 's/.* of //; s/T/ /; s/\..*//')
	date -u -d "$text" +%s
}
shown_at() { # FILE TIME
	"$tcpdiag" conns --read "$1" --at "$2" >/dev/null 2>"$work/message" ||
		fail "--at $2: $(cat "$work/message")"
	sed -n 's/.*: sample \([0-9]*\) of \(.*\)/\1 of \2/p' "$work/message"
}
utc() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

# What a run wrote within the retention is kept, whatever the clock is set to.
mkdir "$work/time" "$work/number" "$work/second"
"$tcpdiag" record "$work/time/a.pcapng.zst" --rotate 1s --keep 30s -i 200ms 2>"$work/recorded" &
recorder=$!
begun "$work/time/*"
sleep 3
be_off -3600
sleep 3
be_off 7200
sleep 3
be_off 0
sleep 3
finish
between "seconds that --keep 30s kept" "$(covered --read "$work/time")" 11 30
says 'the wall clock was set back by \(2h\|1h 59m\)'
says 'the wall clock went forward by \(3h\|2h 59m\)'
[ "$(grep -c 'ends early' "$work/message")" = 0 ] || fail "damage: $(cat "$work/message")"

"$tcpdiag" record "$work/number/a.pcapng.zst" --rotate 1s --keep 4 -i 200ms 2>"$work/recorded" &
recorder=$!
begun "$work/number/*"
sleep 3
be_off -86400
sleep 4
be_off 86400
sleep 2
finish
found=$(ls "$work/number" | wc -l)
[ "$found" = 4 ] || fail "--keep 4 kept $found files"
between "seconds in the last 4 files" "$(covered --read "$work/number")" 2 10
be_off 0

# The same second comes again and again.
now=$(date +%s)
"$tcpdiag" record "$work/second/a.pcapng.zst" --rotate 500ms --keep 4 -i 100ms 2>"$work/recorded" &
recorder=$!
begun "$work/second/*"
for _ in 1 2 3 4 5 6; do
	sleep 1
	set_clock "$now"
done
finish
between "seconds in 4 files of one second" "$(covered --read "$work/second")" 1 8
be_off 0

# Times on both sides of a step are found.
file=$work/back.pcapng.zst
"$tcpdiag" record "$file" -i 100ms 2>"$work/recorded" &
recorder=$!
begun "$file"
began=$(date +%s)
sleep 4
be_off -3600
sleep 4
finish
be_off 0
time=$((began + 2))
between 'the sample before the step' "$(time_at "$file" "$(utc $time)")" $((time - 3)) $time
says 'the wall clock was set back by \(1h\|59m\)'
time=$((began - 3600 + 6))
between 'the sample after the step' "$(time_at "$file" "$(utc $time)")" $((time - 3)) $time
from=$(utc $((began + 2))) to=$(utc $((began - 3600 + 6)))
between 'the seconds across the step' "$(covered --read "$file" --from "$from" --to "$to")" 2 8
for time in $((began - 3600 - 60)) $((began + 3600)) $((began - 1800)); do
	status=0
	"$tcpdiag" conns --read "$file" --at "$(utc $time)" >/dev/null 2>"$work/message" || status=$?
	[ $status = 2 ] || fail "--at $(utc $time) ended with $status: $(cat "$work/message")"
	says 'accepted are times from'
done
"$tcpdiag" conns --read "$file" -o json 2>/dev/null | grep -q '"clock_steps":\[{"before":' ||
	fail 'no clock_steps in JSON'

# A time that occurs twice: the later one is taken, and that is told.
file=$work/twice.pcapng.zst
"$tcpdiag" record "$file" -i 100ms 2>"$work/recorded" &
recorder=$!
begun "$file"
began=$(date +%s)
sleep 6
be_off -15
sleep 18
finish
be_off 0
earlier=$(number_at "$file" +2s)
number=$(number_at "$file" "$(utc $((began + 3)))")
between 'the later of two samples' "$number" $((earlier + 8)) 200
says 'occurs 2 times'
rm -r "$work"
echo 'clock_steps.sh: times and files are right across steps of the clock'
