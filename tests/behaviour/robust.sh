#!/bin/bash
# SPDX-License-Identifier: MIT
# Awkward hosts: what none of our failures and none of their habits may cost them.
. tests/support/lib.sh
P=$B/programs
A=$P/awkward

# Limits.
fresh fsize
(
	ulimit -f 512 # 512 KiB: less than a store
	under "$P/threads" 1 200 1
) 2> /dev/null | cat > "$scratch/ns"
claim file_size_limit_kills_nobody "nothing printed" test -s "$scratch/ns"
near file_size_limit_keeps_the_profile "$($PROFILE total $(files))" "$(cat "$scratch/ns")" 10
fresh memory
prlimit --as=20000000 env LD_PRELOAD="$LIB" "$P/threads" 1 100 1 > /dev/null 2> "$scratch/err"
claim no_memory_for_a_store_is_harmless "exit $?" test $? = 0
claim no_memory_for_a_store_is_said "$(cat "$scratch/err")" grep -q '^cprof: no memory for a store' "$scratch/err"
for n in 0 3 4 5; do
	fresh descriptors
	say=$(under "$A" few_descriptors $n 2> /dev/null)
	claim "descriptor_limit_$n" "exit $?, says '$say'" test "$say" = alive
done

# Our lines: they never wait, never kill, and never land in a file of the host.
fresh say
say=$(CPROF_OUTPUT_DIR=/nowhere under "$A" broken_pipe)
claim stderr_without_reader_kills_nobody "exit $?, says '$say'" test "$say" = alive
say=$(CPROF_OUTPUT_DIR=/nowhere timeout -s KILL 10 env LD_PRELOAD="$LIB" "$A" full_pipe)
claim stderr_full_blocks_nobody "exit $?, says '$say'" test "$say" = alive
CPROF_OUTPUT_DIR=/nowhere under "$A" reused_stderr "$scratch/data"
claim stderr_number_reused_gets_nothing "$(cat "$scratch/data")" test ! -s "$scratch/data"
mkfifo "$scratch/fifo"
CPROF_OUTPUT_LOG=$scratch/fifo CPROF_CPU_HZ=x timeout -s KILL 10 env LD_PRELOAD="$LIB" /bin/true
claim log_fifo_blocks_nobody "exit $?" test $? = 0

# The first call to reach us, before our constructor, finds no environment.
fresh environment
claim no_environment_ends_nobody "exit $?" test "$(under "$P/no_environment")" = alive

# valgrind: its signals and its system calls are not those of a kernel.
fresh valgrind
words='WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000) SELECT max(x) FROM c'
say=$(under valgrind -q --tool=none sqlite3 :memory: "$words" 2> "$scratch/err")
claim valgrind_runs_the_program "exit $?, says '$say': $(cat "$scratch/err")" test "$say" = 100000
claim valgrind_is_said_and_nothing_else "$(cat "$scratch/err")" test "$(cat "$scratch/err")" = "cprof: off: this program runs in valgrind"
claim valgrind_leaves_no_file "$(files)" test -z "$(files)"

# Our descriptors.
fresh low
say=$(under "$A" closed_low)
bad=0
for f in $(files); do gzip -t "$f" 2> /dev/null || bad=$((bad + 1)); done
claim closed_descriptors_stay_closed "$say writes went somewhere" test "$say" = 0
claim closed_descriptors_spoil_no_profile "$bad of $(files | wc -l) files" test $bad = 0 -a "$(files | wc -l)" -ge 10
fresh forks
say=$(under "$A" fork_dumps)
claim fork_during_dumps_leaks_no_descriptor "$say of 200 children" test "$say" = 0
fresh many
claim dumps_leave_nothing_behind "more" test "$(under "$A" many_dumps)" = same

# Ways out of our middle.
none=0
for us in {0..60..3}; do
	fresh cancel
	under "$A" cancel $us 2> /dev/null
	[ -n "$(files)" ] || none=$((none + 1))
done
claim cancelled_in_our_handler_dumps_go_on "$none of 21 processes without a file" test $none = 0
fresh exec_asked
say=$(under "$A" failed_exec)
below failed_exec_waits_for_no_dump_ms "$say" 500
fresh jump
say=$(under "$A" jump_out 2> /dev/null)
claim longjmp_out_of_the_hosts_handler "$say signals blocked" test "$say" = 0
claim signal_refuses_sig_err "exit $?" test "$(under "$A" sig_err)" = "EINVAL alive"
fresh small
below small_alternate_stack_bytes "$(under "$A" small_stack)" 6144

# A host that blocks everything and waits for it; one that replaces our handler by a raw system call.
fresh sigwait
LD_PRELOAD=$LIB "$A" sigwait_all > "$scratch/got" &
pid=$!
wait_for 5 compgen -G "$scratch/store/$pid.*" > /dev/null
sleep 0.1
"$A" ask $pid
wait_for 5 compgen -G "$out/awkward.$pid.cpu.1.pb.gz" > /dev/null
claim sigwait_for_everything_can_be_asked_for_a_dump "$(ls "$out")" test "$(files | wc -l)" = 1
kill -TERM $pid
wait $pid
claim sigwait_for_everything_gets_the_hosts_own "says $(cat "$scratch/got")" test "$(cat "$scratch/got")" = 15
fresh sigwait
LD_PRELOAD=$LIB "$A" sigwait_all > "$scratch/got" &
pid=$!
wait_for 5 compgen -G "$scratch/store/$pid.*" > /dev/null
sleep 0.1
kill -USR2 $pid
wait $pid
claim sigwait_that_takes_the_dump_signal_dumps_too "says $(cat "$scratch/got"), $(ls "$out")" \
	test "$(cat "$scratch/got") $(files | wc -l)" = "12 1"
fresh raw
say=$(under "$A" raw_action 2> "$scratch/err")
claim replaced_handler_is_said_once "says $say, $(cat "$scratch/err")" \
	test "$say $(grep -c 'has replaced a signal handler' "$scratch/err") $(wc -l < "$scratch/err")" = "alive 1 1"
claim replaced_handler_is_counted "$($PROFILE comments $(files) | tr '\n' ' ')" \
	sh -c "$PROFILE comments $(files | tail -1) | grep -q 'handler of ours replaced: [12]'"

# What a careful wrapper gets wrong: the same as without us.
for mode in parts parts_once whole pi_mutex others ends; do
	fresh subtle
	plain=$("$P/subtle" $mode -p)
	for _ in 1 2 3; do # signals of one kind are one while a busy machine does not let the thread run that takes them
		say=$(CPROF_CPU_HZ=250 under "$P/subtle" $mode 2> "$scratch/err")
		[ "$say" = few ] || break
	done
	claim "subtle_$mode" "exit $?, says $say, plain $plain, $(cat "$scratch/err")" test "$say" = "$plain"
done

# Whose samples these are, and how many.
# ITIMER_PROF follows the kernel's ticks, which on a busy machine are not what a thread has used: then once more.  Who
# counts a thread twice, or not at all, is a half off each time.
counts_once() {
	local total ns
	total=$($PROFILE total $(files)) ns=$(cat "$scratch/ns")
	[ $((total * 5)) -ge $((ns * 4)) ] && [ $((total * 5)) -le $((ns * 6)) ]
}
for _ in 1 2 3 4; do
	fresh fallback
	under "$A" late_fallback > "$scratch/ns" 2> "$scratch/err"
	counts_once && break
done
near late_fallback_counts_once "$($PROFILE total $(files))" "$(cat "$scratch/ns")" 20
claim late_fallback_is_said_once "$(cat "$scratch/err")" test "$(wc -l < "$scratch/err")" = 1
fresh late_tick
under "$A" late_tick > "$scratch/ns"
near late_tick_tells_nothing_twice "$($PROFILE total $(files))" "$(cat "$scratch/ns")" 8
fresh atfork
LD_PRELOAD="$LIB $P/so_atfork.so" "$A" forked > "$scratch/ns"
near fork_handlers_of_others_add_no_timer "$($PROFILE total $(files))" "$(cat "$scratch/ns")" 10
fresh same_pid
say=$(under "$A" same_pid)
if [ -n "$say" ]; then
	echo "skip copy_with_the_same_pid: $say"
else
	claim copy_with_the_same_pid_has_its_own_samples "$($PROFILE total $(files)) ns" \
		test "$($PROFILE total $(files))" -lt 100000000
fi
finish
