#!/bin/bash
# SPDX-License-Identifier: MIT
# What the host sees of signal masks and actions: the same as without us.  NO_DUMPS=1: no claims about profiles.
. tests/support/lib.sh
M=$B/programs/masks
fresh masks

# same PROGRAM MODE: it says the same.
same() {
	local code under differ
	timeout -s KILL 30 "$B/programs/$1" "$2" > "$scratch/plain" 2>&1
	code=$?
	CPROF_OUTPUT_LOG=$scratch/log LD_PRELOAD=$LIB timeout -s KILL 30 "$B/programs/$1" "$2" > "$scratch/under" 2>&1
	under=$?
	differ=$(diff "$scratch/plain" "$scratch/under" | grep -c '^[<>]')
	claim "$1_$2" "exit $under not $code, $differ lines: $(diff "$scratch/plain" "$scratch/under" | grep '^[<>]' | head -${LINES_SHOWN:-4} | tr '\n' ' ')" \
		test "$code $under $differ" = "0 0 0"
}
for mode in $("$M" list); do same masks "$mode"; done
# In the store's default directory, which each user has one of.
for mode in $("$B/programs/kept" list); do CPROF_STORE_DIR="" same kept "$mode"; done
if [ -z "$NO_DUMPS" ]; then
	fresh blocked
	ns=$(under "$M" blocked_worker)
	near masks_worker_that_blocks_everything_is_profiled "$($PROFILE cum burn $(files))" "$ns" 10
fi
finish
