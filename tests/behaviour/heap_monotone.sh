#!/bin/bash
# SPDX-License-Identifier: MIT
# Heap files of one process, one every 100 ms under a mixed load of 8 threads: what was allocated never falls, what is in
# use is never negative.  HEAP_SECONDS (make soak): how long.
. tests/support/lib.sh
seconds=${HEAP_SECONDS:-2}
# run SAMPLE_BYTES SECONDS
run() {
	local pid code n
	fresh "monotone_$1"
	CPROF_HEAP_SAMPLE_BYTES=$1 LD_PRELOAD=$LIB "$B/programs/heap_load" $(($2 * 1000)) > "$scratch/say" 2> "$scratch/err" &
	pid=$!
	wait_for 10 sh -c "ls '$CPROF_STORE_DIR' | grep -q '^$pid[.]'" # from then on the signal is ours
	while sleep 0.1 && kill -USR2 $pid 2> /dev/null; do :; done
	wait $pid
	code=$?
	claim "heap_load_runs_$1" "exit $code: $(head -2 "$scratch/err")" test $code = 0 -a ! -s "$scratch/err"
	n=$(ls "$out"/heap_load.$pid.heap.*.pb.gz | wc -l)
	claim "heap_dumps_meanwhile_$1" "$n files" test "$n" -ge 3
	python3 "$ROOT/tests/behaviour/heap_monotone.py" "$out"/heap_load.$pid.heap.*.pb.gz > "$scratch/judged" || failed=1
	sed -E "s/^(ok|not ok) ([a-z_]*)/\1 \2_$1/" "$scratch/judged"
	[ -s "$scratch/judged" ] || not_ok "heap_monotone_$1" "nothing was judged"
}
run 512 "$seconds"
run 1 1
finish
