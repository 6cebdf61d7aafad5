#!/bin/bash
# SPDX-License-Identifier: MIT
# ns per call of what is wrapped and often called.
mkdir -p -m 700 "$dir/out-calls"
echo "## Wrapped calls"
echo
echo "ns per call, the least of 9 interleaved rounds."
echo
echo "| | nothing | empty library | libcprof.so | over the less of both |"
echo "|---|---|---|---|---|"
for _ in 1 2 3 4 5 6 7 8 9; do
	"$B/bench/calls" | sed 's/^/none /'
	LD_PRELOAD=$B/bench/empty.so "$B/bench/calls" | sed 's/^/empty /'
	CPROF_OUTPUT_DIR=$dir/out-calls LD_PRELOAD=$LIB "$B/bench/calls" | sed 's/^/ours /'
done | awk '{ k = $2 " " $1; if (!(k in v) || $3 < v[k]) v[k] = $3; if (!($2 in seen)) { seen[$2] = 1; names[++n] = $2 } }
	END { for (i = 1; i <= n; i++) { a = v[names[i] " none"]; b = v[names[i] " empty"]; c = v[names[i] " ours"]
		printf "| %s | %.1f | %.1f | %.1f | %+.1f |\n", names[i], a, b, c, c - (a < b ? a : b) } }'
