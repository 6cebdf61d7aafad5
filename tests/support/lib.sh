# SPDX-License-Identifier: MIT
# For behaviour tests: claims, scratch space, and running a program under the library.
# A test script sources this, makes claims, and ends with `finish`.
B=${B:-build}
B=$(cd "$B" && pwd)
ROOT=$(pwd)
LIB=$B/libcprof.so
# A version manager's python3 is a shell script that takes ten times as long to start as what is behind it.
if [ -z "$PYTHON_IN_PATH" ]; then
	PYTHON_IN_PATH=$(dirname "$(python3 -c 'import sys; print(sys.executable)')")
	export PYTHON_IN_PATH PATH=$PYTHON_IN_PATH:$PATH
fi
PROFILE="python3 $ROOT/tests/support/profile.py"
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1: $2"
	failed=1
}
# claim NAME MESSAGE COMMAND...: ok when the command succeeds.
claim() {
	local name=$1 message=$2
	shift 2
	if "$@"; then ok "$name"; else not_ok "$name" "$message"; fi
}
# near NAME VALUE WANTED PER_CENT: the value is within so many per cent of the wanted one.
near() {
	local say="$2, wanted $3 within $4 %"
	if awk -v a="$2" -v b="$3" -v p="$4" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(b > 0 && d * 100 <= p * b) }'; then
		ok "$1 ($say)"
	else
		not_ok "$1" "$say"
	fi
}
# below NAME VALUE LIMIT
below() {
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a <= b) }'; then ok "$1 ($2, limit $3)"; else not_ok "$1" "$2, limit $3"; fi
}
# fresh DIR: an empty output directory, in $out, and a store directory of its own.
fresh() {
	out=$scratch/$1
	rm -rf "$out"
	mkdir -p -m 700 "$out" "$scratch/store"
	export CPROF_OUTPUT_DIR=$out CPROF_STORE_DIR=$scratch/store
}
# under PROGRAM ARGS...: runs a program with the library; CPROF_* come from the caller.
under() { LD_PRELOAD=$LIB "$@"; }
# Every dump has a file of each of these, in the order of ls, where all is recorded.
KINDS="allocs block cpu heap mutex wall"
# names FORMAT: one for each kind, "names 'x.%s.1.pb.gz'", each followed by a blank.
names() {
	local k
	for k in $KINDS; do printf "$1 " "$k"; done
}
# files: the complete CPU profiles in $out, oldest number first.
files() { ls -v "$out"/*.cpu.*.pb.gz 2>/dev/null; }
# wait_for SECONDS COMMAND...
wait_for() {
	local n=$(($1 * 20))
	shift
	while [ $n -gt 0 ]; do
		"$@" && return 0
		sleep 0.05
		n=$((n - 1))
	done
	return 1
}
# ticks_of PID: of the kernel's clock, that it has used.  used PID MS: has it used so much?
ticks_of() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
used() { [ $(($(ticks_of "$1") * 1000 / $(getconf CLK_TCK))) -ge "$2" ]; }
finish() { exit $failed; }
