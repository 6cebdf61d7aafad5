#!/bin/bash
# SPDX-License-Identifier: MIT
# The commands that look at processes: dump, ls, status, check.
. tests/support/lib.sh
C=$B/cprof
unset LD_PRELOAD CPROF_OUTPUT_DIR CPROF_STORE_DIR
# One file for each dump; leaks.sh has them all.
export CPROF_HEAP_SAMPLE_BYTES=0 CPROF_BLOCK_THRESHOLD=0 CPROF_MUTEX_FRACTION=0
pids=
trap 'for p in $pids; do kill -9 $p; wait $p; done 2> /dev/null; rm -rf "$scratch"' EXIT

# expect NAME CODE COMMAND...: the exit code, and at most one line on stderr. Leaves $scratch/out and err.
expect() {
	local name=$1 want=$2 code lines
	shift 2
	timeout 60 "$@" > "$scratch/out" 2> "$scratch/err" < /dev/null
	code=$?
	lines=$(wc -l < "$scratch/err")
	if [ $code != "$want" ]; then
		not_ok "$name" "exit code $code, expected $want; stderr: $(head -1 "$scratch/err")"
	elif [ "$lines" -gt 1 ] || { [ "$want" != 0 ] && [ "$lines" = 0 ] && [ ! -s "$scratch/out" ]; }; then
		not_ok "$name" "$lines lines on stderr: $(head -2 "$scratch/err")"
	else
		ok "$name"
	fi
}
said() { claim "$1" "stderr: $(cat "$scratch/err")" grep -q -- "$2" "$scratch/err"; }
shown() { claim "$1" "stdout: $(head -20 "$scratch/out")" grep -qE -- "$2" "$scratch/out"; }
# start PROGRAM ARGS...: under the library, in the background; its pid in $pid.
start() {
	LD_PRELOAD=$LIB "$@" > /dev/null 2> "$scratch/program.err" &
	pid=$!
	pids="$pids $pid"
}
has_store() { ls "$CPROF_STORE_DIR" 2> /dev/null | grep -q "^$1[.]"; }
stopped() { grep -q '^State:.T' "/proc/$1/status"; }
ready() { grep -q '^SigCgt:.*[4-7c-f]......$' "/proc/$1/status"; }
# Nothing that a terminal would obey: UTF-8 without control characters.
printable() { iconv -f UTF-8 -t UTF-8 "$1" > /dev/null 2>&1 && ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$1"; }
lives() { kill -0 "$1" 2> /dev/null; }

cat > "$scratch/burn.c" <<-'C'
	#include <stdlib.h>
	#include <unistd.h>
	volatile long x;
	int main(int argc, char **argv)
	{
		for (;;) {
			for (long i = 0; i < 100000; i++)
				x += i;
			usleep(argc > 1 ? 2000 : 100); /* the machine has other work too */
		}
	}
C
gcc -O1 -o "$scratch/burn" "$scratch/burn.c"
cp "$scratch/burn" "$scratch/burn-two"

# ---- help ----
for sub in dump ls status check; do
	expect cmd_${sub}_help_exits_0 0 "$C" $sub --help
	claim cmd_${sub}_help_fits_a_screen "$(wc -l < "$scratch/out") lines" test "$(wc -l < "$scratch/out")" -le 24
	claim cmd_${sub}_help_is_narrow "a line is longer" awk 'length > 100 { exit 1 }' "$scratch/out"
	shown cmd_${sub}_help_has_exit_codes '^Exit code'
	expect cmd_${sub}_unknown_option_is_usage 2 "$C" $sub --frobnicate
done
expect cmd_dump_without_argument_is_usage 2 "$C" dump
expect cmd_dump_timeout_without_value_is_usage 2 "$C" dump --timeout
expect cmd_dump_timeout_wants_seconds 2 "$C" dump --timeout soon 1
expect cmd_status_without_argument_is_usage 2 "$C" status
expect cmd_check_without_argument_is_usage 2 "$C" check

# ---- dump ----
fresh dump
start "$scratch/burn"
busy=$pid
wait_for 5 has_store $busy
expect dump_of_a_busy_process_writes 0 "$C" dump $busy
profile=$(cat "$scratch/out")
claim dump_prints_one_existing_file "$profile" test -s "$profile"
claim dump_prints_a_file_of_that_process "$profile" test "$profile" = "$out/burn.$busy.cpu.1.pb.gz"
claim dump_is_complete_when_it_is_printed "not readable" sh -c "'$C' top '$profile' > /dev/null"
claim dump_holds_what_was_sampled "nothing of main" test "$($PROFILE cum main "$profile")" -gt 0
expect dump_again_writes_the_next_file 0 "$C" dump --timeout=20 $busy
claim dump_has_the_next_number "$(cat "$scratch/out")" test "$(cat "$scratch/out")" = "$out/burn.$busy.cpu.2.pb.gz"

# The first sample comes at random within a period, which the start of a program may hit: so a long one, and one at most.
CPROF_CPU_HZ=1 start sleep 1000
sleeping=$pid
wait_for 5 ready $sleeping
claim dump_case_has_no_store_yet "has one" test ! -e "$CPROF_STORE_DIR/$sleeping".*.store
expect dump_of_a_process_without_samples_writes 0 "$C" dump $sleeping
total=$($PROFILE total "$(cat "$scratch/out")")
claim dump_of_nothing_is_an_empty_profile "$(cat "$scratch/out"), total $total" test "$total" = 0 -o "$total" = 1000000000
claim dump_leaves_the_sleeper_asleep "it ended" lives $sleeping

start "$scratch/burn" slowly
waiting=$pid
wait_for 5 has_store $waiting
kill -STOP $busy
wait_for 5 stopped $busy
expect dump_of_a_stopped_process_times_out 1 "$C" dump --timeout 1 $busy
said dump_says_that_it_is_stopped 'it is stopped'
claim dump_of_a_stopped_process_prints_no_file "$(cat "$scratch/out")" test ! -s "$scratch/out"
kill -CONT $busy
claim dump_comes_when_it_goes_on "$(ls "$out")" wait_for 5 test -s "$out/burn.$busy.cpu.3.pb.gz"

expect dump_by_name_asks_all 0 "$C" dump burn
claim dump_by_name_prints_all "$(cat "$scratch/out")" test "$(sort "$scratch/out" | sed 's/.*burn\.//; s/\..*//' | sort -n | tr '\n' ' ')" = "$(printf '%s\n' $busy $waiting | sort -n | tr '\n' ' ')"
for i in 1 2 3 4; do "$C" dump $busy $waiting > "$scratch/many.$i" 2>> "$scratch/many.err" & asking="$asking $!"; done
codes=0
for p in $asking; do wait $p || codes=$((codes + 1)); done
claim dump_by_four_at_once_serves_all "$codes failed: $(cat "$scratch/many.err")" test $codes = 0
claim dump_by_four_at_once_names_files_that_exist "$(cat "$scratch"/many.[1-4])" sh -c "cat '$scratch'/many.[1-4] | xargs ls > /dev/null"

# What has no handler of ours must not get a signal.
sleep 1000 &
plain=$!
pids="$pids $plain"
expect dump_refuses_a_process_without_us 1 "$C" dump $plain
said dump_says_that_it_is_not_loaded 'libcprof.so is not loaded there'
claim dump_leaves_a_process_without_us_alive "it is gone" lives $plain
expect dump_of_one_good_and_one_bad_fails 1 "$C" dump $plain $busy
claim dump_of_one_good_and_one_bad_writes_the_good "$(cat "$scratch/out")" grep -q "burn.$busy" "$scratch/out"
expect dump_refuses_a_pid_that_is_not_there 1 "$C" dump 4194304
said dump_says_that_there_is_none 'no process 4194304'
expect dump_refuses_pid_0 1 "$C" dump 0
expect dump_refuses_a_kernel_thread_or_init 1 "$C" dump 2
expect dump_refuses_a_name_that_is_not_there 1 "$C" dump no-such-program
expect dump_refuses_a_name_without_us 1 sh -c "cp /bin/sleep '$scratch/bare'; '$scratch/bare' 9 & p=\$!; '$C' dump bare; e=\$?; kill \$p && exit \$e"
said dump_says_that_they_run_without_us 'running bare, but without'
CPROF_FOLLOW_ONLY=other start sleep 1000
inert=$pid
wait_for 5 grep -q libcprof "/proc/$inert/maps"
expect dump_refuses_where_we_do_nothing 1 "$C" dump $inert
said dump_says_that_we_do_nothing 'does nothing there'
claim dump_leaves_the_inert_alive "it is gone" lives $inert
CPROF_CPU_ENABLED=no CPROF_OUTPUT_SIGNAL=none start "$scratch/burn-two"
off=$pid
wait_for 5 ready $off
expect dump_needs_neither_samples_nor_a_dump_signal 0 "$C" dump $off
"$C" ls > "$scratch/out"
shown ls_says_that_nothing_is_recorded "^burn-two +$off +running .*nothing"
{ kill -9 $off; wait $off; } 2> /dev/null
printf '#include <unistd.h>\nint main(void) { if (vfork() == 0) { usleep(3000000); _exit(0); } return 0; }\n' > "$scratch/vfork.c"
gcc -O1 -o "$scratch/vfork" "$scratch/vfork.c" 2> /dev/null
start "$scratch/vfork"
between() { child=$(pgrep -P $pid vfork); [ -n "$child" ]; }
wait_for 5 between
expect dump_refuses_what_is_between_vfork_and_exec 1 "$C" dump "$child"
said dump_says_that_it_shares_memory "shares its parent's memory"
claim dump_leaves_the_vfork_child_alive "it is gone" lives "$child"
sh -c 'sleep 0.1 & exec sleep 5' &
parent=$!
pids="$pids $parent"
zombie() { zombie=$(ps -o pid=,stat= --ppid $parent | awk '$2 ~ /^Z/ { print $1 }'); [ -n "$zombie" ]; }
if wait_for 5 zombie; then
	expect dump_refuses_a_zombie 1 "$C" dump $zombie
	said dump_says_that_it_is_a_zombie 'zombie'
else
	echo "skip dump_refuses_a_zombie: none came to be"
fi

# Where kcmp is refused, as in Docker, a dumper is known by its name: it is none of those who are asked.
cat > "$scratch/nokcmp.c" <<-'C'
	#include <errno.h>
	#include <linux/filter.h>
	#include <linux/seccomp.h>
	#include <stddef.h>
	#include <sys/prctl.h>
	#include <sys/syscall.h>
	#include <unistd.h>
	int main(int argc, char **argv)
	{
		struct sock_filter f[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kcmp, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog p = {4, f};

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) < 0)
			return 77;
		execv(argv[1], argv + 1);
		return 1;
	}
C
gcc -o "$scratch/nokcmp" "$scratch/nokcmp.c"
"$scratch/nokcmp" /bin/true
if [ $? != 77 ]; then
	ln -s "$scratch/burn" "$scratch/cprof-dump" # comm is the name of the file
	CPROF_CPU_ENABLED=no start bash -c "exec -a burn-three '$scratch/cprof-dump' slowly" # and no store
	dumper=$pid
	start bash -c "exec -a burn-three '$scratch/burn' slowly"
	asked=$pid
	both() { grep -q cprof-dump /proc/$dumper/comm && grep -q burn /proc/$asked/comm && ready $dumper && ready $asked; }
	wait_for 5 both
	expect dump_by_name_leaves_a_dumper_out_without_kcmp 0 "$scratch/nokcmp" "$C" dump burn-three
	claim dump_by_name_asks_the_others_without_kcmp "$(cat "$scratch/out")" test "$(sed 's/.*burn-three\.//; s/\..*//' "$scratch/out")" = $asked
	expect dump_refuses_a_dumper_without_kcmp 1 "$scratch/nokcmp" "$C" dump $dumper
	said dump_knows_a_dumper_without_kcmp "shares its parent's memory"
	"$scratch/nokcmp" "$C" ls > "$scratch/out"
	claim ls_leaves_a_dumper_out_without_kcmp "$(cat "$scratch/out")" sh -c "! grep -q ' $dumper ' '$scratch/out'"
	expect dump_goes_by_kcmp_where_it_may 0 "$C" dump $dumper
	{ kill -9 $dumper $asked; wait $dumper $asked; } 2> /dev/null
else
	echo "skip dump_by_name_leaves_a_dumper_out_without_kcmp: no seccomp here"
fi

# Where no file can be written, and where no store can be.
CPROF_OUTPUT_DIR=$scratch/missing start "$scratch/burn-two" slowly
failing=$pid
wait_for 5 has_store $failing
expect dump_that_fails_says_so 1 "$C" dump $failing
said dump_passes_on_the_reason 'could not write: .*/missing.*ENOENT'
{ kill -9 $failing; wait $failing; } 2> /dev/null
CPROF_STORE_DIR=$scratch/missing start "$scratch/burn-two" slowly
storeless=$pid
wait_for 5 ready $storeless
expect dump_of_a_process_whose_store_is_no_file_writes 0 "$C" dump $storeless
claim dump_without_store_prints_the_new_file "$(cat "$scratch/out")" test "$(cat "$scratch/out")" = "$out/burn-two.$storeless.cpu.1.pb.gz"

# Where the file of the store was removed, exec cannot be held: unless root finds it through the mapping,
# who never sleeps is left alone.
printf 'volatile long x; int main(void) { for (;;) x++; }\n' | gcc -x c -o "$scratch/spin" -
bare=
[ "$(id -u)" = 0 ] && bare="setpriv --bounding-set=-all"
start $bare "$scratch/spin"
spinning=$pid
spins() { has_store $spinning && grep -q '^spin$' /proc/$spinning/comm && grep -q "/$spinning[.].*store" /proc/$spinning/maps; }
wait_for 5 spins
rm "$CPROF_STORE_DIR/$spinning".*.store
expect dump_refuses_a_busy_process_whose_store_is_gone 1 $bare "$C" dump --timeout 2 $spinning
said dump_says_that_the_store_cannot_be_opened 'its store cannot be opened'
expect status_of_a_process_whose_store_is_gone 0 $bare "$C" status $spinning
shown status_says_that_the_store_cannot_be_opened 'cannot be opened from here'
if "$C" status $spinning | grep -q '^samples:'; then
	expect dump_by_root_finds_a_store_that_is_gone 0 "$C" dump $spinning
	claim dump_by_root_prints_the_file "$(cat "$scratch/out")" test -s "$out/spin.$spinning.cpu.1.pb.gz"
else
	echo "skip dump_by_root_finds_a_store_that_is_gone: /proc/PID/map_files may not be opened"
fi
{ kill -9 $spinning; wait $spinning; } 2> /dev/null

# A store of another version has other places: nothing may be written there.
start "$scratch/burn-two" slowly
foreign=$pid
wait_for 5 has_store $foreign
older=$(ls "$CPROF_STORE_DIR/$foreign".*.store)
kill -STOP $foreign
wait_for 5 stopped $foreign
printf '\002' | dd of="$older" bs=1 seek=8 conv=notrunc 2> /dev/null
before=$(md5sum < "$older")
expect dump_refuses_a_store_of_another_version 1 "$C" dump --timeout 2 $foreign
said dump_says_that_it_is_another_version 'another version'
claim dump_writes_nothing_to_a_store_of_another_version "it has changed" test "$before" = "$(md5sum < "$older")"
{ kill -9 $foreign; wait $foreign; rm "$older"; } 2> /dev/null

# A process that ends meanwhile: its last profile is the answer.
start "$scratch/burn-two"
ending=$pid
wait_for 5 has_store $ending
kill -STOP $ending
wait_for 5 stopped $ending
"$C" dump --timeout 20 $ending > "$scratch/out" 2> "$scratch/err" &
asking=$!
pending() { grep -q '^ShdPnd:.*[4-7c-f]......$' "/proc/$ending/status"; }
wait_for 5 pending
{ kill -9 $ending; wait $ending; wait $asking; code=$?; } 2> /dev/null
claim dump_of_a_process_that_is_killed_meanwhile_fails "exit code $code" test $code = 1
said dump_says_that_it_has_ended 'has ended before it wrote'

# Programs that call exec all the time are asked, and not one dies of it.
cat > "$scratch/chain.c" <<-'C'
	#include <stdio.h>
	#include <stdlib.h>
	#include <time.h>
	#include <unistd.h>
	int main(int argc, char **argv)
	{
		int left = atoi(argv[1]);
		clock_t begin = clock(), want = 15000 + left * 7919 % 20000; /* exec keeps the clock */
		char next[16];

		while (clock() - begin < want)
			;
		if (left == 0)
			return 42;
		snprintf(next, sizeof next, "%d", left - 1);
		execl(argv[0], argv[0], next, (char *)NULL);
		return 1;
	}
C
gcc -O1 -o "$scratch/chain" "$scratch/chain.c"
mkdir -m 700 "$scratch/chain.out"
CPROF_OUTPUT_DIR=$scratch/chain.out start "$scratch/chain" 60
chain=$pid
asked=0
while lives $chain; do
	timeout 20 "$C" dump --timeout 5 $chain > /dev/null 2>&1 && asked=$((asked + 1))
done
wait $chain
code=$?
claim dump_never_hits_exec "exit code $code" test $code = 42
claim "dump_of_a_chain_of_execs_is_answered ($asked times)" "never" test $asked -gt 0

# ---- ls ----
start "$scratch/burn-two"
victim=$pid
wait_for 5 has_store $victim
sleep 0.2
{ kill -9 $victim; wait $victim; } 2> /dev/null
expect ls_exits_0 0 "$C" ls
shown ls_has_a_header '^PROGRAM +PID +STATE +AGE +STORE +SAMPLES +HEAP +LOST +ON'
shown ls_shows_the_running "^burn +$busy +running +[0-9]+[ms].* +[0-9.]+[KM] +[0-9]+ +- +0  cpu 100 Hz"
shown ls_shows_the_killed "^burn-two +$victim +killed .*cpu 100 Hz"
shown ls_shows_a_process_whose_store_is_no_file "^burn-two +$storeless +running .* -  cpu 100 Hz"
shown ls_shows_where_we_do_nothing "^sleep +$inert +off .*nothing"
claim ls_shows_nobody_else "$plain is listed" sh -c "! grep -qE ' $plain +(running|off)' '$scratch/out'"
claim ls_sorts_by_state "$(cat "$scratch/out")" sh -c "awk 'NR > 1 { print \$3 }' '$scratch/out' | uniq | sort | uniq -d | grep -q . && exit 1 || exit 0"
claim ls_columns_are_aligned "$(cat "$scratch/out")" awk 'NR == 1 { at = index($0, "STATE") } substr($0, at - 1, 1) != " " || substr($0, at, 1) == " " { exit 1 }' "$scratch/out"

# Stores that somebody else has put there.
store=$(ls "$CPROF_STORE_DIR/$victim".*.store)
python3 - "$store" "$CPROF_STORE_DIR" <<-'PY'
	import os, struct, sys, time
	data = bytearray(open(sys.argv[1], "rb").read())
	ticks = struct.unpack_from("<Q", data, 32)[0]
	def put(name, d):
	    open(os.path.join(sys.argv[2], name), "wb").write(d)
	evil = bytearray(data)
	struct.pack_into("<I", evil, 24, 4194301)
	evil[80:144] = b"\x1b[31m/evil".ljust(64, b"\0")
	put("4194301.%d.store" % ticks, evil)
	put("4194302.1.store", b"CPROFST\0" + bytes(8192))
	put("4194303.1.store", b"")
	old = bytearray(data)
	struct.pack_into("<I", old, 8, 2)
	put("4194300.1.store", old)
	# Of another boot id: made before this machine was booted, and after, as in a container or elsewhere.
	for pid, created in (4194295, 10**18), (4194296, time.time_ns()):
	    other = bytearray(data)
	    struct.pack_into("<I", other, 24, pid)
	    struct.pack_into("<QQQ", other, 40, created, 0, 1)
	    put("%d.%d.store" % (pid, ticks), other)
	os.symlink("/etc/passwd", os.path.join(sys.argv[2], "4194299.1.store"))
	os.mkfifo(os.path.join(sys.argv[2], "4194298.1.store"))
	os.mkdir(os.path.join(sys.argv[2], "4194297.1.store"))
PY
expect ls_survives_hostile_stores 0 "$C" ls
claim ls_prints_no_control_characters "there is one" printable "$scratch/out"
shown ls_names_a_hostile_program_harmlessly 'evil +4194301 +killed'
shown ls_shows_a_store_of_another_version '^\? +4194300 +unreadable .*another version'
shown ls_shows_what_was_before_the_last_boot '4194295 +other-boot'
shown ls_shows_what_may_live_under_another_boot_id '4194296 +elsewhere'
shown ls_shows_a_damaged_store '^\? +4194302 +unreadable'
claim ls_leaves_out_what_is_no_file "$(cat "$scratch/out")" sh -c "! grep -qE ' 419429[789] ' '$scratch/out'"
evil=$scratch/$'evil\e[31m'
mkdir "$evil"
echo noise > "$evil/noise"
cp "$CPROF_STORE_DIR/$busy".*.store "$evil/living"
for file in noise living; do
	expect recover_refuses_${file}_in_a_hostile_directory 1 "$C" recover "$evil/$file"
	claim recover_prints_no_control_characters_of_$file "$(cat -v "$scratch/err")" printable "$scratch/err"
done
crashed=0
for seed in $(seq 1 "${COMMANDS_DAMAGED:-12}"); do
	python3 - "$store" "$CPROF_STORE_DIR/4194302.1.store" $seed <<-'PY'
		import random, sys
		r = random.Random(int(sys.argv[3]))
		data = bytearray(open(sys.argv[1], "rb").read(2 << 20))
		filled = [i for i in range(0, len(data), 64) if any(data[i:i + 64])]
		for _ in range(r.randint(1, 300)):
		    data[r.choice(filled) + r.randint(0, 63)] = r.choice([0, 1, 0x1b, 0x7f, 0xff, r.randint(0, 255)])
		data[:16] = open(sys.argv[1], "rb").read(16)
		open(sys.argv[2], "wb").write(data[:r.choice([len(data), r.randint(0, len(data))])])
	PY
	timeout 20 "$C" status "$CPROF_STORE_DIR/4194302.1.store" > "$scratch/out" 2> "$scratch/err"
	code=$?
	timeout 20 "$C" ls >> "$scratch/out" 2>> "$scratch/err" || code=9
	if [ $code -gt 1 ] || ! printable "$scratch/out"; then
		crashed=$((crashed + 1))
		echo "# seed $seed: exit code $code: $(head -1 "$scratch/err")"
	fi
done
claim status_and_ls_survive_damaged_stores "$crashed crashes, time-outs or control characters" test $crashed = 0

# ---- status ----
expect status_of_a_running_process 0 "$C" status $busy
shown status_names_the_program '^program: +burn$'
shown status_names_the_library "^library: +$LIB \([0-9.]+\)"
shown status_says_what_is_recorded '^recorded: +cpu 100 Hz'
shown status_shows_the_settings "^settings: +output.dir=$out"
shown status_shows_the_store "^store: +$CPROF_STORE_DIR/$busy"
shown status_counts_threads '^threads: +1 now; 1 have begun'
shown status_shows_losses '^losses: '
shown status_names_the_last_file "$out/burn.$busy.cpu.[0-9]+.pb.gz"
shown status_says_what_to_do "^next: +cprof dump $busy"
expect status_of_a_process_without_store 0 "$C" status $inert
shown status_says_that_there_is_no_store '^store: +none'
shown status_says_that_we_do_nothing 'it does nothing'
expect status_of_a_process_without_us_fails 1 "$C" status $plain
shown status_says_that_it_is_not_loaded 'libcprof.so is not loaded'
expect status_of_an_orphan_by_pid 0 "$C" status $victim
shown status_of_an_orphan_points_to_recover "^next: +cprof recover $store"
cp "$store" "$scratch/orphan"
expect status_of_an_orphan_by_path 0 "$C" status "$scratch/orphan"
shown status_of_an_orphan_says_that_it_has_ended 'has ended without writing all'
expect status_by_name_shows_all 0 "$C" status burn
claim status_by_name_shows_two "$(grep -c '^program' "$scratch/out")" test "$(grep -c '^program' "$scratch/out")" = 2
expect status_of_nothing_fails 1 "$C" status no-such-program
expect status_of_noise_fails 1 "$C" status "$scratch/burn.c"

# ---- ls --clean ----
touch -d '2 days ago' "$CPROF_STORE_DIR/4194303.1.store"
touch -d '2 days ago' "$CPROF_STORE_DIR"/419429[56].*.store
expect ls_clean_exits_0 0 "$C" ls --clean
shown ls_clean_says_what_it_removes "^removed $store \(burn-two, killed"
claim ls_clean_removes_the_killed "$(ls "$CPROF_STORE_DIR")" test ! -e "$store"
claim ls_clean_removes_what_is_old_and_unreadable "$(ls "$CPROF_STORE_DIR")" test ! -e "$CPROF_STORE_DIR/4194303.1.store"
claim ls_clean_leaves_what_is_new_and_unreadable "removed" test -e "$CPROF_STORE_DIR/4194300.1.store"
claim ls_clean_removes_what_was_before_the_last_boot "$(ls "$CPROF_STORE_DIR")" sh -c "! ls '$CPROF_STORE_DIR'/4194295.* 2> /dev/null"
claim ls_clean_leaves_what_may_live_under_another_boot_id "removed" sh -c "ls '$CPROF_STORE_DIR'/4194296.* > /dev/null"
claim ls_clean_leaves_the_running "$(ls "$CPROF_STORE_DIR")" sh -c "ls '$CPROF_STORE_DIR/$busy'.*.store '$CPROF_STORE_DIR/$waiting'.*.store > /dev/null"
expect ls_clean_again_has_nothing_to_do 0 "$C" ls --clean
shown ls_clean_says_that_there_is_nothing '^nothing to remove'
expect dump_works_after_clean 0 "$C" dump $busy

# ---- check ----
expect check_true_will_be_profiled 0 "$C" check /bin/true --its arguments
claim check_verdict_is_the_first_line "$(head -1 "$scratch/out")" grep -q '/true will be profiled$' <(head -1 "$scratch/out")
expect check_finds_a_program_in_path 0 "$C" check sleep
claim check_says_nothing_without_need "$("$C" check "$scratch/burn")" test "$("$C" check "$scratch/burn" | grep -cv 'cannot be read by every user')" = 1
CPROF_CPU_ENABLED=no expect check_when_nothing_is_recorded 0 "$C" check "$scratch/burn" # all else is off above
shown check_says_that_nothing_is_recorded '^- cpu.enabled = no, .*: nothing would be recorded$'
strip -o "$scratch/stripped" "$scratch/burn"
expect check_of_a_stripped_program 0 "$C" check "$scratch/stripped"
shown check_says_that_it_is_stripped 'is stripped'
objcopy --only-keep-debug "$scratch/chain" "$scratch/stripped.debug"
objcopy --add-gnu-debuglink="$scratch/stripped.debug" "$scratch/stripped"
expect check_of_a_stripped_program_with_symbols_of_another 0 "$C" check "$scratch/stripped"
shown check_believes_no_symbols_of_another_build 'is stripped: functions that it does not export'
objcopy --only-keep-debug "$scratch/burn" "$scratch/stripped.debug"
expect check_of_a_stripped_program_with_its_symbols 0 "$C" check "$scratch/stripped"
shown check_says_where_its_names_come_from "its names come from $(realpath "$scratch")/stripped.debug$"
chmod o+w "$scratch/stripped.debug"
expect check_of_a_stripped_program_with_symbols_that_all_may_write 0 "$C" check "$scratch/stripped"
shown check_believes_no_symbols_that_all_may_write 'is stripped: functions that it does not export'
if gcc -static -o "$scratch/static" "$scratch/burn.c" 2> /dev/null; then
	expect check_static_will_not_be_profiled 1 "$C" check "$scratch/static"
	shown check_says_static 'will not be profiled: it is linked statically'
	printf '#!%s\n' "$scratch/static" > "$scratch/script" && chmod +x "$scratch/script"
	expect check_judges_the_interpreter 1 "$C" check "$scratch/script"
	shown check_names_the_interpreter "is a script; what runs is $scratch/static"
	"$scratch/static" slowly &
	static=$!
	pids="$pids $static"
	expect dump_refuses_a_static_process 1 "$C" dump $static
	said dump_says_that_it_is_static 'linked statically'
	claim dump_leaves_a_static_process_alive "it is gone" lives $static
fi
printf '#!/usr/bin/env -S sh -e\n' > "$scratch/script2" && chmod +x "$scratch/script2"
expect check_looks_behind_env 0 "$C" check "$scratch/script2"
shown check_names_what_env_runs 'what runs is .*/sh$'
printf '#!/no/such/interpreter\n' > "$scratch/script3" && chmod +x "$scratch/script3"
expect check_misses_an_interpreter 1 "$C" check "$scratch/script3"
python3 - "$scratch" <<-'PY'
	import struct, sys
	h = lambda c, m: b"\x7fELF" + bytes([c, 1, 1]) + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, m, 1, 0x8048000, 52, 0, 0, 52, 32, 0, 40, 0, 0)
	open(sys.argv[1] + "/elf32", "wb").write(h(1, 3))
	open(sys.argv[1] + "/arm64", "wb").write(h(2, 183))
	open(sys.argv[1] + "/short", "wb").write(h(2, 62)[:20])
PY
chmod +x "$scratch/elf32" "$scratch/arm64" "$scratch/short"
expect check_32_bit_will_not_be_profiled 1 "$C" check "$scratch/elf32"
shown check_says_32_bit '32-bit'
expect check_another_processor_will_not_be_profiled 1 "$C" check "$scratch/arm64"
shown check_says_another_processor 'another processor'
expect check_of_a_cut_file_does_not_crash 1 "$C" check "$scratch/short"
gcc -o "$scratch/other" "$scratch/burn.c" -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
expect check_musl_will_not_be_profiled 1 "$C" check "$scratch/other"
shown check_says_musl 'for musl'
printf 'void none(void); int main(void) { none(); return 0; }\n' > "$scratch/needs.c"
echo 'void none(void) {}' | gcc -shared -fPIC -x c -o "$scratch/libnone.so" -Wl,-soname,libnone.so -
gcc -o "$scratch/needs" "$scratch/needs.c" "$scratch/libnone.so"
expect check_misses_a_library 1 "$C" check "$scratch/needs"
shown check_names_the_missing_library 'does not start: libnone.so'
printf '#include <stddef.h>\nvoid *malloc(size_t n) { return NULL; }\nvoid free(void *p) {}\nint main(void) { return 0; }\n' > "$scratch/own.c"
gcc -rdynamic -fno-builtin -o "$scratch/own" "$scratch/own.c"
expect check_notes_an_own_malloc 0 "$C" check "$scratch/own"
shown check_says_own_malloc 'malloc of its own'
jemalloc=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
if [ -f $jemalloc ]; then
	echo 'int main() { volatile char *p = new char[9]; return p == nullptr; }' > "$scratch/new.cc"
	g++ -o "$scratch/new" "$scratch/new.cc" -Wl,--no-as-needed $jemalloc
	expect check_notes_an_allocator_with_cxx 0 "$C" check "$scratch/new"
	shown check_says_how_new_is_seen 'LD_PRELOAD="libcprof.so libstdc.*so.6 libjemalloc.so.2"'
else
	echo "skip check_says_how_new_is_seen: no libjemalloc"
fi
expect check_of_nothing_fails 1 "$C" check no-such-program
expect check_of_a_text_fails 1 "$C" check "$scratch/burn.c"
go=$(ls /usr/lib/go-*/bin/go 2> /dev/null | head -1)
if [ -n "$go" ]; then
	timeout 20 "$C" check "$go" > "$scratch/out"
	shown check_knows_a_go_program 'Go program'
else
	echo "skip check_knows_a_go_program: none here"
fi
CPROF_OUTPUT_DIR=$scratch/missing expect check_looks_at_the_directory 0 "$C" check true
shown check_says_that_no_profile_could_be_written 'no profile could be written'
CPROF_FOLLOW_ONLY=other expect check_looks_at_follow_only 1 "$C" check true
shown check_says_which_option_leaves_it_out 'follow.only = other'

# ---- other users, other namespaces ----
if [ "$(id -u)" = 0 ]; then
	cp "$scratch/burn" "$scratch/suid" && chown 65534 "$scratch/suid" && chmod u+s "$scratch/suid"
	expect check_setuid_will_not_be_profiled 1 "$C" check "$scratch/suid"
	shown check_says_setuid 'setuid'
	mkdir -m 755 /tmp/cprof-commands.$$
	cp "$C" /tmp/cprof-commands.$$/
	expect dump_refuses_another_users_process 1 env -u CPROF_STORE_DIR setpriv --reuid 65534 --regid 65534 --clear-groups /tmp/cprof-commands.$$/cprof dump $busy
	said dump_says_whose_it_is "another user's (uid 0)"
	rm -rf /tmp/cprof-commands.$$
	claim dump_by_another_user_does_no_harm "it is gone" lives $busy
	if unshare -pf true 2> /dev/null; then
		unshare -pf --kill-child env LD_PRELOAD="$LIB" "$scratch/burn-two" 2> /dev/null &
		pids="$pids $!"
		inner() { inner=$(pgrep -P $! burn-two) && ls "$CPROF_STORE_DIR" | grep -q '^1[.]'; }
		if wait_for 5 inner; then
			expect dump_reaches_into_a_pid_namespace 0 "$C" dump $inner
			claim dump_names_the_file_by_the_inner_pid "$(cat "$scratch/out")" grep -q '/burn-two.1.cpu.1.pb.gz$' "$scratch/out"
			"$C" ls > "$scratch/out"
			shown ls_shows_what_runs_in_a_pid_namespace "^burn-two +$inner +running"
			expect dump_refuses_a_proc_of_another_pid_namespace 1 unshare -pf "$C" dump $busy
			said dump_says_that_proc_is_another 'of another PID namespace'
		else
			not_ok dump_reaches_into_a_pid_namespace "no store of pid 1 came"
		fi
	else
		echo "skip dump_reaches_into_a_pid_namespace: no new namespaces here"
	fi
else
	echo "skip dump_refuses_another_users_process: not root"
fi
finish
