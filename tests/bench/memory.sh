#!/bin/bash
# SPDX-License-Identifier: MIT
# What a process is larger by.  BENCH_REDIS_MIB (256): data that redis holds.
run_python() { /usr/bin/python3 tests/bench/work.py; }
mkdir -p -m 700 "$dir/out-memory"
for _ in 1 2 3 4 5; do
	run_python >> "$dir/rss-nothing"
	LD_PRELOAD=$B/bench/empty.so run_python >> "$dir/rss-empty.so"
	CPROF_OUTPUT_DIR=$dir/out-memory LD_PRELOAD=$LIB run_python >> "$dir/rss-libcprof.so"
done
echo "## Memory"
echo
echo "Peak resident set of the python workload, KiB, median of 5 interleaved runs."
echo
echo "| | |"
echo "|---|---|"
for what in nothing empty.so libcprof.so; do echo "| $what | $(sort -n "$dir/rss-$what" | sed -n 3p) |"; done

# KiB that redis has resident with its data, which it makes itself; then all of it is overwritten once.
mib=${BENCH_REDIS_MIB:-256}
run_redis() {
	local values=$((mib * 1048576 / 1100)) pid n
	cli() { redis-cli -s "$dir/redis" "$@"; }
	rm -f "$dir/redis"
	env ${1:+LD_PRELOAD="$1"} CPROF_OUTPUT_DIR="$dir/out-memory" redis-server --port 0 --unixsocket "$dir/redis" --save '' \
		--appendonly no --daemonize no --dir "$dir" --enable-debug-command yes > "$dir/redis.log" 2>&1 &
	pid=$!
	for ((n = 0; n < 200; n++)); do
		[ "$(cli ping 2> /dev/null)" = PONG ] && break
		sleep 0.05
	done
	cli debug populate "$values" key 1000 > /dev/null
	cli eval 'local v = string.rep("y", 1000) for i = 0, ARGV[1] - 1 do redis.call("set", "key:" .. i, v .. i) end' 0 "$values" > /dev/null
	[ "$(cli dbsize)" = "$values" ] && awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
	kill "$pid"
	wait "$pid"
}
command -v redis-server redis-cli > /dev/null || { echo; echo "redis: not installed, skipped."; exit 0; }
for _ in 1 2 3; do
	run_redis '' >> "$dir/redis-nothing"
	run_redis "$LIB" >> "$dir/redis-libcprof.so"
done
median() { sort -n "$dir/redis-$1" | sed -n 2p; }
a=$(median nothing) b=$(median libcprof.so)
[ -n "$a" ] && [ -n "$b" ] || { tail -3 "$dir/redis.log" >&2; exit 1; }
echo
echo "Resident set of redis with $mib MiB of data, each value written twice, KiB, median of 3 interleaved runs."
echo
echo "| | |"
echo "|---|---|"
echo "| nothing | $a |"
echo "| libcprof.so | $b |"
echo
echo "$((b - a)) KiB more; 1 % and 8 MiB are $((a / 100 + 8192)): $([ $((b - a)) -le $((a / 100 + 8192)) ] && echo kept || echo missed)."
