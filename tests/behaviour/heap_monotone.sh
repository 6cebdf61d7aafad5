#!/bin/bash
# SPDX-License-Identifier: MIT
# Heap files of one process, one every 100 ms under a mixed load of 8 threads: what was allocated never falls, what is in
# use is never negative.  HEAP_SECONDS (make soak): ten times so many files.
. tests/support/lib.sh
files=$((10 * ${HEAP_SECONDS:-1} + 2))
has_files() { [ "$(ls "$out" | grep -c "^heap_load[.]$1[.]heap[.]")" -ge "$2" ]; }
# run SAMPLE_BYTES FILES
run() {
	local pid code n
	fresh "monotone_$1"
	rm -f "$scratch/end" && mkfifo "$scratch/end"
	CPROF_HEAP_SAMPLE_BYTES=$1 LD_PRELOAD=$LIB "$B/programs/heap_load" < "$scratch/end" > "$scratch/say" 2> "$scratch/err" &
	pid=$!
	exec 3> "$scratch/end" # closed, it ends the load
	wait_for 10 sh -c "ls '$CPROF_STORE_DIR' | grep -q '^$pid[.]'" # from then on the signal is ours
	for n in $(seq "$2"); do
		kill -USR2 $pid && wait_for 20 has_files $pid "$n" || break
		sleep 0.05
	done
	exec 3>&-
	wait $pid
	code=$?
	claim "heap_load_runs_$1" "exit $code: $(head -2 "$scratch/err")" test $code = 0 -a ! -s "$scratch/err"
	claim "heap_dumps_meanwhile_$1" "$(ls "$out" | grep -c heap) files" has_files $pid $(($2 + 1))
	python3 "$ROOT/tests/behaviour/heap_monotone.py" "$out"/heap_load.$pid.heap.*.pb.gz > "$scratch/judged" || failed=1
	sed -E "s/^(ok|not ok) ([a-z_]*)/\1 \2_$1/" "$scratch/judged"
	[ -s "$scratch/judged" ] || not_ok "heap_monotone_$1" "nothing was judged"
}
run 512 "$files"
run 1 5
finish
