#!/bin/bash
# SPDX-License-Identifier: MIT
# What readers demand of our files: profiles of programs whose answer is known, read by `go tool pprof`, held
# against objdump and readelf, and by our strict decoder (tests/support/rawprof).  The numbers name the
# checks in the messages of that decoder and here; some have several parts.
. tests/support/lib.sh
export HOME=$scratch/home PPROF_TMPDIR=$scratch/pprof
mkdir -p "$HOME" "$PPROF_TMPDIR"
P() { go tool pprof "$@" 2>&1; }
programs=$B/programs
RAW=$B/rawprof
[ -x "$RAW" ] && [ -x "$B/contention" ] || make -s B="$B" "$RAW" "$B/contention" > /dev/null || exit 1

# ---- record: all victims at once; their profiles are in CPU time, so that sharing cores does no harm ----
# record NAME PROGRAM ARGS...: the file is then $scratch/NAME.pb.gz.
record() {
	local name=$1 dir=$scratch/out.$1
	shift
	mkdir -p -m 700 "$dir" "$scratch/store"
	CPROF_OUTPUT_DIR=$dir CPROF_STORE_DIR=$scratch/store LD_PRELOAD=$LIB "$@" > "$scratch/$name.log" 2>&1
	mv "$dir"/*.heap.1.pb.gz "$scratch/heap_$name.pb.gz" && mv "$dir"/*.allocs.1.pb.gz "$scratch/allocs_$name.pb.gz" &&
		mv "$dir"/*.cpu.1.pb.gz "$scratch/$name.pb.gz" 2> /dev/null || echo "not ok record $name: no profile: $(head -1 "$scratch/$name.log")"
}
gcc -O2 -fPIC -shared -o "$scratch/plugin.so" tests/conformance/plugin.c || exit 1
cp "$programs/conf_unload" "$scratch/unload"
cp "$programs/conf_hot" "$scratch/replaced"
cp "$programs/conf_remapped" "$scratch/copied"
strip -o "$scratch/stripped" "$programs/conf_hot"
gcc -O2 -no-pie -D_GNU_SOURCE -o "$scratch/fixed" tests/programs/conf_hot.c || exit 1
# Stubs as linkers lay them out: bound lazily, at once, for indirect branch tracking, by another linker.
stubs=(lazy now ibt fixed)
gcc -O2 -fPIC -shared -DLIBRARY -o "$scratch/libtiny.so" tests/conformance/plt.c || exit 1
gcc -O2 -Wl,-z,lazy -o "$scratch/plt_lazy" tests/conformance/plt.c "$scratch/libtiny.so" || exit 1
gcc -O2 -DADDRESS -Wl,-z,now -o "$scratch/plt_now" tests/conformance/plt.c "$scratch/libtiny.so" || exit 1
gcc -O2 -fcf-protection -Wl,-z,lazy,-z,ibtplt -o "$scratch/plt_ibt" tests/conformance/plt.c "$scratch/libtiny.so" || exit 1
gcc -O2 -no-pie -o "$scratch/plt_fixed" tests/conformance/plt.c "$scratch/libtiny.so" || exit 1
if command -v ld.lld > /dev/null; then
	gcc -O2 -fuse-ld=lld -o "$scratch/plt_lld" tests/conformance/plt.c "$scratch/libtiny.so" && stubs+=(lld)
fi
# A library whose program headers are where BOLT leaves them.
mkdir "$scratch/moved" && python3 tests/conformance/move_headers.py "$scratch/libtiny.so" "$scratch/moved/libtiny.so" &&
	gcc -O2 -o "$scratch/moved_to" tests/conformance/plt.c "$scratch/moved/libtiny.so" || exit 1
# The same in no segment, so that where they would be is a gap in memory.
mkdir "$scratch/gap" && gcc -O2 -fPIC -shared -DLIBRARY -Wl,-z,max-page-size=0x200000,-z,noseparate-code -o "$scratch/gap/plain.so" tests/conformance/plt.c &&
	python3 tests/conformance/move_headers.py "$scratch/gap/plain.so" "$scratch/gap/libtiny.so" bare &&
	gcc -O2 -o "$scratch/gap_to" tests/conformance/plt.c "$scratch/gap/libtiny.so" || exit 1
# Symbols apart: beside the program with a link, and packed inside of it.
objcopy --only-keep-debug "$programs/conf_hot" "$scratch/linked.debug" &&
	strip -o "$scratch/linked" "$programs/conf_hot" &&
	(cd "$scratch" && objcopy --add-gnu-debuglink=linked.debug linked) &&
	objcopy --strip-debug --only-keep-debug "$programs/conf_hot" "$scratch/mini" && xz "$scratch/mini" &&
	objcopy --add-section ".gnu_debugdata=$scratch/mini.xz" "$scratch/stripped" "$scratch/packed" || exit 1
cat > "$scratch/jit.js" << 'JS'
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
function work() { let t = 0; while (process.cpuUsage().user < 700000) t += fib(20); return t; }
console.log(work() > 0, process.pid);
JS
(
	record hot "$programs/conf_hot" 3000 "$scratch/maps" &
	record again "$programs/conf_hot" 1000 &
	CPROF_CPU_THREAD_ID=yes record threads "$programs/conf_threads" &
	record cxx "$programs/conf_cxx" &
	record noreturn "$programs/conf_noreturn" &
	record vdso "$programs/conf_vdso" &
	record unload "$scratch/unload" "$scratch/plugin.so" &
	record stripped "$scratch/stripped" 600 &
	record fixed "$scratch/fixed" 600 &
	record replaced "$scratch/replaced" 1000 &
	for s in "${stubs[@]}"; do record "plt_$s" "$scratch/plt_$s" & done
	record moved "$scratch/moved_to" &
	record gap "$scratch/gap_to" &
	record linked "$scratch/linked" 600 &
	record packed "$scratch/packed" 600 &
	record trampoline "$programs/conf_trampoline" &
	record remapped "$programs/conf_remapped" &
	record remapped_away "$programs/conf_remapped" /proc/self/exe unmap &
	record remapped_other "$programs/conf_remapped" "$scratch/copied" &
	command -v node > /dev/null && record jit node --perf-basic-prof --interpreted-frames-native-stack \
		--no-logfile-per-isolate --logfile="$scratch/v8.log" "$scratch/jit.js" &
	CPROF_CPU_HZ=1000 CPROF_CPU_THREAD_ID=yes record stacks "$programs/conf_stacks" &
	sleep 0.5 # the program is running by now; another one takes its name
	cp "$programs/conf_cxx" "$scratch/other"
	mv "$scratch/other" "$scratch/replaced"
	wait
) > "$scratch/record.log"
cat "$scratch/record.log"
grep -q '^not ok' "$scratch/record.log" && exit 1
# Waits whose stacks and delays are known (tests/conformance/contention.c): nothing, one round, three.
for n in 0 1 3; do
	mkdir -m 700 "$scratch/contention.$n" && "$B/contention" "$scratch/contention.$n" $n || exit 1
	for f in block mutex wall; do mv "$scratch/contention.$n"/*.$f.1.pb.gz "$scratch/${f}_$n.pb.gz" || exit 1; done
done
cd "$scratch" || exit 1
all=(*.pb.gz)

# ---- file level ----
for n in 01 02 07 08 12 18 19 21 25; do # the numbers that rawprof --check knows
	found=$("$RAW" --check "${all[@]}" | grep "check-$n" | head -1)
	claim "check-$n rawprof_finds_no_violation_in_${#all[@]}_files" "$found" test -z "$found"
done
trailer() { # the length that gzip's trailer claims is that of the content
	local f
	for f in "${all[@]}"; do
		gzip -t "$f" || return 1
		test "$(tail -c 4 "$f" | od -An -tu4 | tr -d ' ')" = "$(zcat "$f" | wc -c)" || return 1
	done
	! "$RAW" --check "${all[@]}" | grep -q check-03
}
claim "check-03 one_gzip_member_with_its_length" "gzip -t, ISIZE or member count" trailer
# A process that has used no CPU time to speak of: its dump is a valid profile without samples.  The first sample comes at
# random within a period, here of a second, of which the start takes a few ms: so three tries.
empty() {
	local pid
	rm -rf "$scratch/out.empty"
	mkdir -m 700 "$scratch/out.empty"
	CPROF_CPU_HZ=1 CPROF_OUTPUT_DIR=$scratch/out.empty CPROF_STORE_DIR=$scratch/store LD_PRELOAD=$LIB sleep 60 &
	pid=$!
	wait_for 5 grep -q libcprof "/proc/$pid/maps"
	wait_for 5 grep -q 'S (sleeping)' "/proc/$pid/status"
	kill -USR2 "$pid"
	wait_for 10 test -e "$scratch/out.empty/sleep.$pid.cpu.1.pb.gz"
	kill "$pid"
	wait "$pid"
	for f in cpu heap allocs block mutex wall; do
		mv "$scratch/out.empty/sleep.$pid.$f.1.pb.gz" "$scratch/empty_$f.pb" && P -top empty_$f.pb > empty.txt && grep -q '0 total' empty.txt || return 1
		! grep -Eiq 'unrecognized|parsing|error' empty.txt || return 1
	done
}
read_empty() {
	empty || empty || empty || return 1
	"$RAW" --check empty_*.pb > empty.txt
}
claim "check-06 a_profile_without_samples_is_read" "$(head -3 empty.txt 2> /dev/null | tr '\n' ' ')" read_empty
P -raw hot.pb.gz > raw.txt
four() {
	grep -q '^PeriodType: cpu nanoseconds$' raw.txt && grep -q '^Period: 10000000$' raw.txt &&
		grep -q '^samples/count cpu/nanoseconds$' raw.txt && grep -q '^Time: 20' raw.txt &&
		grep -q '^Duration: [1-9]' raw.txt
}
claim "check-04 pprof_raw_shows_types_period_time_and_duration" "$(head -8 raw.txt | tr '\n' ' ')" four
claim "check-08 many_stacks_stay_within_readers_limits" "fewer than 500 samples: not a stress" \
	test "$("$RAW" stacks.pb.gz | sed -n 's/^bytes .* samples \([0-9]*\) .*/\1/p')" -gt 500
for f in hot threads cxx stacks vdso; do
	P -proto -output="$f.again.gz" "$f.pb.gz" > /dev/null
	claim "check-09 pprof_round_trip_of_$f" "samples differ" \
		cmp -s <("$RAW" --sums "$f.pb.gz" | sort) <("$RAW" --sums "$f.again.gz" | sort)
done

# ---- the heap: a program that keeps N objects of 1000 bytes and drops as many; every allocation is seen ----
cat > keeper.c << 'C'
#include <stdlib.h>
static void *kept[10000];
__attribute__((noinline)) static void keep(int i) { kept[i] = malloc(1000); }
__attribute__((noinline)) static void drop(void) { void *p = malloc(1000); __asm__ volatile("" : "+r"(p)); free(p); }
int main(int argc, char **argv)
{
	for (int i = 0; i < atoi(argv[argc - 1]); i++) { keep(i); drop(); }
	return kept[0] == NULL;
}
C
gcc -O2 -g -fno-builtin -o keeper keeper.c || exit 1
export CPROF_HEAP_SAMPLE_BYTES=1
record less ./keeper 1000
record more ./keeper 1500
unset CPROF_HEAP_SAMPLE_BYTES
five() { # KIND DEFAULT
	P -raw "$1_less.pb.gz" > raw.txt
	grep -q '^PeriodType: space bytes$' raw.txt && grep -q '^Period: 1$' raw.txt && ! grep -q '^Duration' raw.txt &&
		grep -q "^alloc_objects/count alloc_space/bytes$2 inuse_objects/count inuse_space/bytes$" raw.txt
}
claim "check-05 heap_has_gos_columns" "$(head -8 raw.txt | tr '\n' ' ')" five heap ''
claim "check-05 allocs_has_gos_columns_and_default" "$(head -8 raw.txt | tr '\n' ' ')" five allocs '\[dflt\]'
of() { P -top -unit=B "$@" 2> /dev/null | awk '/ (keep|drop)$/ { print $NF, $4 }' | sort | tr '\n' ' '; }
is() { claim "$1" "'$2' and not '$3'" test "$2" = "$3"; }
is "check-05 heap_shows_what_is_kept" "$(of -sample_index=inuse_space heap_less.pb.gz)" "keep 1000000B "
is "check-05 default_of_heap_is_inuse_space" "$(of heap_less.pb.gz)" "keep 1000000B "
is "check-05 default_of_allocs_is_alloc_space" "$(of allocs_less.pb.gz)" "drop 1000000B keep 1000000B "
is "check-24 diff_base_between_runs_is_exact" "$(of -diff_base=heap_less.pb.gz heap_more.pb.gz)" "keep 500000B "

# ---- waits ----
contention() { # KIND: Go's columns, since the start
	P -raw "$1_1.pb.gz" > raw.txt
	grep -q '^PeriodType: contentions count$' raw.txt && grep -q '^Period: 1$' raw.txt && ! grep -q '^Duration' raw.txt &&
		grep -q '^Time: 20' raw.txt && grep -q '^contentions/count delay/nanoseconds$' raw.txt
}
claim "check-05 block_has_gos_columns" "$(head -8 raw.txt | tr '\n' ' ')" contention block
claim "check-05 mutex_has_gos_columns" "$(head -8 raw.txt | tr '\n' ' ')" contention mutex
wall() {
	P -raw wall_1.pb.gz > raw.txt
	grep -q '^PeriodType: wall nanoseconds$' raw.txt && grep -q '^Period: 10000000$' raw.txt && grep -q '^Duration: 2' raw.txt &&
		grep -q '^samples/count wall/nanoseconds$' raw.txt
}
claim "check-05 wall_has_its_columns_period_and_duration" "$(head -8 raw.txt | tr '\n' ' ')" wall
waits() { P -top -nodefraction=0 -unit=ms "$@" 2> /dev/null | awk '/ (wait_for_[a-z]*|hold_lock|work)$/ { print $NF, $1 }' | sort | tr '\n' ' '; }
is "check-05 default_of_block_is_delay" "$(waits block_1.pb.gz)" "wait_for_disk 5ms wait_for_lock 30ms "
is "check-05 contentions_are_counted" "$(waits -unit=minimum -sample_index=contentions block_1.pb.gz)" "wait_for_disk 10 wait_for_lock 3 "
is "check-05 default_of_mutex_is_delay" "$(waits mutex_1.pb.gz)" "hold_lock 20ms "
is "check-05 wall_is_cpu_and_waits_without_the_cpu_in_them" "$(waits wall_1.pb.gz)" \
	"wait_for_disk 5ms wait_for_lock 30ms wait_for_work 500ms work 1000ms "
is "check-24 diff_base_of_waits_is_exact" "$(waits -diff_base=block_1.pb.gz block_3.pb.gz)" "wait_for_disk 10ms wait_for_lock 60ms "
is "check-24 diff_base_of_a_profile_without_waits_is_all" "$(waits -diff_base=mutex_0.pb.gz mutex_3.pb.gz)" "hold_lock 60ms "
is "check-22 windows_of_wall_add_up" "$(waits wall_1.pb.gz wall_3.pb.gz)" "wait_for_disk 20ms wait_for_lock 120ms wait_for_work 2000ms work 4000ms "
is "check-25 class_selects" "$(waits -tagfocus='class=^(io|poll)$' wall_1.pb.gz)" "wait_for_disk 5ms wait_for_work 500ms "
claim "check-25 class_is_a_string_label_of_waits" "$(P -tags wall_1.pb.gz | tr '\n' ' ')" \
	test "$(P -tags wall_1.pb.gz | awk '/ class: / { on = 1; next } on && NF >= 3 { print $NF }' | sort | tr '\n' ' ')" = "io mutex poll "
own() { "$B/cprof" top --all "$@" 2> /dev/null | awk '/ (wait_for_[a-z]*|hold_lock|work)$/ { print $NF, $1 }' | sort | tr '\n' ' '; }
is "check-25 class_selects_in_cprof_too" "$(own --class '^(io|poll)$' wall_1.pb.gz)" "wait_for_disk 5ms wait_for_work 500ms "
is "check-25 no_class_is_what_was_running" "$(own --class '^$' wall_1.pb.gz)" "work 1s "
is "check-25 cprof_counts_contentions" "$(own --sample contentions --class mutex block_1.pb.gz)" "wait_for_lock 3 "

# ---- symbols and addresses ----
P -top hot.pb.gz > top.txt
ten() { grep -q '^File: conf_hot$' top.txt && awk '/flat%/ { getline; exit !($NF == "hot" && $2 + 0 > 90) }' top.txt; }
claim "check-10 hot_is_first_with_more_than_90_per_cent" "$(grep -A1 flat% top.txt | tail -1)" ten
P -traces hot.pb.gz > traces.txt
# What stands under a value is the stack, leaf first.
chain=$(awk '/^-+/ { if (s != "") print s; s = ""; next } /^ +[0-9.]+m?s / { s = $2; next } s != "" && NF == 1 { s = s ";" $1 } END { print s }' traces.txt | sort | uniq -c | sort -rn | awk '$2 ~ /^hot;/ { print $2; exit }')
eleven() {
	[[ $chain == "hot;outer;main;"*"_start" ]] && ! sed -n '/^---/,$p' traces.txt | grep -Eq '\[a\.out\]|<unknown>|cprof|sampler|uw_'
}
claim "check-11 traces_are_leaf_first_and_reach_start" "$chain" eleven
P -nodefraction=0 -edgefraction=0 -peek='^hot$' hot.pb.gz > peek.txt
thirteen() {
	awk '/\| +hot$/ && / \| / && $0 !~ /\| {3,}/ { seen = 1; next }
	     !seen && /\| +outer$/ { above = 1 }
	     seen && /\| +helper$/ { below = 1 }
	     END { exit !(seen && above && below) }' peek.txt
}
claim "check-13 peek_shows_caller_above_and_callee_below" "$(grep '|' peek.txt | tr '\n' '/')" thirteen

# calls FILE BINARY PATH: every caller's address is inside a call; see calls.py.
calls() {
	"$RAW" --locations "$1" > locations
	wrong=$(python3 "$ROOT/tests/conformance/calls.py" locations "$2" "$3")
}
libc=$("$RAW" --mappings hot.pb.gz | awk '/libc\.so/ { print $NF }')
fifteen() { # NAME FILE BINARY PATH
	if calls "$2" "$3" "$4"; then ok "check-15 callers_are_inside_calls_in_$1"; else not_ok "check-15 callers_are_inside_calls_in_$1" "$(head -3 <<< "$wrong" | tr '\n' ' ')"; fi
}
for f in hot cxx threads noreturn stacks; do fifteen "conf_$f" $f.pb.gz "$programs/conf_$f" "$programs/conf_$f"; done
fifteen a_fixed_position_program fixed.pb.gz fixed "$scratch/fixed"
fifteen libc threads.pb.gz "$libc" "$libc"
sixteen() { "$RAW" --sums noreturn.pb.gz | grep -q 'burn_and_exit;ends_with_a_call;main;' && ! "$RAW" --functions noreturn.pb.gz | grep -q must_not_appear; }
claim "check-16 last_call_of_a_function_is_its_own" "$("$RAW" --sums noreturn.pb.gz | head -1)" sixteen
seventeen() {
	"$RAW" --functions cxx.pb.gz | grep -q $'^shape::Circle<int>::area\t_ZN5shape6CircleIiE4areaEl' &&
		P -top -symbolize=none cxx.pb.gz | grep -q 'shape::Circle<int>::area$'
}
claim "check-17 cxx_name_is_readable_and_system_name_mangled" "$("$RAW" --functions cxx.pb.gz | head -1)" seventeen
for f in "${all[@]}"; do
	claim "check-17 local_symbolization_changes_nothing_in_${f%.pb.gz}" "-top differs" \
		cmp -s <(P -top "$f" | grep -v '^Local sym') <(P -top -symbolize=none "$f")
done
eighteen() {
	"$RAW" --sums stripped.pb.gz | grep -q '^\[stripped\];' &&
		"$RAW" --mappings stripped.pb.gz | awk '$6 != "F---" { bad = 1 } END { exit bad }' &&
		P -top stripped.pb.gz | grep -q '\[stripped\]$'
}
claim "check-18 stripped_code_is_named_after_its_module" "$("$RAW" --sums stripped.pb.gz | head -1)" eighteen
nineteen() {
	"$RAW" --sums unload.pb.gz | grep -q '^plugin_work;main;' && "$RAW" --sums unload.pb.gz | grep -q '^after_removal;main;' &&
		"$RAW" --mappings unload.pb.gz | awk -v exe="$scratch/unload" 'NR == 1 && $NF != exe { bad = 1 } END { exit bad }'
}
claim "check-19 closed_library_and_removed_program_keep_their_names" "$("$RAW" --sums unload.pb.gz | tr '\n' ' ')" nineteen
replaced() {
	"$RAW" --sums replaced.pb.gz | grep -q '^hot;outer;main;' && test "$("$RAW" --mappings replaced.pb.gz | awk 'NR == 1 { print $NF }')" = "$scratch/replaced"
}
claim "check-19 replaced_program_keeps_the_old_names" "$("$RAW" --sums replaced.pb.gz | head -1)" replaced
twenty() {
	"$RAW" --mappings vdso.pb.gz | grep -q ' \[vdso\]$' && ! "$RAW" --mappings vdso.pb.gz | grep -q vsyscall &&
		P -top vdso.pb.gz | grep -q '__vdso_clock_gettime$'
}
if grep -q '\[vdso\]' maps; then
	claim "check-20 vdso_is_named" "$(P -top vdso.pb.gz | sed -n 7,9p | tr '\n' ' ')" twenty
else
	echo "skip check-20 vdso_is_named: no vdso here"
fi
twentyone() {
	local id start limit offset build flags path
	read -r id start limit offset build flags path < <("$RAW" --mappings hot.pb.gz)
	test "$path" = "$(realpath "$programs/conf_hot")" &&
		test "$build" = "$(readelf -n "$programs/conf_hot" | sed -n 's/.*Build ID: //p')" &&
		grep -q "^$start-$limit r-xp $(printf %08x "0x$offset") .* $path\$" maps
}
claim "check-21 first_mapping_is_the_line_of_maps" "$("$RAW" --mappings hot.pb.gz | head -1)" twentyone

for s in "${stubs[@]}"; do
	claim "names plt_stub_laid_out_${s}_is_named" "$("$RAW" --sums "plt_$s.pb.gz" | head -3 | tr '\n' ' ')" \
		eval '"$RAW" --sums "plt_$s.pb.gz" | grep -q "^tiny@plt;main;"'
done
claim "names library_whose_program_headers_have_moved" "$("$RAW" --sums moved.pb.gz | head -3 | tr '\n' ' ')" \
	eval '"$RAW" --sums moved.pb.gz | grep -q "^tiny;main;"'
for how in linked packed; do
	claim "names symbols_${how}_to_a_stripped_program" "$("$RAW" --sums $how.pb.gz | head -1)" \
		eval '"$RAW" --sums $how.pb.gz | grep -q "^hot;outer;main;" && ! "$RAW" --functions $how.pb.gz | grep -q "^\[$how\]"'
done
jit() { "$RAW" --sums jit.pb.gz | grep -q 'JS:\*fib .*jit.js:1:13;.*JS:.work .*jit.js:2:14;.*JS:~ .*jit.js:1:1;.*node::Start.*;_start'; }
if [ -f jit.pb.gz ]; then
	claim "names compiled_and_interpreted_code_and_the_stack_below" "$("$RAW" --sums jit.pb.gz | head -1 | cut -c1-400)" jit
	rm -f "/tmp/perf-$(awk '{ print $2 }' jit.log).map"
else
	echo "skip names compiled_and_interpreted_code_and_the_stack_below: node is not installed"
fi
claim "names library_whose_program_headers_are_nowhere_is_survived" "$("$RAW" --sums gap.pb.gz | head -3 | tr '\n' ' ')" \
	eval '"$RAW" --sums gap.pb.gz | grep -q ";main;"'
claim "names code_that_python_makes_and_the_stack_below" "$("$RAW" --sums trampoline.pb.gz | head -1)" \
	eval '"$RAW" --sums trampoline.pb.gz | grep -q "^burn;evaluate;py::framed:/app.py;evaluate;py::padded:/app.py;evaluate;main;.*_start;"'
rm -f "/tmp/perf-$(awk '/^pid/ { print $2 }' trampoline.log).map"
# Code that the program has mapped itself, past the loader: of its own file it is the program's, within its
# mapping, also when the place is gone at the last dump; of another file that file's.
for how in remapped remapped_away remapped_other; do
	mapped=conf_remapped
	[ $how = remapped_other ] && mapped=copied
	claim "names code_that_a_program_has_mapped_itself_$how" "$("$RAW" --sums $how.pb.gz | head -1)" \
		eval '"$RAW" --sums $how.pb.gz | grep -q "^hot;main;" && ! "$RAW" --functions $how.pb.gz | grep -q "^\[unknown\]" &&
			test "$(P -traces -focus="^hot$" $how.pb.gz | grep -c "unknown")" = 0 && "$RAW" --mappings $how.pb.gz | grep -q "/$mapped\$"'
done
# A killed process's code, by the command: the vdso from its own memory, a program replaced since then by its
# debug file.
killed() { # NAME PROGRAM ARGS...
	local name=$1 pid
	shift
	CPROF_OUTPUT_DIR=$scratch CPROF_STORE_DIR=$scratch/store LD_PRELOAD=$LIB "$@" > /dev/null 2>&1 &
	pid=$!
	sleep 0.5
	kill -9 $pid
	wait $pid 2> /dev/null
	echo "$pid" > "$name.pid"
}
recovered() { mv "$(CPROF_STORE_DIR=$scratch/store "$B/cprof" recover --dir "$scratch" "$(cat "$1.pid")" | grep "[.]cpu[.]")" "$1.pb.gz"; }
killed killed_vdso "$programs/conf_vdso" 2> /dev/null
if grep -q '\[vdso\]' maps; then
	claim "names vdso_of_a_killed_process" "$("$RAW" --sums killed_vdso.pb.gz | head -1)" \
		eval 'recovered killed_vdso && "$RAW" --sums killed_vdso.pb.gz | grep -q "^__vdso_clock_gettime;"'
else
	echo "skip names vdso_of_a_killed_process: no vdso here"
fi
id=$(readelf -n linked | sed -n 's/.*Build ID: //p')
if mkdir -p "/usr/lib/debug/.build-id/${id:0:2}" 2> /dev/null && [ -w "/usr/lib/debug/.build-id/${id:0:2}" ]; then
	killed killed_gone ./linked 5000 2> /dev/null
	mv linked.debug "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
	cp "$programs/conf_cxx" linked.new && mv linked.new linked
	claim "names replaced_program_of_a_killed_process_by_its_debug_file" "$("$RAW" --sums killed_gone.pb.gz | head -1)" \
		eval 'recovered killed_gone && "$RAW" --sums killed_gone.pb.gz | grep -q "^hot;outer;main;"'
	rm -f "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
	rmdir --ignore-fail-on-non-empty "/usr/lib/debug/.build-id/${id:0:2}"
else
	echo "skip names replaced_program_of_a_killed_process_by_its_debug_file: /usr/lib/debug cannot be written"
fi

# ---- merging and difference ----
flat() { "$RAW" --sums "$@" | awk '{ split($1, f, ";"); sum[f[1]] += $3 } END { for (k in sum) print k, sum[k] }' | sort; }
P -proto -output=merged.gz hot.pb.gz again.pb.gz > /dev/null
twentytwo() {
	cmp -s <(flat merged.gz) <(flat hot.pb.gz again.pb.gz) &&
		test "$("$RAW" --mappings merged.gz | wc -l)" = "$("$RAW" --mappings hot.pb.gz again.pb.gz | awk '{ print $NF }' | sort -u | wc -l)"
}
claim "check-22 two_runs_merge_to_their_sum" "$(flat merged.gz | tr '\n' ' ')" twentytwo
claim "check-23 a_profile_minus_itself_is_nothing" "$(P -top -base=hot.pb.gz hot.pb.gz | grep total)" \
	eval 'P -top -base=hot.pb.gz hot.pb.gz | grep -q "of 0 total"'
# conf_hot worked 1.5 s in one and 1 s in the other.
total() { "$RAW" --sums "$1" | awk '{ sum += $NF } END { print sum / 1e6 }'; } # no labels here
P -top -unit=ms -diff_base=again.pb.gz hot.pb.gz > diff.txt
twentyfour() {
	local shown
	shown=$(sed -n 's/^Showing nodes accounting for .* of \([0-9.]*\)ms total.*/\1/p' diff.txt)
	awk -v d="$(awk '$NF == "hot" { print $1 + 0; exit }' diff.txt)" -v h="$(flat hot.pb.gz | awk '$1 == "hot" { print $2 / 1e6 }')" \
		-v a="$(flat again.pb.gz | awk '$1 == "hot" { print $2 / 1e6 }')" -v shown="$shown" -v base="$(total again.pb.gz)" \
		'BEGIN { exit !(d > 0 && d == h - a && shown == base) }'
}
claim "check-24 the_difference_of_two_runs_is_their_difference" "$(sed -n 1,8p diff.txt | tr '\n' '/')" twentyfour

# ---- labels ----
red=$(awk '$1 == "red" { print $2 }' threads.log)
twentyfive() {
	P -tags threads.pb.gz | grep -q 'thread_id' &&
		P -traces -tagfocus="thread_id=$red" threads.pb.gz > red.txt && grep -q ' red$' red.txt && ! grep -q ' blue$' red.txt &&
		test "$(P -tagroot=thread_id -traces threads.pb.gz | grep -cE '^ +[0-9]+$|^ +[0-9]+ thread_id$')" -ge 2
}
claim "check-25 thread_id_selects_and_roots" "$(P -tags threads.pb.gz | tr '\n' ' ')" twentyfive
claim "check-25 no_label_unless_asked_for" "hot has labels" eval '! "$RAW" --sums hot.pb.gz | grep -q thread_id'

# ---- outputs ----
for mode in dot callgrind; do
	P -$mode -output="out.$mode" hot.pb.gz > /dev/null
	claim "check-26 pprof_${mode}_output" "empty" eval "test -s out.$mode && grep -q hot out.$mode"
done
if command -v dot > /dev/null; then
	P -svg -output=out.svg hot.pb.gz > /dev/null
	claim "check-26 pprof_svg_output" "empty" test -s out.svg
else
	echo "skip check-26 pprof_svg_output: graphviz is not installed"
fi
finish
