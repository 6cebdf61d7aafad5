#!/bin/bash
# SPDX-License-Identifier: MIT
# What a process is larger by.
run_python() { /usr/bin/python3 tests/bench/work.py; }
mkdir -p -m 700 "$dir/out-memory"
for _ in 1 2 3 4 5; do
	run_python >> "$dir/rss-nothing"
	LD_PRELOAD=$B/bench/empty.so run_python >> "$dir/rss-empty.so"
	CPROF_OUTPUT_DIR=$dir/out-memory LD_PRELOAD=$LIB run_python >> "$dir/rss-libcprof.so"
done
echo "## Memory"
echo
echo "Peak resident set of the python workload, KiB, median of 5 interleaved runs."
echo
echo "| | |"
echo "|---|---|"
for what in nothing empty.so libcprof.so; do echo "| $what | $(sort -n "$dir/rss-$what" | sed -n 3p) |"; done
