#!/bin/bash
# SPDX-License-Identifier: MIT
# Start and end of a program that does nothing, and what it leaves behind.
gperf=$(ls /usr/lib/*/libprofiler.so.0 2> /dev/null | head -1)
echo "## Start and end of /bin/true"
echo
echo "us, median of ${BENCH_STARTS:-600} interleaved runs."
echo
echo "| | median | over the empty library |"
echo "|---|---|---|"
"$B/bench/spawn" "${BENCH_STARTS:-600}" /bin/true "$B/bench/empty.so" - "$LIB" ${gperf:+"$gperf"} |
	awk -F'\t' '{ n = split($1, p, "/"); sub(/^-$/, "nothing", p[n]); printf "| %s | %.1f | %+.1f |\n", p[n], $2, $3 }'
echo
echo "Files left behind: $(find "$CPROF_STORE_DIR" -mindepth 1 | wc -l)."
