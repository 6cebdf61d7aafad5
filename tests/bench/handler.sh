#!/bin/bash
# SPDX-License-Identifier: MIT
# The handler in situ: what a sample costs the interrupted thread, as every profile tells of its own process.
cc1=$(gcc -print-prog-name=cc1)
python3 tests/bench/big.py 600 > "$dir/big.i"
run_python() { /usr/bin/python3 tests/bench/work.py; }
run_cc1() { "$cc1" -fpreprocessed -quiet -O2 "$dir/big.i" -o "$dir/big.s"; }

echo "## One sample"
echo
echo "What the handler costs the interrupted thread in ns, without the kernel's signal delivery, at 250 Hz; from the comments"
echo "of three profiles each."
echo
echo "| | |"
echo "|---|---|"
for what in python cc1; do
	mkdir -p -m 700 "$dir/out-$what"
	for _ in 1 2 3; do
		CPROF_CPU_HZ=250 CPROF_OUTPUT_DIR=$dir/out-$what LD_PRELOAD=$LIB run_$what > /dev/null
	done
	for f in "$dir/out-$what"/*.cpu.*.pb.gz; do
		printf '| %s | %s |\n' $what "$(python3 tests/support/profile.py comments "$f" | grep -o 'median.*')"
	done
done
