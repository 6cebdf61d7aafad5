#!/bin/bash
# SPDX-License-Identifier: MIT
# The newcomer's session of docs/guide.md, line by line, in a home of its own.
. tests/support/lib.sh
unset CPROF_OUTPUT_DIR CPROF_STORE_DIR CPROF_CONFIG LD_PRELOAD
export HOME=$scratch/home PPROF_TMPDIR=$scratch/pprof TERM=dumb LC_ALL=C.UTF-8
mkdir -p "$HOME" "$PPROF_TMPDIR"
timeout 300 python3 tests/behaviour/guide.py docs/guide.md || failed=1
finish
