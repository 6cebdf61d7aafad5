#!/bin/bash
# SPDX-License-Identifier: MIT
# ns per uncontended lock and unlock.
mkdir -p -m 700 "$dir/out-locks"
echo "## Locks"
echo
echo "ns per uncontended lock and unlock, the least of 40 interleaved rounds, each the best of 225 loops of 200 us, on one CPU. alone: the process has never had a second thread."
echo
for _ in $(seq 40); do
	for how in "" threads; do
		taskset -c 0 "$B/bench/pairs" $how | sed 's/^/none /'
		LD_PRELOAD=$B/bench/forward_lock.so taskset -c 0 "$B/bench/pairs" $how | sed 's/^/forward /'
		CPROF_OUTPUT_DIR=$dir/out-locks LD_PRELOAD=$LIB taskset -c 0 "$B/bench/pairs" $how | sed 's/^/ours /'
		LD_PRELOAD=$B/bench/forward_lock_again.so taskset -c 0 "$B/bench/pairs" $how | sed 's/^/again /'
	done
done | awk '{ k = $2 " " $1; if (!(k in v) || $3 < v[k]) v[k] = $3; if (!($2 in seen)) { seen[$2] = 1; names[++n] = $2 } }
	END {
		print "| | nothing | pass-through | the same library again | libcprof.so | over the less of both (at most 1.5) |"
		print "|---|---|---|---|---|---|"
		for (i = 1; i <= n; i++) { s = names[i]; a = v[s " forward"]; b = v[s " again"]; c = v[s " ours"]; least = a < b ? a : b
			printf "| %s | %.2f | %.2f | %.2f | %.2f | %+.2f: %s |\n", s, v[s " none"], a, b, c, c - least, c - least <= 1.5 ? "yes" : "no" } }'
