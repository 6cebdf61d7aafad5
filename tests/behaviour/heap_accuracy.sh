#!/bin/bash
# SPDX-License-Identifier: MIT
# The heap's numbers against the truth: tests/programs/sites.c knows what it has allocated, heap_accuracy.py how far an
# estimate may be from it.  SITES_SCALE=N (make soak): so many times as much.
. tests/support/lib.sh
scale=${SITES_SCALE:-1}
judge() { python3 "$ROOT/tests/behaviour/heap_accuracy.py" "$@" || failed=1; }
# sites NAME MEAN LOAD...: one run, its truth in $truth and its last heap file in $heap.
sites() {
	local name=$1 mean=$2 code
	shift 2
	fresh "$name"
	truth=$scratch/$name.truth
	CPROF_HEAP_SAMPLE_BYTES=$mean under "$B/programs/sites" "$mean" "$@" > "$truth" 2> "$scratch/err"
	code=$?
	claim "heap_${name}_runs" "exit $code: $(head -2 "$scratch/err")" test $code = 0 -a ! -s "$scratch/err"
	heap=$(ls -v "$out"/sites.*.heap.*.pb.gz | tail -n 1)
}

# Every allocation: exact to the byte.
sites every 1 small=20000 large=400 handed=20000 mixed=300 ladder=500 churn=20 threads=20
judge sites heap_exact 1 "$truth" "$heap"

# 4 KiB apart: small, handed and threads have 13,000 samples each in use.
sites sampled 4096 small=$((1500000 * scale)) handed=$((280000 * scale)) mixed=$((6000 * scale)) \
	ladder=$((2000 * scale)) threads=$((2400 * scale))
judge sites heap_sampled 4096 "$truth" "$heap" site_{small,handed,threads}:inuse_space:5:11000 \
	site_{mixed,ladder}:inuse_space:13:1800

# Few and large.
sites large 4194304 large=$((4200 * scale))
judge sites heap_large 4194304 "$truth" "$heap" site_large:inuse_space:13:1800

# 32 GiB of churn at the default distance: one deviation is 0.38 %.
sites churn 524288 churn=$((32768 * scale))
judge sites heap_churn 524288 "$truth" "$heap" site_churn:alloc_space:2:55000

# Many short processes, children of one parent, which must not all draw its numbers.
sites forks 1024 processes=$((24 * scale))
judge runs heap_forks "$truth" $((24 * scale)) "$out"/sites.*.heap.1.pb.gz
finish
