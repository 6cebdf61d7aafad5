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
echo
echo "## A dump with names"
echo
echo "50 libraries of 4000 functions each, made here; 10,000 stacks over all of them, 20 dumps. Names are looked for at the dump only."
echo
echo '```'
for i in $(seq 10 59); do
	tests/bench/named_library "$i" 4000 > "$dir/lib$i.s" && gcc -shared -nostdlib -o "$dir/lib$i.so" "$dir/lib$i.s"
	rm -f "$dir/lib$i.s"
done
gcc -O2 -D_GNU_SOURCE -o "$B/bench/named" tests/bench/named.c
mkdir -p -m 700 "$dir/out-named"
CPROF_CPU_HZ=1 CPROF_OUTPUT_DIR=$dir/out-named CPROF_STORE_DIR='' LD_PRELOAD=$LIB timeout 120 "$B/bench/named" 10000 20 "$dir"/lib??.so
python3 tests/support/profile.py comments "$(ls "$dir"/out-named/*.cpu.*.pb.gz | head -1)" | grep -E 'full|not fit|no name'
rm -rf "$dir/out-named" "$dir"/lib??.so
echo '```'
