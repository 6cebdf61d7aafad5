#!/bin/bash
# SPDX-License-Identifier: MIT
# A process that dies of its heap leaves it behind: by SIGKILL, by an allocation that fails, by the OOM killer of its
# control group.  `cprof recover` writes what was in use when it died.
. tests/support/lib.sh
mean=4096
# recovered NAME PID CODE WANTED_CODE [may_lose]: the heap and allocs files that recover makes hold the truth.
recovered() {
	local file kind code
	claim "heap_$1_dies" "exit $3, expected $4: $(head -2 "$scratch/err")" test "$3" = "$4"
	"$B/cprof" recover "$2" > "$scratch/recovered" 2>&1
	code=$?
	claim "heap_$1_is_recovered" "exit $code: $(cat "$scratch/recovered")" test $code = 0
	"$B/programs/sites" $mean truth="$SITES_TRUTH" > "$scratch/truth"
	for kind in heap allocs; do
		file=$out/sites.$2.$kind.1.pb.gz
		claim "heap_${1}_leaves_$kind" "$(ls "$out"): $(cat "$scratch/recovered")" test -s "$file"
		[ $kind = allocs ] && [ "$1" != killed ] && continue # the same rows; once is enough
		python3 "$ROOT/tests/behaviour/heap_accuracy.py" sites "heap_$1_$kind" $mean "$scratch/truth" "$file" \
			site_grown:inuse_space:13:1800 ${5:-} || failed=1
	done
}
# start LOAD [COMMAND...]: under the library, by a command that ends in exec; its pid in $pid, its exit code in $code.
start() {
	fresh "${1%=*}"
	export SITES_TRUTH=$scratch/grown
	(
		ulimit -c 0
		"${@:2}"
		CPROF_HEAP_SAMPLE_BYTES=$mean LD_PRELOAD=$LIB exec "$B/programs/sites" $mean "$1"
	) > "$scratch/say" 2> "$scratch/err" &
	pid=$!
	wait $pid 2> /dev/null
	code=$?
}

start killed=32
recovered killed $pid $code 137

start starved=1024 ulimit -v 150000
recovered starved $pid $code 134 may_lose # the table of what is live cannot grow either

# A group of our own below the one we are in, cgroup v2 or the memory controller of v1.
group= limit=
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
if [ -d /sys/fs/cgroup/memory ]; then
	own=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
	[ -d "/sys/fs/cgroup/memory$own" ] || own=/
	group=/sys/fs/cgroup/memory${own%/}/cprof-test.$$ limit=memory.limit_in_bytes
elif [ -d "/sys/fs/cgroup$own" ]; then
	group=/sys/fs/cgroup${own%/}/cprof-test.$$ limit=memory.max
fi
enter() { echo "$BASHPID" > "$group/cgroup.procs"; }
if [ -n "$group" ] && mkdir "$group" 2> /dev/null && echo $((48 << 20)) 2> /dev/null > "$group/$limit"; then
	start oom=1024 enter
	rmdir "$group"
	recovered oom $pid $code 137
else
	[ -d "$group" ] && rmdir "$group"
	echo "skip heap_oom_is_recovered: no control group with a memory limit can be made here"
fi

# Killed from outside, all eight threads in the middle of something.
fresh load
mkfifo "$scratch/end"
CPROF_HEAP_SAMPLE_BYTES=512 LD_PRELOAD=$LIB "$B/programs/heap_load" < "$scratch/end" > "$scratch/say" 2> "$scratch/err" &
pid=$!
exec 3> "$scratch/end" # never closed: it does not end by itself
wait_for 10 sh -c "ls '$CPROF_STORE_DIR' | grep -q '^$pid[.]'"
sleep 0.3
kill -KILL $pid
wait $pid 2> /dev/null
"$B/cprof" recover $pid > "$scratch/recovered" 2>&1
code=$?
claim heap_killed_under_load_is_recovered "exit $code: $(cat "$scratch/recovered")" test $code = 0
claim heap_killed_under_load_has_its_stacks "$($PROFILE flat "$out"/heap_load.$pid.heap.1.pb.gz | head -3)" \
	test "$($PROFILE cum load "$out"/heap_load.$pid.heap.1.pb.gz)" -gt 0
finish
