#!/bin/bash
# SPDX-License-Identifier: MIT
# What the host sees of signal masks and actions: the same as without us.  NO_DUMPS=1: no claims about profiles.
. tests/support/lib.sh
M=$B/programs/masks
fresh masks

for mode in $("$M" list); do
	timeout -s KILL 60 "$M" "$mode" > "$scratch/plain" 2>&1
	code=$?
	CPROF_OUTPUT_LOG=$scratch/log LD_PRELOAD=$LIB timeout -s KILL 60 "$M" "$mode" > "$scratch/under" 2>&1
	under=$?
	differ=$(diff "$scratch/plain" "$scratch/under" | grep -c '^[<>]')
	claim "masks_$mode" "exit $under not $code, $differ lines: $(diff "$scratch/plain" "$scratch/under" | grep '^[<>]' | head -${LINES_SHOWN:-4} | tr '\n' ' ')" \
		test "$code $under $differ" = "0 0 0"
done
if [ -z "$NO_DUMPS" ]; then
	fresh blocked
	ns=$(under "$M" blocked_worker)
	near masks_worker_that_blocks_everything_is_profiled "$($PROFILE cum burn $(files))" "$ns" 10
fi
finish
