#!/bin/bash
# SPDX-License-Identifier: MIT
# [heap] dump_above: one dump for each crossing, none below, and a profile of who runs out of memory.
# And [output] short: a file of who ends at once.
. tests/support/lib.sh
export CPROF_HEAP_SAMPLE_BYTES=1 CPROF_CPU_ENABLED=no CPROF_OUTPUT_ON_EXIT=no

start() { # DIR LIMIT
	fresh "$1"
	coproc V { CPROF_HEAP_DUMP_ABOVE=$2 LD_PRELOAD=$LIB "$B/programs/heap_steps" 2>"$scratch/err"; }
	to=${V[1]} from=${V[0]} pid=$V_PID
}
tell() {
	local answer
	echo "$*" >&$to
	read -r -t 10 answer <&$from
}
end() {
	exec {to}>&- {from}<&-
	wait_for 5 gone || kill -9 $pid
	wait $pid 2>/dev/null
}
gone() { ! kill -0 $pid 2>/dev/null; }
heaps() { ls "$out" 2>/dev/null | grep -c "\.heap\.[0-9]*\.pb\.gz$"; }
has() { [ "$(heaps)" -ge "$1" ]; }

start steps 64M
tell + 40
tell + 30
wait_for 5 has 1
tell + 5 # 75, and the next is above 77
tell + 4 # 79
wait_for 5 has 2
tell - && tell - && tell -
tell + 22 # 62: below nine tenths, and above them, but not above the limit
tell + 4
wait_for 5 has 3
sleep 0.2
claim a_dump_for_each_crossing "$(heaps) files" test "$(heaps)" = 3
newest=$(ls -v "$out"/*.heap.*.pb.gz | tail -1)
claim the_dump_has_what_crossed "$("$B/cprof" top "$newest" | grep hold)" \
	grep -q " 66MB .* hold$" <("$B/cprof" top "$newest")
parent=$(heaps)
tell f
tell + 40
tell + 20
sleep 0.1
claim a_child_begins_with_nothing "$(heaps) files" test "$(heaps)" = "$parent"
tell + 10
wait_for 5 has $((parent + 1))
sleep 0.1
claim a_child_has_a_limit_of_its_own "$(heaps) files" test "$(heaps)" = $((parent + 1))
end

start up_and_down 64M
for _ in 1 2 3 4 5 6 7 8 9 10; do
	tell + 70
	wait_for 1 has 1
	tell -
	tell + 20
	tell -
done
sleep 0.3
claim memory_that_goes_up_and_down_is_told_a_few_times "$(heaps) files" test "$(heaps)" -ge 2 -a "$(heaps)" -le 6
end

start below 64M
tell + 30
tell + 30
tell m 10
sleep 0.1
end
claim no_dump_below "$(ls "$out")" test -z "$(ls "$out")"

start resident 64M
tell m 80
sleep 1.1
tell + 1
wait_for 5 has 1
tell + 1
sleep 0.1
end
claim the_resident_set_counts "$(heaps) files" test "$(heaps)" = 1

start none 0
tell + 300
sleep 0.1
end
claim no_limit_no_dump "$(ls "$out")" test -z "$(ls "$out")"

fresh short_of_memory
(
	ulimit -v 400000
	CPROF_HEAP_DUMP_ABOVE=100M LD_PRELOAD=$LIB "$B/programs/heap_steps" <<< g
	true
) 2> "$scratch/err"
claim who_runs_out_of_memory_leaves_a_profile "$(heaps) files; $(cat "$scratch/err")" has 1
newest=$(ls -v "$out"/*.heap.*.pb.gz | tail -1)
claim it_says_who "$newest" grep -q ' hold$' <("$B/cprof" top "$newest" 2>&1)

export CPROF_OUTPUT_ON_EXIT=yes CPROF_HEAP_SAMPLE_BYTES=64K
fresh long && : | under "$B/programs/heap_steps"
claim who_ends_at_once_leaves_no_file "$(ls "$out")" test -z "$(ls "$out")"
fresh short && CPROF_OUTPUT_SHORT=yes under "$B/programs/heap_steps" <<< "+ 1" > /dev/null
claim with_output_short_it_does "$(ls "$out")" test "$(heaps)" = 1
fresh nothing && CPROF_OUTPUT_SHORT=yes CPROF_HEAP_SAMPLE_BYTES=0 under true
claim without_a_sample_there_is_no_file_all_the_same "$(ls "$out")" test -z "$(ls "$out")"
finish
