#!/bin/bash
# SPDX-License-Identifier: MIT
# Every call that waits is in the block profile once, for the time that it took, by the name that the program called.
. tests/support/lib.sh
export CPROF_FOLLOW_FORK=no
# run NAME MS OPTION=VALUE...
run() {
	local name=$1 ms=$2
	shift 2
	fresh "$name"
	env "$@" LD_PRELOAD="$LIB" "$B/programs/waited" "$ms" > "$scratch/said" 2> "$scratch/err"
	claim "waited_${name}_ends_as_without_us" "status $?, $(head -3 "$scratch/err")" test $? = 0 -a ! -s "$scratch/err"
}
last() { ls -v "$out"/*.block.*.pb.gz 2> /dev/null | tail -1; }
run all 20 CPROF_BLOCK_THRESHOLD=1 CPROF_BLOCK_IDLE=yes
python3 tests/behaviour/waited.py "$scratch/said" "$(last)" || failed=1
run busy 3 CPROF_BLOCK_THRESHOLD=1
python3 tests/behaviour/waited.py "$scratch/said" "$(last)" without-idle || failed=1
run none 2 CPROF_BLOCK_THRESHOLD=0 CPROF_BLOCK_IDLE=yes CPROF_CPU_ENABLED=no
claim waited_no_threshold_no_profile "$(last)" test -z "$(last)"
waits=$($PROFILE stacks "$out"/*.pb.gz | grep -cE '(by|raw|dumped|after)_[a-z_]*;')
claim waited_no_threshold_no_waits "$waits stacks" test "$waits" = 0
mv "$scratch/said" "$scratch/timed"
# Waits off altogether: then no clock is read, and calls and locks are passed on.
run off 2 CPROF_BLOCK_THRESHOLD=0 CPROF_MUTEX_FRACTION=0
claim waited_off_same_calls "$(diff "$scratch/timed" "$scratch/said" | head -3)" \
	test -s "$scratch/timed" -a "$(cut -d' ' -f1-4 "$scratch/timed")" = "$(cut -d' ' -f1-4 "$scratch/said")"
claim waited_off_no_profile_of_waits "$(ls "$out")" sh -c "! ls '$out' | grep -qE '[.](block|mutex|wall)[.]'"
fresh narrow
said=$(CPROF_CPU_HZ=1000 CPROF_BLOCK_THRESHOLD=1 CPROF_BLOCK_IDLE=yes LD_PRELOAD=$LIB "$B/programs/narrow" 1400 2>&1)
claim waited_on_a_narrow_stack "status $?, $said" test "$?:$said" = 0:done

# ---- what was no wait after all is CPU time in wall ----
fresh unwaited
CPROF_BLOCK_IDLE=yes LD_PRELOAD=$LIB "$B/programs/unwaited"
cpu=$($PROFILE total "$out"/unwaited.*.cpu.1.pb.gz) wall=$($PROFILE total "$out"/unwaited.*.wall.1.pb.gz)
claim waited_no_wait_is_cpu_in_wall "$wall ns of $cpu" test "$wall" -ge $((cpu * 8 / 10)) -a "$cpu" -gt 500000000

# ---- where no clock may be read ----
fresh confined
for how in prctl raw-prctl raw-seccomp counter; do
	for where in alone thread exit; do
		without=$("$B/programs/confined" $how $where 2>&1; echo "status $?")
		with=$(CPROF_BLOCK_THRESHOLD=1 LD_PRELOAD=$LIB "$B/programs/confined" $how $where 2>&1; echo "status $?")
		claim "waited_${how}_$where" "$with and not $without" eval '[ "$with" = "$without" ] && grep -q ok <<< "$with"'
	done
done
claim waited_confined_has_profiles "$(ls "$out")" test "$(ls "$out"/*.block.1.pb.gz | wc -l)" -ge 8
finish
