#!/bin/bash
# SPDX-License-Identifier: MIT
# Who waits for locks and who holds them: the examples of docs/contention.md.
. tests/support/lib.sh
fresh contention
CPROF_BLOCK_THRESHOLD=1 LD_PRELOAD=$LIB "$B/programs/contention" > "$scratch/said" 2> "$scratch/err"
claim contention_ends_as_without_us "status $?, $(head -3 "$scratch/err")" test $? = 0 -a ! -s "$scratch/err"
python3 tests/behaviour/contention.py "$scratch/said" "$out"/*.block.1.pb.gz "$out"/*.mutex.1.pb.gz || failed=1

# ---- every type and state of lock: what each call says ----
"$B/programs/locks" > "$scratch/plain" 2>&1
LD_PRELOAD=$LIB "$B/programs/locks" > "$scratch/with" 2>&1
claim locks_say_what_they_say_without_us "status $?, $(diff "$scratch/plain" "$scratch/with" | head -4)" \
	cmp -s "$scratch/plain" "$scratch/with"
claim locks_were_all_walked "$(wc -l < "$scratch/plain") lines" test "$(grep -c '^cancelled in' "$scratch/plain")" = 4
finish
