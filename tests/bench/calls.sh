#!/bin/bash
# SPDX-License-Identifier: MIT
# ns per call of what is wrapped and often called.
mkdir -p -m 700 "$dir/out-calls"
echo "## Wrapped calls"
echo
echo "ns per call, the least of 9 interleaved rounds. Of a call that waits some 15 ns are two readings of the clock; a function that returns behind a"
echo "system call costs up to 19 (AMD EPYC: the processor has lost where it goes), whatever it does: most behind a read of /dev/zero, 5 behind others."
echo
echo "| | nothing | pass-through | empty library | libcprof.so | over the less of nothing and empty | over the pass-through |"
echo "|---|---|---|---|---|---|---|"
for _ in 1 2 3 4 5 6 7 8 9; do
	"$B/bench/calls" | sed 's/^/none /'
	LD_PRELOAD=$B/bench/forward_call.so "$B/bench/calls" | sed 's/^/forward /'
	LD_PRELOAD=$B/bench/empty.so "$B/bench/calls" | sed 's/^/empty /'
	CPROF_OUTPUT_DIR=$dir/out-calls LD_PRELOAD=$LIB "$B/bench/calls" | sed 's/^/ours /'
done | awk '{ k = $2 " " $1; if (!(k in v) || $3 < v[k]) v[k] = $3; if (!($2 in seen)) { seen[$2] = 1; names[++n] = $2 } }
	END { for (i = 1; i <= n; i++) { s = names[i]; a = v[s " none"]; b = v[s " empty"]; c = v[s " ours"]; f = v[s " forward"]
		least = a < b ? a : b; limit = s ~ /^read_1/ ? 25 : 0; above = s == "syscall_gettid" ? 2 : 0
		printf "| %s | %.1f | %.1f | %.1f | %.1f | %+.1f%s | %+.1f%s |\n", s, a, f, b, c,
			c - least, limit ? " (at most 25: " (c - least <= limit ? "yes)" : "no)") : "",
			c - f, above ? " (at most 2: " (c - f <= above ? "yes)" : "no)") : "" } }'
