#!/bin/bash
# SPDX-License-Identifier: MIT
# The life of processes: how they are made, replaced and ended, and the places that they go to.
# A dump on a signal may be written by another process: its file is waited for.
. tests/support/lib.sh
P=$B/programs
# Names of claims begin with the part; `life.sh PART...` runs some of them.
want=${*:-tree exit asked place hunt quiet storm chaos}
part() { [[ " $want " = *" $1 "* ]]; }
export CPROF_CPU_HZ=1000
# dumpers: processes that write a dump of one of ours; other tests on this machine may have theirs.
dumpers() {
	local pid
	for pid in $(pgrep -x cprof-dump); do
		if tr '\0' '\n' < "/proc/$pid/environ" | grep -q "^CPROF_OUTPUT_DIR=$scratch"; then echo "$pid"; fi
	done 2> /dev/null
}
no_dumper() { [ -z "$(dumpers)" ]; }
# store_of_its_own: what another part has left is not this one's.
store_of_its_own() {
	store=$out.store
	mkdir -m 700 "$store"
	export CPROF_STORE_DIR=$store
}
# whole: every file in $out is a whole gzip file.
whole() { for f in $(files); do gzip -t "$f" 2> /dev/null || return 1; done; }
# half: unfinished files in $out.
half() { find "$out" -name '.*' -type f; }

# ---- a tree of processes ----
if part tree; then
	fresh tree
	: > "$scratch/log"
	LD_PRELOAD=$LIB "$P/tree" root "$scratch/log" > "$scratch/say" 2> "$scratch/err" &
	root=$!
	wait $root
	code=$?
	read -r children reaped bad < "$scratch/say"
	claim tree_runs_as_without_us "exit $code, $reaped reaped, $bad bad: $(head -3 "$scratch/err")" \
		test "$code $reaped $bad" = "0 24 0"
	claim tree_says_nothing "$(head -3 "$scratch/err")" test ! -s "$scratch/err"
	unseen=$(awk '$4 == "unseen" { print $1 }' "$scratch/log")
	"$B/cprof" recover "$unseen" --dir "$out" > "$scratch/recovered" 2>&1
	claim tree_leaves_no_store "$(ls "$scratch/store" | tr '\n' ' ')" test -z "$(ls "$scratch/store")"
	python3 tests/behaviour/life.py "$scratch/log" "$out" $root "$children" || failed=1
fi

# ---- every kind of exit writes the last window, once ----
start_exit() { # KIND [ARG]
	fresh "exit_$1"
	mkdir -m 700 "$scratch/store_$1"
	CPROF_STORE_DIR=$scratch/store_$1 LD_PRELOAD=$LIB "$P/exits" "$@" > "$scratch/ns_$1" 2> "$scratch/err_$1" &
	pids[$1]=$!
}
end_exit() { # KIND STATUS
	local code stores total
	wait "${pids[$1]}" 2> /dev/null
	code=$?
	out=$scratch/exit_$1
	stores=$(ls "$scratch/store_$1")
	claim "exit_${1}_ends_as_without_us" "status $code, said $(cat "$scratch/ns_$1" "$scratch/err_$1")" \
		test "$code" = "$2" -a "$(wc -l < "$scratch/ns_$1")" = 1 -a ! -s "$scratch/err_$1"
	if [ "$3" = killed ]; then
		claim "exit_${1}_leaves_its_store" "stores '$stores'" test "${stores%%.*}" = "${pids[$1]}"
		CPROF_STORE_DIR=$scratch/store_$1 "$B/cprof" recover "${pids[$1]}" --dir "$out" > "$scratch/recovered" 2>&1
		stores=$(ls "$scratch/store_$1")
	fi
	claim "exit_${1}_is_one_dump_and_no_store" "$(ls -A "$out" | tr '\n' ' ')and store '$stores'" \
		test "$(ls -A "$out" | cut -d. -f3- | grep -v '^\(block\|mutex\|wall\).1' | tr '\n' ' ')" = "allocs.1.pb.gz cpu.1.pb.gz heap.1.pb.gz " -a -z "$stores"
	total=$($PROFILE total $(files))
	near "exit_${1}_has_all" "$total" "$(cat "$scratch/ns_$1")" "${4:-4}"
	[ $((total * 2)) -gt "$(cat "$scratch/ns_$1")" ] || "$B/cprof" top $(files) | sed 's/^/# /'
}
# The shell tells of killed jobs.
if part exit; then
	declare -A pids
	for three in "return exit _exit" "_Exit quick_exit atexit" "quick_exit_handler quick_exit_handler_exits exit_in_atexit" \
		"_exit_in_atexit from_thread main_gone"; do
		for kind in $three; do start_exit "$kind"; done
		for kind in $three; do end_exit "$kind" "$([ "$kind" = main_gone ] && echo 0 || echo 7)"; done
	done
	start_exit destructor "$P/so_late.so"
	start_exit abort
	start_exit term
	end_exit destructor 7
	end_exit abort 134 killed
	end_exit term 143 killed
	start_exit kill
	start_exit segv
	start_exit exit_group
	end_exit kill 137 killed
	end_exit segv 139 killed
	end_exit exit_group 7 killed
	# Threads work on while the last window is written.
	for kind in exit_busy _exit_busy; do
		start_exit $kind
		end_exit $kind 7 - 15
	done
fi 2> /dev/null

# ---- ends while a dump runs ----
if part asked; then
	kinds="exit _exit return quick_exit main_gone thread"
	for three in "exit _exit return" "quick_exit main_gone thread"; do
		for kind in $three; do
			fresh asked_$kind
			mkdir -m 700 "$scratch/store_asked_$kind"
			CPROF_STORE_DIR=$scratch/store_asked_$kind under "$P/exits" asked $kind \
				> "$scratch/say_$kind" 2> "$scratch/err_$kind" &
		done
		wait
	done
	for kind in $kinds; do
		out=$scratch/asked_$kind
		read -r ns bad < "$scratch/say_$kind"
		claim "asked_then_${kind}_ends_as_without_us" "$bad of 20, $(head -1 "$scratch/err_$kind")" \
			test "$bad" = 0 -a ! -s "$scratch/err_$kind"
		claim "asked_then_${kind}_leaves_no_dumper" "$(dumpers | wc -l)" wait_for 2 no_dumper
		stores=$(ls "$scratch/store_asked_$kind")
		claim "asked_then_${kind}_leaves_no_store" "$stores" test -z "$stores"
		claim "asked_then_${kind}_leaves_whole_files" "half: $(half | wc -l)" eval 'whole && [ -z "$(half)" ]'
		n=$(files | sed 's|.*/||' | cut -d. -f2 | sort -u | wc -l)
		claim "asked_then_${kind}_everybody_has_a_file" "$n of 20 and the parent" test "$n" -ge 20
		# What a dump in place uses itself is in nobody's figure.
		total=$($PROFILE total $(files)) work=$($PROFILE cum work $(files))
		claim "asked_then_${kind}_loses_and_doubles_nothing" "$total in all, $work in work, used $ns" \
			test $((total * 100)) -ge $((ns * 96)) -a $((work * 100)) -le $((ns * 103)) -a $((work * 100)) -ge $((ns * 70))
	done
	fresh thread_ends
	store_of_its_own
	# Some 170 dumps of six files, more on a quick machine: none is to be removed.
	read -r ns timers threads < <(CPROF_OUTPUT_MAX_FILES=0 under "$P/exits" thread_ends 2> "$scratch/err")
	claim threads_that_end_in_dumps_take_their_timers "$timers timers of $threads threads" test "$timers $threads" = "1 1"
	claim threads_that_end_in_dumps_say_nothing "$(head -3 "$scratch/err")" test ! -s "$scratch/err"
	near threads_that_end_in_dumps_are_counted "$($PROFILE total $(files))" "$ns" 4
	claim threads_that_end_in_dumps_leave_no_store "$(ls "$store")" test -z "$(ls "$store")"
fi

# ---- places that few go to ----
# place NAME WANT MODE [ARG]: in the background; $before runs it, $dir is the mode of its output directory.
#   dumps   the same output as without us, both windows in files, not a word, no store
#   limited the same, but we may say one line and keep a store
#   either  both windows in files, under whatever names, and not a word; or one line, once
#   counted both windows in files, under whatever names, and one line
#   says    one line and the same output
before=() dir=700
place() {
	local at=$scratch/place_$1
	places+=("$1")
	(place_in "$@") > "$at.claims" 2>&1 &
	while [ "$(jobs -rp | wc -l)" -ge 4 ]; do wait -n; done
}
place_in() {
	local name=$1 wants=$2 code lines n b a all say good=no at=$scratch/place_$1
	shift 2
	out=$at.out
	mkdir -m $dir "$out"
	mkdir -m 700 "$at.store"
	export CPROF_OUTPUT_DIR=$out CPROF_STORE_DIR=$at.store
	PLACES_SHORT=1 "${before[@]}" "$P/places" "$@" > "$at.plain" 2> /dev/null
	code=$?
	"${before[@]}" env LD_PRELOAD="$LIB" "$P/places" "$@" > "$at.say" 2> "$at.err"
	claim "place_${name}_is_as_without_us" "exit $?, plain $code: $(diff "$at.plain" "$at.say" | tr '\n' ' ')" \
		eval "[ $? = $code ] && cmp -s '$at.plain' '$at.say'"
	claim "place_${name}_damages_no_file" "a half file" whole
	lines=$(wc -l < "$at.err")
	n=$(files | wc -l)
	# In ms: of before(), of after(), in all.  On a busy machine a tick comes late, and what it stands for goes to
	# what runs then, which may be a dump in place, or the end.
	read -r b a all < <($PROFILE stacks $(files) | awk -F'\t' '
		{ all += $2 } $1 ~ /(^|;)before(;|$)/ { b += $2 } $1 ~ /(^|;)after(;|$)/ { a += $2 }
		END { printf "%d %d %d\n", b / 1e6, a / 1e6, all / 1e6 }')
	say="before $b of 100, after $a of 60, in all $all ms; $n files, $lines lines: $(head -3 "$at.err" | tr '\n' ' ')"
	if [ "$n" -ge 2 ] && [ -z "$(half)" ] && [ "$all" -gt 145 ] && [ $((b + a)) -lt 180 ]; then
		case $wants in
		dumps | limited) if [ "$b" -gt 5 ] && [ $((all - b)) -gt 40 ]; then good=yes; fi ;;
		*) good=yes ;;
		esac
	fi
	case $wants in
	dumps)
		claim "place_${name}_dumps" "$say" test $good = yes -a "$lines" = 0
		claim "place_${name}_leaves_no_store" "$(ls "$at.store" | tr '\n' ' ')" test -z "$(ls "$at.store")"
		;;
	limited) claim "place_${name}_dumps" "$say" test $good = yes -a "$lines" -le 1 ;;
	counted) claim "place_${name}_dumps_and_says_why" "$say" test $good = yes -a "$lines" = 1 ;;
	either) claim "place_${name}_dumps_or_says_why_once" "$say" eval "[ $lines = 1 ] || [ $good = yes -a $lines = 0 ]" ;;
	says) claim "place_${name}_says_why_once" "$say" test "$lines" = 1 ;;
	esac
}
can_unshare() { unshare "$@" true 2> /dev/null; }
if part place; then
	places=()
	chmod 711 "$scratch"
	mkdir "$scratch/root"
	place closefrom dumps closefrom
	place close_range dumps close_range
	place close_loop dumps close_loop
	place many_fds dumps many_fds
	place record_lock dumps record_lock "$scratch/lock"
	place chdir dumps chdir
	place coroutines runs coroutines
	for how in ignored handled; do place no_children_$how runs no_children $how; done
	place takes_orphans runs takes_orphans
	place parent_death runs parent_death
	place exec_inherits runs inherits
	before=(bash -c 'ulimit -i 0; exec "$@"' -) && place no_pending_signals counted plain
	before=(bash -c 'ulimit -n 4; exec "$@"' -) && place four_descriptors either plain
	before=(bash -c 'ulimit -s 256; exec "$@"' -) && place small_stacks dumps plain
	before=(bash -c 'ulimit -v 204800; exec "$@"' -) && place little_memory limited plain
	before=()
	if command -v strace > /dev/null && strace -o /dev/null true 2> /dev/null; then
		before=(strace -f -o /dev/null) && place traced limited plain
		before=()
	else
		echo "skip place_traced: no strace"
	fi
	for call in clone clone3 close_range timer_create openat mmap madvise rt_sigaction prctl wait4 renameat2 getdents64 tgkill; do
		place denied_$call either denied $call
	done
	if [ "$(id -u)" = 0 ]; then
		place chroot says chroot "$scratch/root"
		place nobody_without_a_way says nobody
		dir=1777
		place nobody limited nobody
		place undumpable limited undumpable
		place undumpable_nobody limited undumpable_nobody
		place no_process limited no_process
		dir=700
	else
		echo "skip place_chroot: not root"
	fi
	if can_unshare --pid --fork --mount-proc --net --user; then
		for kind in mnt pid user net time fs uts; do place unshare_$kind dumps unshare $kind; done
		for kind in user mnt; do place unshare_${kind}_in_dumps runs unshare_in_dumps $kind; done
		for kind in user mnt net uts; do place enter_${kind}_in_dump limited enter_in_dump $kind; done
		place enter_time_in_dump limited enter_time_in_dump
		before=(unshare --pid --fork --mount-proc) && place takes_orphans_as_init runs takes_orphans
		before=(unshare --pid --fork --mount-proc) && place first_of_its_namespace dumps plain
		before=()
	else
		echo "skip place_unshare: no namespaces"
	fi
	wait
	for name in "${places[@]}"; do cat "$scratch/place_$name.claims"; done > "$scratch/claims"
	cat "$scratch/claims"
	claim place_leaves_no_dumper "$(dumpers | wc -l)" wait_for 2 no_dumper
	! grep -q '^not ok' "$scratch/claims" || failed=1
fi

# ---- dumpers that are killed in the middle ----
if part hunt; then
	fresh hunt
	store_of_its_own
	read -r pid ns killed children < <(under "$P/places" hunt 2500 2> "$scratch/err")
	claim hunt_kills_dumpers "$killed" test "$killed" -ge 3
	claim hunt_leaves_no_zombie "$children children" test "$children" = 0
	claim hunt_leaves_whole_files "a half file" whole
	near hunt_loses_and_doubles_nothing "$($PROFILE cum hunted "$out"/places."$pid".cpu.*)" "$ns" 8
	claim hunt_leaves_no_store "$(ls "$store")" test -z "$(ls "$store")"
	echo "# hunt: $killed dumpers killed, $(files | wc -l) files, $(half | wc -l) half"
fi

# ---- what a host can see of itself ----
if part quiet; then
	fresh quiet
	say=$(under "$P/places" quiet 3 2> "$scratch/err" | head -1)
	claim quiet_host_sees_nothing "$say" test "$say" = "single yes threads 0 waits 0 fds 0 children 0"
	claim quiet_host_hears_nothing "$(head -3 "$scratch/err")" test ! -s "$scratch/err"
	claim quiet_host_has_its_dumps "$(files | wc -l) files" test "$(files | wc -l)" -ge 8
fi

# ---- a big process that forks ----
if part storm; then
	if [ "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" -gt 3000000 ]; then
		fresh storm
		# At once, so that both have the same machine.
		"$P/places" storm 1 > "$scratch/plain" &
		read -r done_with ms < <(under "$P/places" storm 1 2> "$scratch/err")
		wait
		read -r plain_done plain_ms < "$scratch/plain"
		claim storm_every_fork_succeeds "$done_with of 50, plain $plain_done" test "$done_with $plain_done" = "50 50"
		below storm_forks_in_the_time_of_a_plain_run "$(awk "BEGIN { print $ms / $plain_ms }")" 3
	else
		echo "skip storm: needs 3 GB of memory"
	fi
fi

# ---- all of it at once; tests/soak does it for ten minutes ----
if part chaos; then
	fresh chaos
	store_of_its_own
	under "$P/chaos" 6 "$P/so_throw.so" > "$scratch/say" 2>&1
	code=$?
	sed 's/^/# chaos: /' "$scratch/say"
	claim chaos_leaves_nothing_behind "exit $code: $(grep '^chaos' "$scratch/say" | tr '\n' ' ')" test $code = 0
	claim chaos_leaves_no_store "$(ls "$store")" test -z "$(ls "$store")"
	claim chaos_leaves_whole_files "$(half | wc -l) half" eval 'whole && [ -z "$(half)" ]'
fi
finish
