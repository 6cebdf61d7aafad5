#!/bin/bash
# SPDX-License-Identifier: MIT
# Waiting calls that are left in the middle under dumps, and what the same calls do afterwards.  LEAVE_TIMES: how
# often each is left.
. tests/support/lib.sh
export TMPDIR=$scratch LEAVE_TIMES=${LEAVE_TIMES:-12}
fresh leave
python3 tests/behaviour/leave.py "$B/programs/leave" "$LIB" "$out" || failed=1
finish
