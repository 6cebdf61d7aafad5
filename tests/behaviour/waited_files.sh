#!/bin/bash
# SPDX-License-Identifier: MIT
# Calls that wait for known times: files, pipes, locks of files, messages, children, streams, names of hosts.
. tests/support/lib.sh
fresh waited_files
export TMPDIR=$scratch
cp "$B/programs/so_nss.so" "$scratch/libnss_waited.so.2"
# Only the times may differ at first: a victim that has to stop between our reading of the clock and its own has measured too much.
for try in 1 2 3; do
	CPROF_BLOCK_THRESHOLD=1 CPROF_BLOCK_IDLE=yes CPROF_FOLLOW_FORK=no LD_LIBRARY_PATH=$scratch \
		timeout 60 env LD_PRELOAD="$LIB" "$B/programs/waited_files" > "$scratch/said" 2> "$scratch/err"
	code=$?
	python3 tests/behaviour/waited_files.py "$scratch/said" "$out"/waited_files.*.block.1.pb.gz > "$scratch/claims"
	[ $? = 2 ] || break
	rm -f "$out"/*
done
claim waited_files_ends_as_without_us "status $code, $(head -3 "$scratch/err")" test $code = 0 -a ! -s "$scratch/err"
cat "$scratch/claims"
grep -q '^not ok' "$scratch/claims" && failed=1
# ---- what a program has jumped out of, with the stack gone ----
said=$(CPROF_FOLLOW_FORK=no LD_LIBRARY_PATH=$scratch LD_PRELOAD=$LIB "$B/programs/abandoned" 2>&1)
claim waited_on_a_stack_that_is_gone "status $?, $said" test "$?:$said" = 0:done
claim waited_files_has_all "$(wc -l < "$scratch/claims") cases" test "$(grep -c '^ok' "$scratch/claims")" = 64
finish
