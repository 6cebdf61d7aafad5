#!/bin/bash
# SPDX-License-Identifier: MIT
# The command: help, exit codes, what `run` hands to the program, `top` against go tool pprof, `recover`.
. tests/support/lib.sh
C=$B/cprof
export TZ=Europe/Berlin
unset CPROF_OUTPUT_DIR CPROF_STORE_DIR LD_PRELOAD

# expect NAME CODE COMMAND...: the exit code, and no more than one line on stderr. Leaves $scratch/out and err.
expect() {
	local name=$1 want=$2 code lines
	shift 2
	"$@" > "$scratch/out" 2> "$scratch/err" < /dev/null
	code=$?
	lines=$(wc -l < "$scratch/err")
	if [ $code != "$want" ]; then
		not_ok "$name" "exit code $code, expected $want; stderr: $(head -1 "$scratch/err")"
	elif [ "$lines" -gt 1 ] || { [ "$want" != 0 ] && [ "$lines" = 0 ]; }; then
		not_ok "$name" "$lines lines on stderr: $(head -2 "$scratch/err")"
	else
		ok "$name"
	fi
}
said() { claim "$1" "stderr: $(cat "$scratch/err")" grep -q -- "$2" "$scratch/err"; }

# ---- help and exit codes ----
expect cli_help_exits_0 0 "$C" --help
claim cli_help_fits_a_screen "$(wc -l < "$scratch/out") lines" test "$(wc -l < "$scratch/out")" -le 24
claim cli_help_is_80_columns_wide_at_most_100 "a line is longer" awk 'length > 100 { exit 1 }' "$scratch/out"
for sub in run top tree flame leaks recover config options; do
	claim cli_help_lists_$sub "not in --help" grep -q "^  $sub " "$scratch/out"
done
for sub in run top tree flame leaks recover config options; do
	expect cli_${sub}_help_exits_0 0 "$C" $sub --help
	claim cli_${sub}_help_begins_with_usage "$(head -1 "$scratch/out")" grep -q "^usage: cprof $sub" "$scratch/out"
done
expect cli_version_exits_0 0 "$C" --version
expect cli_without_command_is_usage 2 "$C"
expect cli_unknown_command_is_usage 2 "$C" tpo
expect cli_top_unknown_option_is_usage 2 "$C" top --frobnicate x
expect cli_top_without_file_is_usage 2 "$C" top
expect cli_top_n_wants_a_number 2 "$C" top -n many x
expect cli_top_option_without_value_is_usage 2 "$C" top --sample
expect cli_top_sort_wants_an_order 2 "$C" top --sort=size x
expect cli_top_color_wants_a_word 2 "$C" top --color=yes x
expect cli_top_bad_pattern_is_usage 2 "$C" top --focus='a(b' x
said cli_top_says_which_pattern_and_why "^cprof top: --focus a(b: Unmatched"
expect cli_recover_without_store_is_usage 2 "$C" recover
expect cli_options_unknown_option_is_usage 2 "$C" options --html

# ---- options ----
"$C" options --markdown > "$scratch/options.md"
claim options_page_is_the_generated_one "run: cprof options --markdown > docs/options.md" cmp -s docs/options.md "$scratch/options.md"

expect cli_to_a_full_device_fails_in_one_line 1 sh -c "'$C' options > /dev/full"

# ---- run ----
expect run_hands_over_the_library 0 "$C" run -- sh -c 'echo "$LD_PRELOAD"'
claim run_library_is_first "LD_PRELOAD=$(cat "$scratch/out")" test "$(cat "$scratch/out")" = "$LIB"
LD_PRELOAD=libm.so.6 "$C" run -- sh -c 'echo "$LD_PRELOAD"' > "$scratch/out" 2> "$scratch/err"
claim run_keeps_other_preloads_behind "LD_PRELOAD=$(cat "$scratch/out")" test "$(cat "$scratch/out")" = "$LIB:libm.so.6"
"$C" run -- "$C" run -- sh -c 'echo "$LD_PRELOAD"' > "$scratch/out"
claim run_in_run_preloads_once "LD_PRELOAD=$(cat "$scratch/out")" test "$(cat "$scratch/out")" = "$LIB"
expect run_options_become_variables 0 "$C" run --dir "$scratch" --hz=50 --signal RTMIN+3 --thread-id \
	--set store.max_bytes=2M --set cpu.enabled=no env
for v in CPROF_OUTPUT_DIR="$scratch" CPROF_CPU_HZ=50 CPROF_OUTPUT_SIGNAL=RTMIN+3 CPROF_CPU_THREAD_ID=yes \
	CPROF_STORE_MAX_BYTES=2M CPROF_CPU_ENABLED=no; do
	claim "run_sets_${v%%=*}" "$(grep "^${v%%=*}" "$scratch/out")" grep -qxF "$v" "$scratch/out"
done
(cd "$scratch" && "$C" run --dir profiles env) > "$scratch/out"
claim run_makes_a_relative_dir_absolute "$(grep DIR "$scratch/out")" grep -qxF "CPROF_OUTPUT_DIR=$scratch/profiles" "$scratch/out"
claim run_makes_the_directory "$(stat -c %a "$scratch/profiles" 2>&1)" test "$(stat -c %a "$scratch/profiles")" = 700
expect run_runs_without_the_directory 0 "$C" run --dir /proc/nowhere true
said run_says_why_there_is_no_directory "/proc/nowhere: No such file"
expect run_refuses_a_bad_rate 2 "$C" run --hz 5000 -- true
said run_says_the_bounds 'from 1 to 1000'
expect run_refuses_a_bad_signal 2 "$C" run --signal PROF true
said run_says_why_not_that_signal "sampling signal"
expect run_refuses_an_unknown_option_of_the_library 2 "$C" run --set cpu.hertz=5 true
said run_suggests_the_nearest 'did you mean cpu.hz'
expect run_refuses_set_without_value 2 "$C" run --set cpu.hz true
expect run_without_program_is_usage 2 "$C" run --hz 50
expect run_unknown_option_is_usage 2 "$C" run --frob true
expect run_exit_code_is_the_programs 77 sh -c "'$C' run -- sh -c 'exit 77' || { e=\$?; echo x >&2; exit \$e; }"
expect run_of_nothing_is_127 127 "$C" run -- no-such-program
expect run_of_no_program_is_126 126 "$C" run -- "$scratch"
printf 'int main(void) { return 0; }\n' > "$scratch/t.c"
if gcc -static -o "$scratch/static" "$scratch/t.c" 2> /dev/null; then
	expect run_of_a_static_program_runs 0 "$C" run -- "$scratch/static"
	said run_warns_of_a_static_program 'linked statically'
fi
gcc -o "$scratch/dynamic" "$scratch/t.c"
expect run_of_a_dynamic_program_is_silent 0 "$C" run -- "$scratch/dynamic"
claim run_says_nothing_without_need "$(cat "$scratch/err")" test ! -s "$scratch/err"
if [ "$(id -u)" = 0 ]; then
	cp "$scratch/dynamic" "$scratch/suid" && chown 65534 "$scratch/suid" && chmod u+s "$scratch/suid"
	expect run_of_a_setuid_program_runs 0 "$C" run -- "$scratch/suid"
	said run_warns_of_a_setuid_program 'setuid'
else
	echo "skip run_warns_of_a_setuid_program: not root"
fi
printf '#!%s\n' "$scratch/static" > "$scratch/script" && chmod +x "$scratch/script"
[ -x "$scratch/static" ] && expect run_judges_the_interpreter_of_a_script 0 "$C" run -- "$scratch/script" &&
	said run_warns_of_a_static_interpreter 'linked statically'
mkdir -p "$scratch/bin" && cp "$C" "$scratch/bin/"
expect run_without_library_fails 1 "$scratch/bin/cprof" run -- true
mkdir -p "$scratch/lib" && cp "$LIB" "$scratch/lib/"
expect run_finds_the_installed_library 0 "$scratch/bin/cprof" run -- sh -c 'echo "$LD_PRELOAD"'
claim run_library_is_in_lib "$(cat "$scratch/out")" test "$(cat "$scratch/out")" = "$scratch/lib/libcprof.so"

# ---- top on garbage ----
head -c 3000 /dev/urandom > "$scratch/noise"
: > "$scratch/empty"
expect top_of_noise_fails_in_one_line 1 "$C" top "$scratch/noise"
expect top_of_an_empty_file_fails 1 "$C" top "$scratch/empty"
expect top_of_a_missing_file_fails 1 "$C" top "$scratch/missing"
mkdir "$scratch/dir"
expect top_of_an_empty_directory_fails 1 "$C" top "$scratch/dir"
said top_says_that_the_directory_has_none 'without a profile in it'
for n in 3 1 2; do : > "$scratch/dir/p.$n.pb.gz" && touch -d "2020-01-0$n" "$scratch/dir/p.$n.pb.gz"; done
: > "$scratch/dir/.q.pb.gz.tmp"
expect top_of_a_directory_fails 1 "$C" top "$scratch/dir"
said top_of_a_directory_names_its_newest "its newest profile is $scratch/dir/p.3.pb.gz$"
expect cli_top_without_file_is_usage_with_a_hint 2 env CPROF_OUTPUT_DIR="$scratch/dir" "$C" top
said cli_top_without_file_names_the_newest "newest profile is $scratch/dir/p.3.pb.gz;"
head -c 600000000 /dev/zero | gzip -1 > "$scratch/bomb.gz"
expect top_of_a_bomb_fails 1 "$C" top "$scratch/bomb.gz"
said top_says_that_it_is_too_large 'larger than'

# ---- top against go tool pprof ----
# same NAME PPROF-ARGS TOP-ARGS: both print the same lines. Counted, and told when they differ.
compared=0 differ=0
same() {
	go tool pprof $2 > "$scratch/want" 2> /dev/null || return
	"$C" top $3 > "$scratch/got" 2> "$scratch/err"
	compared=$((compared + 1))
	if ! cmp -s "$scratch/want" "$scratch/got"; then
		differ=$((differ + 1))
		diff "$scratch/want" "$scratch/got" | head -5 | sed "s/^/# $1: /"
	fi
}
# agrees NAME LEAST: no difference in at least so many comparisons since the last call.
agrees() {
	claim "$1 ($compared comparisons)" "$differ of $compared differ" test "$differ" = 0 -a "$compared" -ge "$2"
	compared=0 differ=0
}
if command -v go > /dev/null; then
	export HOME=${HOME:-$scratch} GOFLAGS=-mod=mod GOCACHE=${GOCACHE:-$scratch/gocache}
	cat > "$scratch/gen.go" <<-'GO'
		package main

		import (
			"encoding/json"
			"os"
			"runtime"
			"runtime/pprof"
			"sort"
			"strings"
			"sync"
			"time"
		)

		var keep [][]string

		func fib(n int) int {
			if n < 2 {
				return n
			}
			return fib(n-1) + fib(n-2)
		}
		func main() {
			dir := os.Args[1] + "/"
			runtime.SetMutexProfileFraction(1)
			runtime.SetBlockProfileRate(1)
			runtime.MemProfileRate = 4096
			f, _ := os.Create(dir + "go.cpu")
			pprof.StartCPUProfile(f)
			var mu sync.Mutex
			for i := 0; i < 2; i++ {
				go func() {
					for {
						mu.Lock()
						time.Sleep(50 * time.Microsecond)
						mu.Unlock()
					}
				}()
			}
			for end := time.Now().Add(time.Second); time.Now().Before(end); {
				fib(22)
				var s []string
				for i := 0; i < 2000; i++ {
					s = append(s, strings.Repeat(string(rune('a'+i*7919%26)), i%50))
				}
				sort.Strings(s)
				b, _ := json.Marshal(s)
				json.Unmarshal(b, &s)
				keep = append(keep, s[:20])
			}
			pprof.StopCPUProfile()
			f.Close()
			for _, n := range []string{"heap", "allocs", "mutex", "block", "goroutine", "threadcreate"} {
				g, _ := os.Create(dir + "go." + n)
				pprof.Lookup(n).WriteTo(g, 0)
				g.Close()
			}
		}
	GO
	if (cd "$scratch" && go run gen.go "$scratch") 2> "$scratch/err"; then
		for kind in cpu heap allocs mutex block goroutine threadcreate; do
			f=$scratch/go.$kind
			same $kind "-top $f" "$f"
			same $kind "-top -cum $f" "--cum $f"
			same $kind "-top -nodecount=7 $f" "-n 7 $f"
			same $kind "-top -trim=false $f" "--all $f"
			same $kind "-top -focus=json $f" "--focus=json $f"
			same $kind "-top -ignore=^runtime[.] -cum $f" "--ignore=^runtime[.] --sort=cum $f"
			same $kind "-top -focus=main|sync -ignore=(enc|dec)ode[.]go -nodecount=6 $f" "-n 6 --ignore=(enc|dec)ode[.]go --focus main|sync $f"
			same $kind "-top -hide=^runtime -show=main|json|sort $f" "--hide ^runtime --show main|json|sort $f"
			agrees top_of_go_${kind}_is_that_of_pprof 8
		done
		for type in alloc_objects alloc_space inuse_objects inuse_space 0; do
			same $type "-top -sample_index=$type $scratch/go.heap" "--sample=$type $scratch/go.heap"
		done
		same sum "-top $scratch/go.cpu $scratch/go.cpu" "$scratch/go.cpu $scratch/go.cpu"
		same sum "-top $scratch/go.mutex $scratch/go.block" "$scratch/go.mutex $scratch/go.block"
		agrees top_of_other_columns_and_sums_is_that_of_pprof 7
	else
		not_ok top_of_go_is_that_of_pprof "$(head -1 "$scratch/err")"
	fi
	mkdir -p "$scratch/synthetic"
	python3 tests/behaviour/cli_profiles.py "$scratch/synthetic" 0 "${CLI_PROFILES:-40}"
	for f in "$scratch"/synthetic/s*.pb; do
		same "$(basename "$f")" "-top $f" "$f"
		same "$(basename "$f")" "-top -cum -nodecount=4 $f" "-n 4 --cum $f"
	done
	agrees top_of_synthetic_profiles_is_that_of_pprof 60
	for f in "$scratch"/synthetic/s{1,2,3,4,5,6,7,8,9,10,11,12,13,14}.pb; do
		same "$(basename "$f")" "-top -focus=^f|b.c$ $f" "--focus=^f|b.c$ $f"
		same "$(basename "$f")" "-top -ignore=lib.so -focus=.. -show=a|e $f" "--ignore=lib.so --focus=.. --show=a|e $f"
		same "$(basename "$f")" "-top -hide=[ag] -trim=false -cum $f" "--hide=[ag] --all --cum $f"
		same "$(basename "$f")" "-top -ignore=prog|c -focus=no.such $f" "--ignore=prog|c --focus=no.such $f"
	done
	agrees top_of_filtered_synthetic_profiles_is_that_of_pprof 40
	python3 tests/behaviour/cli_profiles.py "$scratch/synthetic" 1000 1030 same
	for i in $(seq 1000 1028); do
		set -- "$scratch/synthetic/s$i.pb" "$scratch/synthetic/s$((i + 1)).pb" "$scratch/synthetic/s$((i + 2)).pb"
		same "sum of s$i to s$((i + 2))" "-top $*" "$*"
	done
	agrees top_of_sums_is_that_of_pprof 20
	for i in $(seq 1000 1014); do
		same "difference of s$i and s$((i + 1))" "-top -diff_base=$scratch/synthetic/s$((i + 1)).pb $scratch/synthetic/s$i.pb" \
			"--diff-base $scratch/synthetic/s$((i + 1)).pb $scratch/synthetic/s$i.pb"
	done
	agrees top_of_differences_is_that_of_pprof 10
	expect top_of_files_that_do_not_add_up_fails 1 "$C" top "$scratch/go.cpu" "$scratch/go.heap"
	said top_says_which_types_do_not_add_up 'look at them one by one'
	expect top_of_an_unknown_column_fails 1 "$C" top --sample=wall "$scratch/go.cpu"
	said top_says_which_columns_there_are 'samples, cpu'
else
	echo "skip top_is_that_of_pprof: no go"
fi

# ---- recover ----
expect recover_of_noise_fails_in_one_line 1 "$C" recover "$scratch/noise"
expect recover_of_an_empty_file_fails 1 "$C" recover "$scratch/empty"
expect recover_of_a_missing_file_fails 1 "$C" recover "$scratch/missing"
expect recover_of_a_directory_fails 1 "$C" recover "$scratch"
expect recover_of_an_unknown_process_fails 1 "$C" recover 4194305
said recover_says_where_it_looked '/dev/shm/cprof-'
{ printf 'CPROFST\0'; head -c 100000 /dev/urandom; } > "$scratch/fake"
expect recover_of_a_fake_store_fails 1 "$C" recover "$scratch/fake"
claim recover_leaves_what_is_no_store "removed" test -f "$scratch/fake"
ln -sf "$scratch/noise" "$scratch/link"
expect recover_follows_no_link 1 "$C" recover "$scratch/link"

# A process that is killed, at once and while it is looked at.
printf 'volatile long x; void __attribute__((noinline)) hot(void) { for (long i = 0; i < 100000; i++) x += i; }\nint main(void) { for (;;) hot(); }\n' > "$scratch/busy.c"
gcc -O1 -o "$scratch/busy" "$scratch/busy.c"
fresh recover
"$C" run -- "$scratch/busy" 2> "$scratch/busy.err" &
pid=$!
if wait_for 5 sh -c "ls '$CPROF_STORE_DIR' | grep -q '^$pid[.]'"; then
	sleep 1
	store=$(ls "$CPROF_STORE_DIR"/$pid.*.store)
	expect recover_refuses_a_living_process 1 "$C" recover $pid
	said recover_points_to_live -- '--live'
	expect recover_live_takes_a_snapshot 0 "$C" recover --live $pid
	snapshot=$(cat "$scratch/out")
	claim recover_live_leaves_the_store "removed" test -f "$store"
	claim recover_live_does_not_take_the_name_of_a_dump "$snapshot" sh -c "case '$snapshot' in *.live.*) ;; *) exit 1 ;; esac"
	kill -9 $pid
	wait $pid 2> /dev/null
	cp "$store" "$scratch/copy.store"
	expect recover_keep_writes_and_keeps 0 "$C" recover --keep $pid
	claim recover_keep_keeps "removed" test -f "$store"
	xargs rm -f < "$scratch/out"
	expect recover_by_pid_writes 0 "$C" recover $pid
	profile=$(grep '\.cpu\.' "$scratch/out")
	claim recover_prints_the_name "$profile" test -f "$profile"
	claim recover_uses_the_configured_directory "$profile" test "$(dirname "$profile")" = "$out"
	claim recover_removes_the_orphan "$store is still there" test ! -e "$store"
	"$C" top "$profile" > "$scratch/got"
	claim recover_knows_the_hot_function "$(tail -3 "$scratch/got")" grep -q ' hot$' "$scratch/got"
	claim recover_says_so_in_the_profile "$(head -8 "$scratch/got")" grep -q '^cprof: recovered' "$scratch/got"
	mkdir -m 700 "$scratch/elsewhere"
	expect recover_of_a_file_to_another_directory 0 "$C" recover --dir "$scratch/elsewhere" "$scratch/copy.store"
	claim recover_writes_to_the_given_directory "$(ls "$scratch/elsewhere")" sh -c "ls '$scratch'/elsewhere/*.pb.gz > /dev/null"
	# Damaged stores: a message or a profile, never a crash.
	crashed=0
	"$C" run -- "$scratch/busy" 2> /dev/null &
	pid=$!
	wait_for 5 sh -c "ls '$CPROF_STORE_DIR' | grep -q '^$pid[.]'"
	sleep 0.5
	kill -9 $pid
	wait $pid 2> /dev/null
	store=$(ls "$CPROF_STORE_DIR"/$pid.*.store)
	for seed in $(seq 1 "${CLI_DAMAGED:-60}"); do
		python3 - "$store" "$scratch/damaged" $seed <<-'PY'
			import random, sys
			r = random.Random(int(sys.argv[3]))
			data = bytearray(open(sys.argv[1], "rb").read(3 << 20))
			filled = [i for i in range(0, len(data), 64) if any(data[i:i + 64])]
			for _ in range(r.randint(1, 200)):
			    data[r.choice(filled) + r.randint(0, 63)] = r.choice([0, 1, 0x7f, 0xff, r.randint(0, 255)])
			data[:16] = open(sys.argv[1], "rb").read(16)
			open(sys.argv[2], "wb").write(data[:r.choice([len(data), r.randint(0, len(data))])])
		PY
		timeout 20 "$C" recover --dir "$scratch/elsewhere" "$scratch/damaged" > "$scratch/out" 2> "$scratch/err"
		code=$?
		if [ $code -gt 1 ]; then
			crashed=$((crashed + 1))
			echo "# seed $seed: exit code $code: $(head -1 "$scratch/err")"
		fi
	done
	claim recover_survives_damaged_stores "$crashed crashes or time-outs" test $crashed = 0
else
	not_ok recover_refuses_a_living_process "no store appeared: $(cat "$scratch/busy.err")"
	kill -9 $pid
fi
finish
