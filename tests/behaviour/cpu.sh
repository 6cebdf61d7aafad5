#!/bin/bash
# SPDX-License-Identifier: MIT
# The CPU profile against programs whose answer is known: shares, totals, rates.  SPLIT_SECONDS, SHORT_THREADS, RATE_MS:
# how much of them; what is asked of the figures is the same.
. tests/support/lib.sh
P=$B/programs

# Four threads split their CPU 50/30/15/5.
fresh split
ns=$(under "$P/split" "${SPLIT_SECONDS:-4}")
total=$($PROFILE total $(files))
near cpu_total_of_four_unequal_threads "$total" "$ns" 3
for share in 50 30 15 5; do
	part=$($PROFILE cum work_$share $(files))
	claim cpu_share_$share "$part of $total ns is not within 2 points of $share %" \
		awk -v p="$part" -v t="$total" -v s=$share 'BEGIN { d = 100 * p / t - s; printf "# work_%d: %.2f %%\n", s, 100 * p / t; exit !(d <= 2 && d >= -2) }'
done

# Threads too short for a sample each.
fresh short
ns=$(under "$P/threads" "${SHORT_THREADS:-1000}" 5 2)
near cpu_total_of_many_threads_of_5_ms "$($PROFILE total $(files))" "$ns" 3
claim cpu_of_short_threads_names_their_start_function "no [cpu not sampled] under work" \
	sh -c "$PROFILE stacks $(files) | grep -q '^work;\[cpu not sampled\]'"

# Rates at and above the kernel's tick: totals by overruns.
ms=${RATE_MS:-1200}
for hz in 250 1000; do
	for n in 1 4; do
		fresh rate
		ns=$(CPROF_CPU_HZ=$hz under "$P/threads" $n $((ms / n + 300)) $n)
		near cpu_total_at_${hz}_hz_${n}_threads "$($PROFILE total $(files))" "$ns" 3
	done
done
claim cpu_value_is_samples_times_period "samples x 1000000 != total" \
	test "$(($($PROFILE samples $(files)) * 1000000))" = "$($PROFILE total $(files))"

# Timers refused: the fallback says so and still finds the CPU time.
fresh fallback
ns=$( (ulimit -i 0; under "$P/threads" 1 1500 1 2> "$scratch/err") )
near cpu_total_with_itimer_fallback "$($PROFILE total $(files))" "$ns" 10
claim cpu_fallback_is_said_once "stderr: $(cat "$scratch/err")" test "$(grep -c 'using ITIMER_PROF' "$scratch/err")" = 1

# Every stack of a simple program ends at the root, and none holds a frame of ours.
claim cpu_no_frame_of_ours "$($PROFILE stacks $(files) | grep -E 'libcprof|cprof_|run_posix|host_' | head -1)" \
	sh -c "! $PROFILE stacks $(files) | grep -qE 'libcprof|run_posix|host_thread|on_prof'"
finish
