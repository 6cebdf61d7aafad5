#!/bin/bash
# SPDX-License-Identifier: MIT
# The heap in the command: cprof leaks, and the four columns, ls, status, dump and recover with a heap profile.
# The victim's answers are known to the byte; see tests/programs/leaks.cc.
. tests/support/lib.sh
C=$B/cprof
unset LC_ALL LC_CTYPE NO_COLOR
export LANG=C TZ=UTC TERM=dumb
status() { # NAME CODE PATTERN COMMAND...: as in views.sh
	local name=$1 want=$2 pattern=$3 code
	shift 3
	"$@" > "$scratch/out" 2> "$scratch/err" < /dev/null
	code=$?
	if [ "$code" != "$want" ]; then
		not_ok "$name" "exit code $code; $(head -1 "$scratch/err")"
	elif [ -z "$pattern" ]; then
		claim "$name" "$(head -1 "$scratch/err")" test ! -s "$scratch/err"
	else
		claim "$name" "$(cat "$scratch/err")" sh -c "test \$(wc -l < '$scratch/err') = 1 && grep -q -- '$pattern' '$scratch/err'"
	fi
}
shows() { # NAME: the report from the table on is what stands on standard input
	cat > "$scratch/want"
	sed -n '/^ *\(IN USE\|GROWTH\) /,$p' "$scratch/out" | sed -E '/^ .*[KMB] .*%.*%/s/^(.{11}).{8} /\1   SHARE /' > "$scratch/rows"
	claim "$1" "$(diff "$scratch/want" "$scratch/rows" | head -5)" cmp -s "$scratch/want" "$scratch/rows"
}
says() { claim "$1" "$(grep -vE "^(Build|cprof|command)" "$scratch/out" | head -12)" grep -qE -- "$2" "$scratch/out"; }

fresh leaks
coproc V { CPROF_HEAP_SAMPLE_BYTES=1 LD_PRELOAD=$LIB exec "$B/programs/leaks"; }
to=${V[1]} from=${V[0]} pid=$V_PID
read -r -t 10 answer <&$from
first=$("$C" dump --kind heap $pid)
claim dump_of_one_kind_prints_one_file "$first" test "$first" = "$out/leaks.$pid.heap.1.pb.gz"
status dump_of_an_unknown_kind_is_usage 2 "expected cpu, heap, allocs, block, mutex or wall" "$C" dump --kind idle $pid

# ---- what runs ----
"$C" status $pid > "$scratch/out"
says status_tells_the_heap '^heap: +about 11[0-9]{2}K in [0-9]+ objects are in use; 1\.[0-9]M|^heap: +about 1\.2M in [0-9]+ objects are in use; [0-9.]+M in [0-9]+ were allocated'
says status_tells_how_it_is_recorded '^recorded: +cpu 100 Hz, heap exact, block 10ms, mutex$'
says status_tells_the_waits '^block: +about [0-9]+ waits, [0-9.]+[a-z]+ in all; and [0-9]+ idle ones, [0-9.]+[a-z]+$'
says status_tells_what_holders_were_charged '^mutex: +holders of locks let others wait about [0-9]+ times, [0-9.]+[a-z]+ in all$'
"$C" ls > "$scratch/out"
says ls_tells_the_heap "^leaks +$pid +running .* 1\.[0-9]M +0  cpu 100 Hz, heap exact, block 10ms, mutex\$"
claim cpu_samples_are_not_objects "too many" awk -v pid=$pid '$2 == pid { exit !($6 < 100) }' "$scratch/out"

# ---- what is held ----
ours='forget|half|copies|make|churn|late'
status leaks_exits_0 0 "" "$C" leaks --focus "^($ours)\$" "$first"
shows leaks_are_who_holds_memory << 'END'
     IN USE   SHARE  OBJECTS     EACH    LEFT  BY
 1     977K   SHARE      100     9.8K  100.0%  malloc, never freed
     forget
     main
 2     195K   SHARE       50     3.9K   50.0%  malloc
     half
     main
 3     5.9K   SHARE        3     2.0K  100.0%  operator new, never freed
     make
     main
 4    1000B   SHARE       10     100B  100.0%  strdup, never freed
     copies
     main
END
says leaks_say_that_they_are_exact '^Exact: every allocation was seen$'
status leaks_of_allocs_are_the_same 0 "" "$C" leaks --focus '^half$' "${first/.heap./.allocs.}"
says leaks_of_allocs_has_the_row ' 195K .* 50.0%  malloc$'
status leaks_above_a_size 0 "" "$C" leaks --focus "^($ours)\$" --min-bytes 6K -n 5 "$first"
says leaks_count_what_is_below '^2 more hold 6.8K$'
status leaks_of_a_number 0 "" "$C" leaks -n 1 --focus "^($ours)\$" "$first"
says leaks_count_what_is_beyond '^3 more hold 202K$'
status leaks_by_depth 0 "" "$C" leaks --depth 1 --focus '^forget$' "$first"
claim leaks_of_depth_1_have_one_function "$(cat "$scratch/out")" sh -c "! grep -q '^     main' '$scratch/out'"
status leaks_full 0 "" "$C" leaks --full --focus '^forget$' "$first"
says leaks_full_go_to_the_start '^     _start$'
status leaks_without_one 0 "forget" "$C" leaks --focus nobody_of_this_name_forget "$first"
says leaks_say_that_there_is_none '^no site holds memory$'

# ---- what has grown ----
echo >&$to
read -r -t 10 answer <&$from
second=$("$C" dump --kind heap $pid)
status growth_exits_0 0 "" "$C" leaks --base "$first" --focus "^($ours)\$" "$second"
shows growth_is_in_its_order << 'END'
     GROWTH     FROM       TO  OBJECTS     EACH    LEFT  BY
 1    +488K     977K     1.4M      +50     9.8K  100.0%  malloc, never freed
     forget
     main
 2     +29K      new      29K       +1      29K  100.0%  malloc, never freed
     late
     main

1 have shrunk by 39K
END
says growth_says_its_sum '^Growth: \+479K, \+41 objects, in [0-9]+s$'
status growth_the_wrong_way_round_fails 1 "other way round" "$C" leaks --base "$second" "$first"
status growth_of_nothing 0 "" "$C" leaks --base "$second" "$second"
says growth_of_nothing_says_so '^no site has grown$'
status leaks_of_two_times_is_usage 2 "same process; give the older one by --base" "$C" leaks "$first" "$second"

# ---- the four columns ----
for column in alloc_space:1.43MB alloc_objects:150 inuse_space:1.43MB inuse_objects:150; do
	"$C" top --focus '^forget$' --all --sample ${column%:*} "$second" > "$scratch/out"
	says top_of_${column%:*} " ${column#*:} +[0-9.]+%  forget\$"
done
"$C" top "$second" > "$scratch/out"
says top_of_heap_is_in_use '^Type: inuse_space$'
"$C" top "${second/.heap./.allocs.}" > "$scratch/out"
says top_of_allocs_is_allocated '^Type: alloc_space$'
"$C" top --all --diff-base "$first" "$second" > "$scratch/out"
says top_of_a_difference_has_what_was_freed ' -39\.06kB +[0-9.]+%  half$'
"$C" tree --sample inuse_objects --focus half "$second" > "$scratch/out"
says tree_of_objects_are_numbers '^ +40 .* half$'
"$C" flame --format svg --sample alloc_space --focus churn -o "$scratch/x.svg" "$second"
claim flame_of_bytes_has_a_unit "$(grep -o '"measure":"[^"]*"' "$scratch/x.svg")" grep -q '"measure":"B"' "$scratch/x.svg"

# ---- what is not a heap profile ----
status leaks_of_cpu_fails 1 "not a heap profile: it has samples, cpu" "$C" leaks "${first/.heap./.cpu.}"
status leaks_without_a_file_is_usage 2 "no FILE given" env CPROF_OUTPUT_DIR=/none "$C" leaks
status leaks_has_no_column_to_choose 2 "in use is shown always" "$C" leaks --sample cpu "$first"
status leaks_min_bytes_wants_a_size 2 "expected a number of bytes" "$C" leaks --min-bytes much "$first"
status leaks_of_a_missing_file_fails 1 "No such file" "$C" leaks "$scratch/missing"
status leaks_help_exits_0 0 "" "$C" leaks "$first" --help
claim leaks_help_fits_a_screen "$(wc -l < "$scratch/out")" test "$(wc -l < "$scratch/out")" -le 24
claim leaks_help_is_80_columns_wide "a line is longer" awk 'length > 80 { exit 1 }' "$scratch/out"
python3 tests/behaviour/cli_profiles.py "$scratch" hostile
"$C" leaks "$scratch/hostile.pb" > "$scratch/out" 2>&1
claim leaks_prints_no_control_character "$(cat -v "$scratch/out" | head -3)" sh -c "! LC_ALL=C grep -qa '[[:cntrl:]]' '$scratch/out'"

# ---- the killed ----
kill -9 $pid
wait $pid 2> /dev/null
"$C" status $pid > "$scratch/out"
says status_of_a_killed_one_tells_its_heap '^heap: +about 1\.[0-9]M in '
last=$("$C" recover $pid | grep '\.heap\.')
status leaks_of_a_killed_one 0 "" "$C" leaks --base "$first" --focus "^($ours)\$" "$last"
says leaks_of_a_killed_one_are_the_same '^ 1    \+488K     977K     1.4M      \+50 '
fresh no_heap
CPROF_HEAP_SAMPLE_BYTES=0 LD_PRELOAD=$LIB sleep 20 &
pid=$!
wait_for 5 grep -q libcprof /proc/$pid/maps
status dump_of_what_is_not_recorded_fails 1 "no heap profile" "$C" dump --kind heap $pid
kill $pid
wait $pid 2> /dev/null
finish
