#!/bin/bash
# SPDX-License-Identifier: MIT
# What the host sees of us, and what becomes of profiles in the life of a process.
. tests/support/lib.sh
P=$B/programs

# A process that does nothing leaves nothing.
fresh nothing
under /bin/true
claim true_leaves_no_file "$(ls "$out" "$scratch/store")" test -z "$(ls -A "$out")$(ls -A "$scratch/store")"

# fork: files of their own, nobody's samples in another's.
fresh fork
read -r parent child grandchild < <(under "$P/forker" | tr '\n' ' ')
for who in parent child grandchild; do
	pid=${!who}
	f=$(ls "$out"/forker."$pid".cpu.1.pb.gz 2>/dev/null)
	if [ -z "$f" ]; then
		not_ok "fork_${who}_has_a_file" "none in $(ls "$out" | tr '\n' ' ')"
		continue
	fi
	near "fork_${who}_has_its_own_cpu" "$($PROFILE cum ${who}_work "$f")" 400000000 15
	foreign=0
	for other in parent child grandchild; do
		[ $other = $who ] || foreign=$((foreign + $($PROFILE cum ${other}_work "$f")))
	done
	claim "fork_${who}_has_nobody_elses" "$foreign ns of others" test $foreign = 0
done
claim stores_are_removed_at_exit "$(ls "$scratch/store")" test -z "$(ls "$scratch/store")"

# Who is followed.
fresh follow
say=$(CPROF_FOLLOW_EXEC=no LD_PRELOAD="/nonexistent.so:$LIB" sh -c 'echo "$LD_PRELOAD"; exec cat /proc/self/maps' 2> "$scratch/err")
claim follow_exec_no_takes_only_us_out "$(head -1 <<< "$say")" test "$(head -1 <<< "$say")" = /nonexistent.so
claim follow_exec_no_leaves_programs_alone "libcprof.so is loaded" test "$(grep -c libcprof <<< "$say")" = 0
fresh follow_fork
read -r parent child grandchild < <(CPROF_FOLLOW_FORK=no under "$P/forker" | tr '\n' ' ')
claim follow_fork_no_profiles_the_parent_only "$(ls "$out")" test "$(ls "$out" | cut -d. -f1,2,4 | sort -u)" = "forker.$parent.1"
fresh follow_only
CPROF_FOLLOW_ONLY=none,threads under sh -c "$P/forker; $P/threads 1 300 1" > /dev/null
claim follow_only_profiles_what_it_names "$(ls "$out")" test "$(ls "$out" | sed 's/\..*//' | sort -u)" = threads

# An interval: only when there is something to write.
fresh interval
mkdir -m 700 "$out.idle"
CPROF_OUTPUT_DIR=$out.idle CPROF_OUTPUT_INTERVAL=1 LD_PRELOAD=$LIB sleep 3.3 &
CPROF_OUTPUT_INTERVAL=1 LD_PRELOAD=$LIB "$P/threads" 1 3300 1 > "$scratch/ns"
wait $!
claim interval_dumps_and_the_last_window "$(ls "$out" | tr '\n' ' ')" test "$(ls "$out" | grep -c '^threads.*[.]cpu[.]')" -ge 3
near interval_windows_add_up "$($PROFILE total $(ls "$out"/threads.*.cpu.*))" "$(cat "$scratch/ns")" 3
# It may have a sample or two from its start.
idle=$(ls "$out.idle" | grep -c '[.]cpu[.]')
claim interval_of_an_idle_process_writes_nothing "$(ls "$out.idle" | tr '\n' ' ')" test "$idle" -le 1

# exec: a pending SIGPROF would kill the new image.
fresh exec
CPROF_CPU_HZ=1000 under "$P/exec_chain" 300
claim exec_300_times_under_timers "exit code $?" test $? = 42

# The host's own use of our signals.
fresh signals
say=$(under "$P/host_signals" 2> "$scratch/err")
code=$?
claim host_keeps_its_own_signal_handlers "exit $code, says '$say'" test "$code $say" = "0 usr2 1 prof 1"
claim host_signal_conflict_is_said_once "$(cat "$scratch/err")" test "$(grep -c 'CPROF_OUTPUT_SIGNAL' "$scratch/err")" = 1
claim dump_signal_is_chained_and_dumps "$(ls "$out")" test -n "$(files)"

# Two dumps on request: each holds its own window.
fresh windows
LD_PRELOAD=$LIB "$P/threads" 1 1500 1 > "$scratch/ns" &
pid=$!
sleep 0.5
kill -USR2 $pid
wait_for 5 test -s "$out/threads.$pid.cpu.1.pb.gz"
sleep 0.3
kill -USR2 $pid
wait_for 5 test -s "$out/threads.$pid.cpu.2.pb.gz"
wait $pid
claim dump_files_are_numbered "$(ls "$out")" test "$(files | wc -l)" = 3
near dump_windows_add_up "$($PROFILE total $(files))" "$(cat "$scratch/ns")" 3
first=$($PROFILE total "$out/threads.$pid.cpu.1.pb.gz")
claim dump_first_window_is_only_a_part "first window $first" test "$first" -lt 900000000

# kill -9: the store is left behind and recover brings the rest.
fresh killed
LD_PRELOAD=$LIB "$P/threads" 1 60000 1 > /dev/null &
pid=$!
wait_for 30 used $pid 1000
ticks=$(ticks_of $pid)
kill -9 $pid
wait $pid 2> /dev/null
"$B/cprof" recover $pid --dir "$out" > "$scratch/recovered" 2>&1
claim recover_after_kill_9 "$(cat "$scratch/recovered")" test "$(files | wc -l)" = 1
near recover_has_all_samples "$($PROFILE cum burn $(files))" $((ticks * (1000000000 / $(getconf CLK_TCK)))) 6
claim recover_removes_the_orphan "$(ls "$scratch/store")" test -z "$(ls "$scratch/store")"

# Output that cannot be written: one line, host unharmed, no half file.
fresh bad
CPROF_OUTPUT_DIR=/proc/nowhere under "$P/threads" 1 200 1 > "$scratch/say" 2> "$scratch/err"
claim bad_directory_leaves_the_host_alone "exit $?" test $? = 0
claim bad_directory_is_one_line "$(cat "$scratch/err")" test "$(wc -l < "$scratch/err")" = 1
rm -f "$scratch"/store/*
CPROF_CPU_HZ=fast under /bin/true 2> "$scratch/err"
claim bad_option_is_one_clear_line "$(cat "$scratch/err")" grep -qx 'cprof: CPROF_CPU_HZ=fast: expected a number from 1 to 1000; using 100' "$scratch/err"

# A store that cannot be had: anonymous memory, profile all the same.
fresh anonymous
CPROF_STORE_DIR=/proc/nowhere under "$P/threads" 1 300 1 > "$scratch/ns"
near profile_without_a_store_file "$($PROFILE total $(files))" "$(cat "$scratch/ns")" 10
claim profile_without_a_store_file_says_so "$($PROFILE comments $(files))" \
	sh -c "$PROFILE comments $(files) | grep -q 'no file for the store (ENOENT)'"

# Our libraries stay out of the host's way.
claim cxx_exceptions_stay_with_libgcc "bound to something else" \
	sh -c "LD_DEBUG=bindings LD_PRELOAD=$LIB $P/throw_host $P/so_throw.so 2>&1 | grep -q 'libstdc++.*to .*libgcc_s.*_Unwind_RaiseException'"
claim cxx_throw_works_under_us "throw_host failed" test "$(under "$P/throw_host" "$P/so_throw.so")" = 18
fresh stress
CPROF_CPU_HZ=1000 under "$P/stress" "${STRESS_SECONDS:-4}" "$P/so_throw.so" > "$scratch/say" 2>&1
code=$?
claim stress_dlopen_throw_fork_threads "exit $code: $(tail -3 "$scratch/say" | tr '\n' ' ')" test $code = 0
sed 's/^/# stress: /' "$scratch/say"
finish
