#!/usr/bin/env bash
# Runs all tests in conditions that a machine may have and that must not matter:
#
#   tests/conditions.sh                      # each condition below, as root
#   tests/conditions.sh mounted load load    # some, in this order
#   tests/conditions.sh -f live:: user       # tests with this in their names
#
# What a condition changes is in a mount or network namespace of its own: the machine is left as it
# is. Each test is tried once. The last line of each run says what passed; all output is in
# target/conditions.
set -euo pipefail
export TCPDIAG_TEST_ATTEMPTS=1
cd "$(dirname "$0")/.."

CONDITIONS='mounted unmounted debugfs load user hidden environment configured limited noipv6 sysctls noisy'
output=$PWD/target/conditions
mkdir -p "$output"

# Runs a command in a condition.
within() { # CONDITION COMMAND...
	local condition=$1
	shift
	case $condition in
	mounted) # As systemd leaves a machine.
		unshare --mount sh -c 'mount -t tracefs tracefs /sys/kernel/tracing && exec "$@"' sh "$@" ;;
	unmounted)
		unshare --mount sh -c 'while umount /sys/kernel/tracing || umount /sys/kernel/debug/tracing; do :; done 2>/dev/null
			exec "$@"' sh "$@" ;;
	debugfs) # Tracing is below /sys/kernel/debug only.
		unshare --mount sh -c 'umount /sys/kernel/tracing 2>/dev/null
			mount -t debugfs debugfs /sys/kernel/debug && exec "$@"' sh "$@" ;;
	load) # Two other processes keep two cores busy.
		local code=0 busy=()
		for _ in 1 2; do (while :; do :; done) & busy+=($!); done
		"$@" || code=$?
		kill "${busy[@]}"
		wait "${busy[@]}" 2>/dev/null || true
		return $code ;;
	user) # Neither root nor at home.
		env -u HOME setpriv --reuid=1234 --regid=1234 --clear-groups "$@" ;;
	hidden) # Other users' processes cannot be seen.
		unshare --mount sh -c 'mount -t proc -o hidepid=2 proc /proc && exec "$@"' sh \
			env -u HOME setpriv --reuid=1234 --regid=1234 --clear-groups "$@" ;;
	environment)
		env TZ=Asia/Kathmandu LANG=de_DE.UTF-8 LC_ALL=tr_TR.UTF-8 NO_COLOR=1 COLUMNS=20 LINES=5 TERM=dumb CLICOLOR_FORCE=1 \
			HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent XDG_STATE_HOME=/dev/null "$@" ;;
	configured) # The host's configuration cannot be read: every command that reads it would fail.
		unshare --mount sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work &&
			mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc &&
			mkdir /etc/tcpdiag && echo "[[service" >/etc/tcpdiag/config.toml && umount -l /mnt && exec "$@"' sh "$@" ;;
	limited)
		(ulimit -n 256 && "$@") ;;
	noipv6)
		unshare --net sh -c 'ip link set lo up && echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6 >/dev/null && exec "$@"' sh "$@" ;;
	sysctls) # Of a tuned host; they also hold in namespaces that are made in it, where they are inherited.
		unshare --net sh -c 'ip link set lo up && cd /proc/sys/net/ipv4 && echo 0 | tee tcp_timestamps tcp_sack tcp_window_scaling >/dev/null &&
			echo 60000 60999 >ip_local_port_range && echo 8 >tcp_retries2 && echo 1 >tcp_abort_on_overflow && cd "$0" && exec "$@"' "$PWD" "$@" ;;
	noisy) # Another program opens, resets and closes connections all the time.
		local code=0 noise
		python3 tests/noise.py & noise=$!
		"$@" || code=$?
		kill "$noise"
		wait "$noise" 2>/dev/null || true
		return $code ;;
	*)
		echo "there is no condition $condition; accepted are: $CONDITIONS" >&2
		return 2 ;;
	esac
}

filter=
while getopts f: option; do
	[ "$option" = f ] && filter=$OPTARG || exit 2
done
shift $((OPTIND - 1))
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $CONDITIONS

mapfile -t binaries < <(cargo test --locked --no-run --message-format=json |
	grep '"profile":{[^}]*"test":true}' | grep -o '"executable":"[^"]*"' | cut -d'"' -f4)
[ ${#binaries[@]} -gt 0 ] || { echo "the tests cannot be built" >&2; exit 1; }

failed=()
number=0
for condition; do
	number=$((number + 1))
	log=$output/$number-$condition.log
	: >"$log"
	start=$SECONDS
	code=0
	for binary in "${binaries[@]}"; do
		# shellcheck disable=SC2086
		INSTA_UPDATE=no within "$condition" "$binary" --test-threads=8 $filter >>"$log" 2>&1 || code=$?
	done
	passed=$(sed -n 's/^test result: .*\. \([0-9]*\) passed;.*/\1/p' "$log" | paste -sd+ | sed 's/^$/0/')
	echo "$condition: exit code $code, $((passed)) passed, $(grep -c ^SKIPPED "$log" || true) skipped, $((SECONDS - start)) s ($log)"
	grep -E '^test .*FAILED$' "$log" | sort -u || true
	[ $code = 0 ] || failed+=("$condition")
done
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
