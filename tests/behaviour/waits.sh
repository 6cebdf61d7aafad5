#!/bin/bash
# SPDX-License-Identifier: MIT
# Our signals in the host's waiting calls: nothing ends early, lasts longer or says something else.
. tests/support/lib.sh
export TMPDIR=$scratch
fresh waits
python3 tests/behaviour/waits.py "$B/programs/waits" "$LIB" "$out" || failed=1
finish
