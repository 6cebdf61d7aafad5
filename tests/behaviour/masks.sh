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
# The symbols of a stripped program, packed inside of it, with so many that to unpack them takes a while.
awk 'BEGIN { for (i = 0; i < 60000; i++) printf "padding_that_is_named_at_length_%d: ret\n", i }' > "$scratch/many.s"
gcc -O2 -g -D_GNU_SOURCE -I. -Wa,--noexecstack -o "$scratch/whole" tests/programs/kept.c "$scratch/many.s" -pthread &&
	objcopy --strip-debug --only-keep-debug "$scratch/whole" "$scratch/mini" && xz -0 "$scratch/mini" && strip -o "$scratch/stripped" "$scratch/whole" &&
	objcopy --add-section ".gnu_debugdata=$scratch/mini.xz" "$scratch/stripped" "$scratch/packed"
said=$(CPROF_OUTPUT_SHORT=yes CPROF_OUTPUT_LOG=$scratch/log under timeout -s KILL 60 "$scratch/packed" forks_in_dumps)
claim kept_forks_while_symbols_are_unpacked "exit $?, says '$said'" test "$said" = "0 wrong"
# Root that may not give files away leaves no directory of its own in the new user's place.
if [ "$(id -u)" = 0 ]; then
	rm -rf /dev/shm/cprof-65533
	said=$(CPROF_STORE_DIR="" under setpriv --bounding-set -chown --inh-caps -chown "$B/programs/kept" gives_up_root)
	claim kept_no_directory_of_root_for_another "says '$said', $(stat -c %U /dev/shm/cprof-65533 2> /dev/null)" test "$said" = 65533 -a "$(stat -c %u /dev/shm/cprof-65533 2> /dev/null)" != 0
	rm -rf /dev/shm/cprof-65533
fi
if [ -z "$NO_DUMPS" ]; then
	fresh blocked
	ns=$(under "$M" blocked_worker)
	near masks_worker_that_blocks_everything_is_profiled "$($PROFILE cum burn $(files))" "$ns" 10
fi
finish
