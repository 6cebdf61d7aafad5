#!/bin/bash
# SPDX-License-Identifier: MIT
# The heap profile counts every function of malloc's family to the byte, whichever the allocator behind it is, and the
# host cannot tell.
. tests/support/lib.sh
P=$B/programs
RAW=$B/rawprof
[ -x "$RAW" ] || make -s B="$B" "$RAW" > /dev/null || exit 1
export CPROF_HEAP_SAMPLE_BYTES=1 CPROF_CPU_ENABLED=no
lib=$(gcc -print-file-name=libc.so.6)
lib=${lib%/*}
JEMALLOC=$lib/libjemalloc.so.2 TCMALLOC=$lib/libtcmalloc_minimal.so.4 MIMALLOC=$lib/libmimalloc.so.2.0

# profile PROGRAM [PID] [KIND]: the one file in $out, or the first of that process.
profile() { ls "$out/$1".${2:-*}."${3:-heap}".1.pb.gz 2> /dev/null | head -1; }
# differences ROWS FILE: each function of "row NAME a b c d" whose sums in the profile are others, or "none".
differences() {
	"$RAW" --sums "$2" | awk -v rows="$1" '
		BEGIN {
			while ((getline line < rows) > 0)
				if (split(line, f, " ") == 6 && f[1] == "row") {
					name[f[2]]
					for (i = 0; i < 4; i++) want[f[2], i] = f[i + 3]
				}
		}
		{
			n = split($0, part, ";"); split(part[n], value, " "); split("", seen)
			for (k = 1; k < n; k++)
				if (part[k] in name && !(part[k] in seen)) {
					seen[part[k]]
					for (i = 0; i < 4; i++) got[part[k], i] += value[i + 1]
				}
		}
		END {
			for (x in name)
				for (i = 0; i < 4; i++)
					if (want[x, i] != "-" && ++all && want[x, i] != got[x, i] + 0)
						say = say sprintf("%s[%d] is %d, not %d; ", x, i, got[x, i], want[x, i])
			print say ? say : all ? "none" : "no rows"
		}'
}
# exact NAME ROWS FILE
exact() {
	local say=no\ profile
	[ -n "$3" ] && say=$(differences "$2" "$3")
	claim "$1" "$say" test "$say" = none
}

# ---- every function, every allocator ----
build() { # NAME ARGS...
	local name=$1
	shift
	gcc -O2 -g -fomit-frame-pointer -D_GNU_SOURCE -o "$scratch/bin/$name" tests/programs/allocs.c -pthread "$@" || exit 1
}
mkdir "$scratch/bin"
build linked_jemalloc -Wl,--no-as-needed "$JEMALLOC" &
build linked_tcmalloc -Wl,--no-as-needed "$TCMALLOC"
build linked_mimalloc -Wl,--no-as-needed "$MIMALLOC" &
build fixed -fno-pie -no-pie
wait
# same NAME PRELOAD PROGRAM: answers as without us, and a profile that is right.
same() {
	fresh "$1"
	LD_PRELOAD=$2 "$3" > "$scratch/$1.without" 2> "$scratch/$1.err_without"
	LD_PRELOAD="$LIB $2" "$3" > "$scratch/$1.rows" 2> "$scratch/$1.err"
	claim "heap_answers_with_$1" "exit $?, $(diff "$scratch/$1.without" "$scratch/$1.rows" | head -3; head -1 "$scratch/$1.err")" \
		cmp -s "$scratch/$1.without" "$scratch/$1.rows"
	exact "heap_exact_with_$1" "$scratch/$1.rows" "$(profile "${3##*/}")"
}
same glibc "" "$P/allocs"
same fixed_addresses "" "$scratch/bin/fixed"
same preloaded_jemalloc "$JEMALLOC" "$P/allocs"
same preloaded_tcmalloc "$TCMALLOC" "$P/allocs"
same preloaded_mimalloc "$MIMALLOC" "$P/allocs"
same linked_jemalloc "" "$scratch/bin/linked_jemalloc"
same linked_tcmalloc "" "$scratch/bin/linked_tcmalloc"
same linked_mimalloc "" "$scratch/bin/linked_mimalloc"
same cxx "" "$P/allocs_cxx"
# An allocator has operators of its own, which do not come by malloc; the ordinary ones before it do.
same cxx_and_jemalloc "libstdc++.so.6 $JEMALLOC" "$P/allocs_cxx"
finish
