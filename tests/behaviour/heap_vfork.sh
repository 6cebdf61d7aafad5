#!/bin/bash
# SPDX-License-Identifier: MIT
# What a child of vfork allocates and frees is its parent's.
. tests/support/lib.sh
fresh heap_vfork
CPROF_HEAP_SAMPLE_BYTES=1 under "$B/programs/heap_vfork"
claim heap_vfork_runs "exit status $?" test $? = 0
counted() {
	python3 - "$1" "$out"/*.heap.*.pb.gz << 'END'
import sys
sys.path.insert(0, "tests/support")
import profile
v = [v for f in sys.argv[2:] for n, v, _ in profile.Profile(f).stacks if sys.argv[1] in n]
print(*map(sum, zip(*v)))
END
}
for row in "in_child 64 64000 0 0" "in_parent 64 6400 32 3200"; do
	got=$(counted ${row%% *})
	claim "heap_vfork_${row%% *}" "$got, not ${row#* }" test "$got" = "${row#* }"
done
finish
