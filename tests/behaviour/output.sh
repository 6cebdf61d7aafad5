#!/bin/bash
# SPDX-License-Identifier: MIT
# Where profiles and stores go, what happens when they cannot, and who removes them.
# Mounts are made in a mount namespace of our own.
if [ -z "$CPROF_TEST_MOUNTS" ]; then
	if unshare -m true 2> /dev/null; then
		exec unshare -m env CPROF_TEST_MOUNTS=yes bash "$0"
	fi
	CPROF_TEST_MOUNTS=no
fi
. tests/support/lib.sh
P=$B/programs
S=$P/service
NOBODY=65533 # not 65534, as whom the unit tests act
chmod 711 "$scratch" # others may pass
can_mount() {
	[ "$CPROF_TEST_MOUNTS" = yes ] && return
	echo "skip $1: needs the right to mount"
	return 1
}

# ---- a service that is asked for dumps ----

# start ARGS...: in $pid, reading from our descriptor 3; what it says is in $scratch/say and err.
start() {
	rm -f "$scratch/in" "$scratch/say" "$scratch/err"
	mkfifo "$scratch/in"
	LD_PRELOAD=$LIB "$S" "$@" < "$scratch/in" > "$scratch/say" 2> "$scratch/err" &
	pid=$!
	exec 3> "$scratch/in"
	wait_for 5 has_store
	[ $# = 0 ] || wait_for 5 test -s "$scratch/say"
}
# The file and its header: a process that is killed between the two leaves nothing that anybody can judge.
has_store() {
	local f
	for f in "$scratch/store/$pid".*.store "$CPROF_STORE_DIR/$pid".*.store /dev/shm/cprof-*/"$pid".*.store; do
		[ -f "$f" ] && [ "$(head -c 7 "$f" | tr -d '\0')" = CPROFST ] && return
	done
	return 1
}
stop() {
	exec 3>&-
	wait "$pid"
	code=$?
}
ask() { kill -USR2 "$pid"; }
lines() { wc -l < "$scratch/err"; }
said_something() { [ "$(lines)" -gt 0 ]; }
file_in() { compgen -G "$1/service.$pid.cpu.*.pb.gz" > /dev/null; }
whole() { gzip -t "$1"/service."$pid".cpu.*.pb.gz; }
nothing_in() { [ -z "$(find "$1" -mindepth 1 ! -name filler ! -name 'cprof-*' 2> /dev/null)" ]; }

started= # a command that makes it fail, once the service runs
# broken NAME PATTERN DIR REPAIR: a dump fails, with one line that matches; after `REPAIR` the same process
# writes to DIR.  Whatever happens the service says and returns what it always does.
broken() {
	local name=$1 pattern=$2 where=$3
	start
	$started
	ask
	wait_for 5 said_something
	claim "${name}_is_said" "$(cat "$scratch/err")" grep -Eqx "cprof: $pattern" "$scratch/err"
	claim "${name}_leaves_nothing_behind" "$(ls -A "$where" 2>&1)" nothing_in "$where"
	$4
	ask
	wait_for 5 file_in "$where"
	claim "${name}_repaired_the_next_dump_works" "$(ls -A "$where" 2>&1) $(cat "$scratch/err")" whole "$where"
	stop
	claim "${name}_costs_the_host_nothing" "exit $code, says $(cat "$scratch/say")" test "$code $(cat "$scratch/say")" = "7 bye"
	claim "${name}_is_said_once" "$(cat "$scratch/err")" test "$(lines)" = 1
}

repair() { rm -f "$out" && mkdir -m 700 "$out"; }
fresh missing
rmdir "$out"
broken missing_directory "$out: cannot be opened \(ENOENT\)" "$out" repair

fresh link
rmdir "$out"
mkdir -m 700 "$scratch/target"
ln -s target "$out"
broken linked_directory "$out: is a symbolic link, not written to \(ELOOP\)" "$out" repair
claim linked_directory_is_not_followed "$(ls -A "$scratch/target")" nothing_in "$scratch/target"

fresh plain
rmdir "$out"
: > "$out"
broken file_for_a_directory "$out: cannot be opened \(ENOTDIR\)" "$out" repair

if [ "$(id -u)" = 0 ]; then
	repair() { chown 0 "$out"; }
	fresh foreign
	chown 1000 "$out"
	broken foreign_directory "$out: belongs to another user, not written to \(EPERM\)" "$out" repair
else
	echo "skip foreign_directory: needs root"
fi

repair() { rm "$out/cprof-$(id -u)"; }
fresh planted
chmod 770 "$out"
ln -s /tmp "$out/cprof-$(id -u)"
broken planted_directory "$out/cprof-$(id -u): cannot be made or is not ours alone \(E[A-Z]*\)" "$out/cprof-$(id -u)" repair

if can_mount full_disk; then
	repair() { rm "$out/filler"; }
	fresh full
	mount -t tmpfs -o size=64k,mode=700 none "$out"
	dd if=/dev/zero of="$out/filler" bs=4k 2> /dev/null
	broken full_disk "$out: no profile written \(ENOSPC\)" "$out" repair
	umount "$out"
fi
if can_mount read_only; then
	repair() { mount -o remount,rw "$out"; }
	fresh read_only
	mount -t tmpfs -o size=640k,mode=700,ro none "$out"
	broken read_only_directory "$out: cannot be written to \(EROFS\)" "$out" repair
	umount "$out"
fi

# ---- directories that are good ----

# good NAME DIR [ARGS...]: the profile appears in DIR, and nothing is said.
good() {
	local name=$1 where=$2
	shift 2
	start "$@"
	ask
	wait_for 5 file_in "$where"
	claim "${name}_has_the_profile" "$(ls -AR "${out:-$where}") $(cat "$scratch/err")" whole "$where"
	stop
	claim "${name}_costs_the_host_nothing" "exit $code, says $(cat "$scratch/say")" \
		test "$code $(tail -1 "$scratch/say") $(lines)" = "7 bye 0"
}
fresh group
chmod 770 "$out"
good group_writable_directory "$out/cprof-$(id -u)"
claim group_writable_directory_itself_has_none "$(ls -A "$out")" test "$(ls -A "$out")" = "cprof-$(id -u)"
claim group_writable_directory_is_closed_inside "$(stat -c %a "$out"/*)" test "$(stat -c %a "$out"/cprof-*)" = 700
fresh sticky
chmod 1777 "$out"
good sticky_directory "$out"

# ---- limits that come and go ----

repair() { prlimit --pid "$pid" --nofile=1024; }
limit() { prlimit --pid "$pid" "$@"; }
fresh descriptors
started="limit --nofile=3:1024" broken no_descriptor "$out: cannot be opened \(EMFILE\)" "$out" repair
repair() { prlimit --pid "$pid" --as=unlimited; }
fresh memory
started="limit --as=1000000:unlimited" broken no_memory ".*no memory.*" "$out" repair

# ---- root that becomes somebody else ----

drops() {
	fresh privileges
	for how in setuid seteuid setreuid setresuid; do
		rm -rf "${out:?}"/*
		chmod 755 "$out"
		good "${how}_with_a_directory" "$out/cprof-$NOBODY" $how $NOBODY
		claim "${how}_directory_is_the_new_users_alone" "$(stat -c '%u %a' "$out"/*)" test "$(stat -c '%u %a' "$out/cprof-$NOBODY")" = "$NOBODY 700"
		want="0 77 -1 1 bye"
		[ $how = seteuid ] && want="0 77 bye"
		claim "${how}_result_and_errno_are_the_real_ones" "$(cat "$scratch/say")" test "$(tr '\n' ' ' < "$scratch/say")" = "$want "
	done

	# A directory in the way that is not the new user's stays what it is.
	repair() { rmdir "$out/cprof-$NOBODY" && install -d -o $NOBODY -m 700 "$out/cprof-$NOBODY"; }
	fresh taken
	chmod 755 "$out"
	install -d -o 1000 -m 700 "$out/cprof-$NOBODY"
	start setuid $NOBODY
	ask
	wait_for 5 said_something
	claim dropped_with_anothers_directory_is_said "$(cat "$scratch/err")" \
		grep -Eqx "cprof: $out: cannot be written to \(EACCES\) for uid $NOBODY" "$scratch/err"
	claim dropped_with_anothers_directory_leaves_it_alone "$(stat -c %u "$out"/*)" test "$(stat -c %u "$out/cprof-$NOBODY")" = 1000
	repair
	ask
	wait_for 5 file_in "$out/cprof-$NOBODY"
	claim dropped_repaired_the_next_dump_works "$(ls -AR "$out")" whole "$out/cprof-$NOBODY"
	stop
	claim dropped_with_anothers_directory_is_said_once "$(cat "$scratch/err")" test "$(lines)" = 1

	# A directory that the new user cannot even enter.
	fresh closed
	start setuid $NOBODY
	ask
	wait_for 5 said_something
	claim dropped_and_shut_out_names_directory_and_uid "$(cat "$scratch/err")" \
		grep -Eqx "cprof: $out: cannot be written to \(EACCES\) for uid $NOBODY" "$scratch/err"
	chmod 711 "$out"
	stop
	claim dropped_and_let_in_the_last_window_is_written "$(ls -AR "$out")" whole "$out/cprof-$NOBODY"
	claim dropped_and_shut_out_costs_the_host_nothing "exit $code, $(cat "$scratch/say" "$scratch/err")" \
		test "$code $(tail -1 "$scratch/say") $(lines)" = "7 bye 1"

	# The default directories.
	unset CPROF_OUTPUT_DIR CPROF_STORE_DIR
	out=
	can_mount dropped_with_default_directories || return
	mount -t tmpfs -o mode=1777 none /dev/shm
	good dropped_with_the_default_directory /tmp/cprof-$NOBODY setuid $NOBODY
	claim dropped_default_directory_is_the_new_users "$(stat -c '%u %a' /tmp/cprof-$NOBODY)" test "$(stat -c '%u %a' /tmp/cprof-$NOBODY)" = "$NOBODY 700"
	claim dropped_takes_its_store_along "$(ls -AR /dev/shm)" test -z "$(find /dev/shm -name '*.store')"
	# From a configured directory it cannot be taken along.
	export CPROF_STORE_DIR=/dev/shm/configured
	install -d -m 700 $CPROF_STORE_DIR
	start setuid $NOBODY
	ask
	wait_for 5 file_in /tmp/cprof-$NOBODY
	stop
	claim dropped_leaves_the_configured_store "$(ls -AR /dev/shm)" has_store
	old=$pid
	"$B/cprof" recover --keep "$old" > "$scratch/recovered" 2>&1
	claim dropped_store_is_finished "$(cat "$scratch/recovered")" grep -q 'nothing left' "$scratch/recovered"
	rm -f /tmp/cprof-$NOBODY/service.*
	rmdir /tmp/cprof-$NOBODY
	CPROF_OUTPUT_DIR=$scratch start
	pid=$old
	claim dropped_store_is_removed_by_the_next_start "$(ls -AR /dev/shm)" eval '! has_store'
	pid=$!
	stop
	claim stores_of_root_are_all_gone "$(ls -AR /dev/shm)" test -z "$(find /dev/shm -name '*.store')"
	umount /dev/shm
}
if [ "$(id -u)" = 0 ]; then drops; else echo "skip dropped_privileges: needs root"; fi

# ---- the budget ----

fresh budget
CPROF_OUTPUT_MAX_FILES=20 CPROF_BLOCK_THRESHOLD=0 CPROF_MUTEX_FRACTION=0 LD_PRELOAD=$LIB "$S" prefork 8 15 > "$scratch/say" 2> "$scratch/err" &
pid=$!
python3 - "$out" $pid > "$scratch/watched" << 'PY'
import os, sys
out, pid = sys.argv[1], int(sys.argv[2])
seen, most = {}, 0
def look():
    global most
    names = [n for n in os.listdir(out) if n.endswith(".pb.gz") and n[0] != "."]
    most = max(most, len(names))
    for n in names:
        if n not in seen:
            try:
                seen[n] = os.stat(os.path.join(out, n)).st_mtime_ns
            except FileNotFoundError:
                pass
    return names
def running():
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")")[1].split()[0] != "Z"
    except OSError:
        return False
while running():
    look()
kept = look()
gone = [t for n, t in seen.items() if n not in kept]
print(most, len(kept), len(seen), int(bool(gone) and max(gone) <= min(seen[n] for n in kept)))
PY
wait $pid
code=$?
read -r most kept seen newest < "$scratch/watched"
claim budget_of_8_processes_costs_the_host_nothing "exit $code, $(cat "$scratch/err")" test "$code$(cat "$scratch/err")" = 7
# Each of the nine may have written the three files of a dump, and not yet removed older ones.
below budget_of_8_processes_at_any_time "$most" 47
claim budget_of_8_processes_at_the_end "$kept files" test "$kept" = 20
claim budget_removed_some "$seen files seen" test "$seen" -gt 20
claim budget_keeps_the_newest "$(cat "$scratch/watched")" test "$newest" = 1
claim budget_leaves_no_temporary_file "$(ls -A "$out")" test "$(ls -A "$out" | wc -l)" = 20
fresh budget_bytes
touch -d '2 hours ago' "$out/service.1.cpu.1.pb.gz" "$out/other.1.cpu.1.pb.gz" "$out/.service.1.cpu.2.pb.gz.1"
head -c 1000 /dev/zero > "$out/service.1.cpu.3.pb.gz"
# One dump: a last one, which a slow machine's service has lived long enough for, may have fewer kinds.
export CPROF_OUTPUT_MAX_BYTES=1 CPROF_OUTPUT_ON_EXIT=no
good budget_of_one_byte "$out"
unset CPROF_OUTPUT_MAX_BYTES CPROF_OUTPUT_ON_EXIT
claim budget_of_one_byte_keeps_the_fresh_file_and_others "$(ls -A "$out")" \
	test "$(ls -A "$out" | sed "s/$pid/PID/; s/[0-9]*.pb.gz/N/" | tr '\n' ' ')" = "other.1.cpu.N $(names service.PID.%s.N)"

# ---- stores of the killed ----

# killed COUNT: so many services that kill -9 ends, one after the other.
killed() {
	for _ in $(seq "$1"); do
		start
		kill -9 $pid
		wait $pid 2> /dev/null
	done
}
fresh swept
export CPROF_STORE_KEEP=3
killed 8
claim sweep_keeps_a_few "$(ls "$scratch/store")" test "$(ls "$scratch/store" | wc -l)" = 4
"$B/cprof" recover --dir "$out" $pid > "$scratch/recovered" 2>&1
claim sweep_keeps_the_newest_for_recover "$(cat "$scratch/recovered")" file_in "$out"
unset CPROF_STORE_KEEP
rm -f "$scratch"/store/*

# Of another PID namespace nobody knows whether it is alive.
if unshare -pf true 2> /dev/null; then
	fresh elsewhere
	unshare -pf --kill-child=KILL env LD_PRELOAD="$LIB" "$P/threads" 1 60000 1 > /dev/null 2>&1 &
	pid=$!
	wait_for 5 eval 'compgen -G "$scratch/store/1.*" > /dev/null'
	inner=$pid
	CPROF_STORE_KEEP=0 start
	stop
	pid=$inner
	store=$(ls "$scratch"/store/1.*.store)
	claim sweep_leaves_other_namespaces_alone "$(ls "$scratch/store")" test -f "$store"
	rm -f "$out"/*
	"$B/cprof" recover --dir "$out" "$store" > "$scratch/recovered" 2> "$scratch/err"
	claim recover_of_another_namespace_writes_and_leaves_the_store "$(cat "$scratch/recovered" "$scratch/err")" \
		test -f "$store" -a "$(files | wc -l)" = 1
	claim recover_of_another_namespace_says_why "$(cat "$scratch/err")" grep -q 'of another PID namespace' "$scratch/err"
	kill -9 $pid
	wait $pid 2> /dev/null
	rm -f "$scratch"/store/*

	# Two containers with one directory: each is the process 1 of its own, and they write at the same times.
	fresh containers
	outer=
	for n in 1 2; do
		CPROF_OUTPUT_LOG=$scratch/log.$n unshare -pf --mount-proc --kill-child=KILL env LD_PRELOAD="$LIB" "$P/threads" 1 1500 1 > "$scratch/ns.$n" &
		outer="$outer $!"
	done
	insiders() { pgrep -P "$(echo $outer | tr ' ' ,)"; }
	wait_for 5 eval '[ "$(insiders | wc -l)" = 2 ]'
	while [ "$(insiders | wc -l)" = 2 ]; do
		kill -USR2 $(insiders) 2> /dev/null
		sleep 0.03
	done
	wait
	broken=0
	for f in "$out"/*.gz; do gzip -t "$f" 2> /dev/null || broken=$((broken + 1)); done
	claim containers_write_whole_files "$broken broken of $(ls "$out" | wc -l)" test "$broken" = 0 -a "$(files | wc -l)" -gt 20
	claim containers_leave_no_temporary_files "$(ls -A "$out" | grep '^[.]')" eval '! ls -A "$out" | grep -q "^[.]"'
	claim containers_write_every_dump "$(cat "$scratch"/log.* 2> /dev/null)" test ! -s "$scratch/log.1" -a ! -s "$scratch/log.2"
	near containers_windows_add_up "$($PROFILE total $(files))" "$(cat "$scratch"/ns.* | awk '{ s += $1 } END { print s }')" 3
else
	echo "skip sweep_leaves_other_namespaces_alone: no PID namespace can be made here"
fi
finish
