#!/bin/bash
# SPDX-License-Identifier: MIT
# A dump on request, in a small host and in a large one.
echo "## A dump on request"
echo
echo "us, median and worst of 20: how long its thread is held, until the file is there, and the longest gap of another running"
echo "thread during dumps and in as much time without. tests/programs/held: 10,000 stacks; then with 5000 threads, 10 GiB, 100,000 descriptors."
echo
echo '```'
for what in "0 0 0" "5000 10 100000"; do
	mkdir -p -m 700 "$dir/out-held"
	# shellcheck disable=SC2086
	CPROF_OUTPUT_DIR=$dir/out-held CPROF_STORE_DIR='' LD_PRELOAD=$LIB timeout 120 "$B/programs/held" 10000 $what 20
	rm -rf "$dir/out-held"
done
echo '```'
