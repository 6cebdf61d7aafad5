#!/bin/bash
# SPDX-License-Identifier: MIT
# The heap profile counts every function of malloc's family to the byte, whichever the allocator behind it is, and the
# host cannot tell.
. tests/support/lib.sh
P=$B/programs
RAW=$B/rawprof
[ -x "$RAW" ] || make -s B="$B" "$RAW" > /dev/null || exit 1
export CPROF_HEAP_SAMPLE_BYTES=1 CPROF_CPU_ENABLED=no
lib=$(gcc -print-file-name=libc.so.6)
lib=${lib%/*}
JEMALLOC=$lib/libjemalloc.so.2 TCMALLOC=$lib/libtcmalloc_minimal.so.4 MIMALLOC=$lib/libmimalloc.so.2.0

# profile PROGRAM [PID] [KIND]: the one file in $out, or the first of that process.
profile() { ls "$out/$1".${2:-*}."${3:-heap}".1.pb.gz 2> /dev/null | head -1; }
# differences ROWS FILE: each function of "row NAME a b c d" whose sums in the profile are others, or "none".
differences() {
	"$RAW" --sums "$2" | awk -v rows="$1" '
		BEGIN {
			while ((getline line < rows) > 0)
				if (split(line, f, " ") == 6 && f[1] == "row") {
					name[f[2]]
					for (i = 0; i < 4; i++) want[f[2], i] = f[i + 3]
				}
		}
		{
			n = split($0, part, ";"); split(part[n], value, " "); split("", seen)
			for (k = 1; k < n; k++)
				if (part[k] in name && !(part[k] in seen)) {
					seen[part[k]]
					for (i = 0; i < 4; i++) got[part[k], i] += value[i + 1]
				}
		}
		END {
			for (x in name)
				for (i = 0; i < 4; i++)
					if (want[x, i] != "-" && ++all && want[x, i] != got[x, i] + 0)
						say = say sprintf("%s[%d] is %d, not %d; ", x, i, got[x, i], want[x, i])
			print say ? say : all ? "none" : "no rows"
		}'
}
# exact NAME ROWS FILE: and the file is one that the strictest reader takes.
exact() {
	local say=no\ profile
	[ -n "$3" ] && { say=$("$RAW" --check "$3") && say=$(differences "$2" "$3"); }
	claim "$1" "$say" test "$say" = none
}

# ---- every function, every allocator ----
build() { # NAME ARGS...
	local name=$1
	shift
	gcc -O2 -g -fomit-frame-pointer -D_GNU_SOURCE -o "$scratch/bin/$name" tests/programs/allocs.c -pthread "$@" || exit 1
}
mkdir "$scratch/bin"
build linked_jemalloc -Wl,--no-as-needed "$JEMALLOC" &
build linked_tcmalloc -Wl,--no-as-needed "$TCMALLOC"
build linked_mimalloc -Wl,--no-as-needed "$MIMALLOC" &
build fixed -fno-pie -no-pie
wait
# same NAME PRELOAD PROGRAM: answers as without us, and a profile that is right.
same() {
	fresh "$1"
	LD_PRELOAD=$2 "$3" > "$scratch/$1.without" 2> "$scratch/$1.err_without"
	LD_PRELOAD="$LIB $2" "$3" > "$scratch/$1.rows" 2> "$scratch/$1.err"
	claim "heap_answers_with_$1" "exit $?, $(diff "$scratch/$1.without" "$scratch/$1.rows" | head -3; head -1 "$scratch/$1.err")" \
		cmp -s "$scratch/$1.without" "$scratch/$1.rows"
	exact "heap_exact_with_$1" "$scratch/$1.rows" "$(profile "${3##*/}")"
}
same glibc "" "$P/allocs"
same fixed_addresses "" "$scratch/bin/fixed"
same preloaded_jemalloc "$JEMALLOC" "$P/allocs"
same preloaded_tcmalloc "$TCMALLOC" "$P/allocs"
same preloaded_mimalloc "$MIMALLOC" "$P/allocs"
same linked_jemalloc "" "$scratch/bin/linked_jemalloc"
same linked_tcmalloc "" "$scratch/bin/linked_tcmalloc"
same linked_mimalloc "" "$scratch/bin/linked_mimalloc"
same cxx "" "$P/allocs_cxx"
# An allocator has operators of its own, which do not come by malloc; the ordinary ones before it do.
same cxx_and_jemalloc "libstdc++.so.6 $JEMALLOC" "$P/allocs_cxx"

# ---- the host cannot tell ----
"$P/heap_host" > "$scratch/host.without"
for rate in 1 512 1M; do
	fresh "host_$rate"
	CPROF_HEAP_SAMPLE_BYTES=$rate under "$P/heap_host" dump > "$scratch/host.with"
	claim "heap_is_laid_out_as_without_us_at_$rate" "exit $?, $(diff "$scratch/host.without" "$scratch/host.with" | head -3)" \
		cmp -s "$scratch/host.without" "$scratch/host.with"
done
claim heap_host_has_seen_what_it_was_to_see "$(grep -v '^block\|^again\|^resized' "$scratch/host.without" | tr '\n' ' ')" test "$(grep -c \
	'^one thread 1$\|^floating point flags 0$\|^mxcsr as before, x87 status 0$\|^8 GiB of zeros: \(not there yet\|refused\)$\|^thread of 16 KiB' "$scratch/host.without")" = 6
out=$scratch/host_1
exact heap_exact_on_small_stacks "$scratch/host.without" "$(profile heap_host)"
# Samples that are the first of their process, where there is little stack.
out=$scratch/host_1M
claim heap_begins_on_a_small_stack "no profile" test -n "$("$RAW" --sums "$(profile heap_host)" 2> /dev/null | grep 'malloc;on_coroutine;.* 1 67108864 1 67108864')"

# like_without NAME COMMAND...: output and exit code are the same.
like_without() {
	local name=$1
	shift
	"$@" > "$scratch/plain" 2>&1
	echo "exit code $?" >> "$scratch/plain"
	fresh "real_$name"
	under "$@" > "$scratch/under" 2>&1
	echo "exit code $?" >> "$scratch/under"
	claim "heap_of_${name}_changes_nothing" "$(diff "$scratch/plain" "$scratch/under" | head -3)" cmp -s "$scratch/plain" "$scratch/under"
	claim "heap_of_${name}_is_there" "$(ls "$out")" test -n "$(ls "$out"/*.heap.1.pb.gz 2> /dev/null)"
}
export PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1
python=$(python3 -c 'import sys; print(sys.executable)') # not a script that looks for it
like_without python "$python" -c 'import json, re; d = {str(i): [i] * 3 for i in range(3000)}; print(len(json.dumps(d)), re.sub("1", "x", str(sorted(d)[:50]))); raise SystemExit(7)'
like_without sqlite sqlite3 :memory: 'create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) insert into t select i, hex(i) from n; select count(*), sum(a), max(b) from t; select * from nothing;'
like_without perl perl -e 'my %h = map { $_ => [$_ x 3] } 1 .. 3000; print join(",", (sort keys %h)[0 .. 20]), "\n"; exit 3'
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a HOME=$scratch
git init -q "$scratch/repository" && for n in 1 2 3; do
	seq $((n * 1000)) > "$scratch/repository/file"
	git -C "$scratch/repository" add file && git -C "$scratch/repository" commit -q -m "commit $n"
done
like_without git git -C "$scratch/repository" log -p --stat

# ---- memory that is wanted while the real functions are looked for ----
fresh boot
say=$(LD_PRELOAD="$P/so_dlsym.so $LIB" "$P/allocs" 2>&1 > "$scratch/boot.rows")
claim heap_before_malloc_is_known "$say" test "$say" = "boot fine"
exact heap_after_malloc_is_known "$scratch/boot.rows" "$(profile allocs)"

# ---- where our malloc is not called ----
fresh own
export CPROF_CPU_ENABLED=yes CPROF_CPU_HZ=1000
claim heap_of_an_own_malloc_is_its_own "" test "$(under "$P/own_malloc" 2>&1)" = fine
f=$(ls "$out"/own_malloc.*.cpu.1.pb.gz)
claim heap_of_an_own_malloc_is_off "$($PROFILE comments "$f")" grep -q 'heap off: the executable defines malloc$' <<< "$($PROFILE comments "$f")"
claim heap_that_is_off_has_no_file "$(ls "$out")" test -z "$(ls "$out" | grep 'heap\|allocs')"
fresh order
LD_PRELOAD="$JEMALLOC $LIB" "$P/threads" 1 100 1 > /dev/null
f=$(ls "$out"/threads.*.cpu.1.pb.gz)
claim heap_behind_an_allocator_is_off "$($PROFILE comments "$f")" grep -q "heap off: $JEMALLOC defines malloc and comes before libcprof.so\$" <<< "$($PROFILE comments "$f")"
# The program's own stub of malloc hides the allocator behind it, but not those of the others.
echo 'void *malloc(unsigned long), *(*volatile p)(unsigned long); __attribute__((constructor)) static void f(void) { p = malloc; }' > "$scratch/stub.c"
gcc -O2 -fno-pie -no-pie -D_GNU_SOURCE -I. -o "$scratch/bin/stub" tests/programs/threads.c "$scratch/stub.c" -pthread 2> "$scratch/err" || cat "$scratch/err"
fresh stub
LD_PRELOAD="$JEMALLOC $LIB" "$scratch/bin/stub" 1 100 1 > /dev/null
f=$(ls "$out"/stub.*.cpu.1.pb.gz)
claim heap_behind_an_allocator_behind_a_stub_is_off "$($PROFILE comments "$f")" grep -q "heap off: $JEMALLOC defines malloc and comes before libcprof.so\$" <<< "$($PROFILE comments "$f")"
export CPROF_CPU_ENABLED=no

# ---- fork and exec ----
cat > "$scratch/of_parent" << 'ROWS'
row inherits 10 10000 10 10000
row has_its_own 0 0 0 0
ROWS
cat > "$scratch/of_child" << 'ROWS'
row inherits 0 0 0 0
row has_its_own 5 1000 2 400
ROWS
cat > "$scratch/of_vfork" << 'ROWS'
row inherits 10 10000 0 0
row has_its_own 5 1000 2 400
ROWS
for how in fork _Fork clone spawn; do
	fresh "fork_$how"
	child=$(under "$P/heap_fork" $how)
	parent=$(ls "$out" | grep -v "\.$child\." | sed -n 's/heap_fork\.\([0-9]*\)\.heap\.1\.pb\.gz/\1/p')
	exact "heap_of_the_parent_of_$how" "$scratch/of_parent" "$(profile heap_fork "$parent")"
	exact "heap_of_the_child_of_$how" "$scratch/of_child" "$(profile heap_fork "$child")"
done
fresh fork_vfork
under "$P/heap_fork" vfork > /dev/null
exact heap_that_a_child_of_vfork_has_freed "$scratch/of_vfork" "$(profile heap_fork)"
fresh fork_not_followed
child=$(CPROF_FOLLOW_FORK=no under "$P/heap_fork" fork)
claim heap_of_a_child_not_followed_is_none "$(ls "$out")" test "$(ls "$out" | grep -c 'heap\.1') $(ls "$out" | grep -c "\.$child\.")" = "1 0"
exact heap_of_a_parent_not_followed "$scratch/of_parent" "$(profile heap_fork)"
fresh exec
under "$P/heap_fork" exec
first=$(profile heap_fork)
exact heap_before_exec "$scratch/of_parent" "$first"
exact heap_after_exec "$scratch/of_child" "${first/.heap.1./.heap.2.}"

# ---- handlers of the host in the middle of ours ----
interrupted() { # HOW STRIDE
	fresh "interrupted_$1"
	under "$P/heap_interrupted" "$@" > "$scratch/$1.rows" 2> "$scratch/err"
	claim "heap_interrupted_to_$1_goes_on" "exit $?, $(sort "$scratch/err" | uniq -c | head -3)" grep -q '^actions' "$scratch/$1.rows"
	claim "heap_interrupted_to_$1_says_nothing" "$(sort "$scratch/err" | uniq -c | head -3)" test ! -s "$scratch/err"
	exact "heap_interrupted_to_$1_is_exact" "$scratch/$1.rows" "$(profile heap_interrupted)"
}
interrupted malloc 1
interrupted jump 97
CPROF_OUTPUT_ON_EXIT=yes interrupted fork 23
fresh interrupted_count
CPROF_OUTPUT_SHORT=yes CPROF_HEAP_SAMPLE_BYTES=64K under "$P/heap_interrupted" count > /dev/null
say=$("$RAW" --sums "$(profile heap_interrupted)" | awk '/;is_seen;/ { split($NF, f, " "); n = split($0, part, ";"); split(part[n], value, " "); sum += value[2] } END { print sum + 0 }')
near heap_countdown_survives_who_allocates_in_a_handler "$say" $((2000 * 65536)) 20

# ---- a clock of others, with a lock ----
fresh other_clock
CPROF_CPU_ENABLED=yes LD_PRELOAD="$LIB $P/so_clock.so" timeout 30 "$P/threads" 2 50 1 > "$scratch/ns" 2> "$scratch/err"
claim heap_does_not_ask_a_clock_that_allocates "exit $?, $(head -1 "$scratch/err")" grep -q . "$scratch/ns"

# ---- a library that is closed before there is a store ----
echo 'void *malloc(unsigned long), *volatile kept; __attribute__((noinline)) void plugin_keeps(void) { kept = malloc(1 << 23); } void plugin_work(void) { plugin_keeps(); __asm__ volatile(""); }' > "$scratch/plugin.c"
gcc -O2 -shared -fPIC -o "$scratch/plugin.so" "$scratch/plugin.c"
fresh closed
cp "$P/conf_unload" "$scratch/bin/conf_unload"
CPROF_OUTPUT_SHORT=yes CPROF_HEAP_SAMPLE_BYTES=512K under "$scratch/bin/conf_unload" "$scratch/plugin.so"
claim heap_of_a_closed_library_has_its_name "$("$RAW" --sums "$(profile conf_unload)")" \
	grep -q 'malloc;plugin_keeps;plugin_work;main;' <<< "$("$RAW" --sums "$(profile conf_unload)")"

# ---- a dump where nobody can allocate any more ----
echo "row keeps 10 1000 10 1000" > "$scratch/of_stuck"
for how in locked smashed; do
	fresh "stuck_$how"
	LD_PRELOAD=$LIB "$P/heap_stuck" $how > "$scratch/$how" &
	pid=$!
	wait_for 10 test -s "$scratch/$how"
	claim "heap_is_$how" "$(cat "$scratch/$how")" test "$(cat "$scratch/$how")" = $how
	kill -USR2 $pid
	wait_for 10 test -s "$out/heap_stuck.$pid.allocs.1.pb.gz"
	wait_for 10 test -s "$out/heap_stuck.$pid.heap.1.pb.gz"
	kill -KILL $pid
	wait $pid 2> /dev/null
	exact "heap_of_a_${how}_process" "$scratch/of_stuck" "$(profile heap_stuck $pid)"
	exact "allocs_of_a_${how}_process" "$scratch/of_stuck" "$(profile heap_stuck $pid allocs)"
done
finish
