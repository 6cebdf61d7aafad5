#!/bin/sh
# SPDX-License-Identifier: MIT
# Are our stacks libunwind's?  Samples real programs with the oracle library and holds the figures
# against the limits below.  usage: [B=builddir] run.sh [WORKDIR]; PYTHON and CC may be set.
set -u
LC_ALL=C; export LC_ALL
here=$(cd "$(dirname "$0")" && pwd)
library=$(realpath "${B:-build}/oracle/oracle.so")
if [ $# -gt 0 ]; then work=$1; mkdir -p "$work"; else work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; fi
seconds=${ORACLE_SECONDS:-2}
MIN_EACH=1500 MIN_TOTAL=10000 MIN_EQUAL=99.9 MIN_ROOT=99.5
out=$work/samples.txt
: >"$out"

sampled() { # program arguments...
	ORACLE_OUT=$out LD_PRELOAD=$library "$@" >"$work/stdout" 2>"$work/stderr" ||
		echo "oracle: $1 failed: $(tail -n 1 "$work/stderr")"
}
skip() { echo "skip oracle_$1: not installed"; }
have() { command -v "$1" >/dev/null; }

python_workload() {
	# A version manager's python3 is a shell script; what counts is the interpreter behind it.
	python=$("${PYTHON:-python3}" -c 'import sys; print(sys.executable)')
	sampled "$python" "$here/workload.py" "$seconds"
}
node_workload() { if have node; then sampled node "$here/workload.js" "$seconds"; else skip node; fi; }
sqlite_workload() {
	have sqlite3 || { skip sqlite3; return; }
	{
		echo 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL); CREATE INDEX tb ON t(b);'
		echo 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<60000)'
		echo "INSERT INTO t SELECT i, printf('%08x', (i*2654435761)%4294967296), i*0.5 FROM n;"
		i=0
		while [ $i -lt "$((seconds * 7))" ]; do
			echo 'SELECT count(*), sum(length(x.b||y.b)) FROM t x JOIN t y ON y.a=(x.a*7)%60000;'
			echo 'SELECT substr(b,1,3) k, avg(c), group_concat(a%10) FROM t GROUP BY k ORDER BY 2 DESC LIMIT 5;'
			echo "SELECT count(*) FROM t WHERE b LIKE '%a%f%';"
			echo "SELECT json_group_array(json_object('a',a,'b',b)) -> 10 FROM t WHERE a%7=$((i % 7));"
			i=$((i + 1))
		done
	} >"$work/workload.sql"
	sampled sqlite3 -init /dev/null :memory: ".read $work/workload.sql"
}
cc1_workload() {
	cc1=$("${CC:-gcc}" -print-prog-name=cc1)
	have "$cc1" || { skip cc1; return; }
	i=0
	while [ $i -lt "$((seconds * 90))" ]; do
		cat <<-END
			struct s$i { int a[$((i % 9 + 2))]; double d; struct s$i *next; };
			static double f$i(struct s$i *p, int n) {
				double sum = p->d;
				for (int k = 0; k < n; k++) {
					switch ((p->a[k % $((i % 9 + 2))] + k) % 7) {
					case 0: sum += k * $i; break;
					case 1: sum *= 1.5; p = p->next; break;
					case 2: p->a[0] ^= k << 3; break;
					case 5: for (int j = 0; j < k; j++) p->a[j % 2] += j * k; break;
					default: sum -= p->next->d;
					}
				}
				return sum;
			}
			double g$i(struct s$i *p, int n) { return f$i(p, n) + f$i(p->next, n * 2); }
		END
		i=$((i + 1))
	done >"$work/big.c"
	sampled "$cc1" -quiet -O2 "$work/big.c" -o "$work/big.s"
}
redis_workload() {
	if ! have redis-server || ! have redis-benchmark; then skip redis-server; return; fi
	ORACLE_OUT=$out LD_PRELOAD=$library redis-server --port 0 --unixsocket "$work/redis.sock" \
		--save '' --appendonly no --dir "$work" --logfile "$work/redis.log" &
	server=$!
	i=0
	while [ ! -S "$work/redis.sock" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i + 1)); done
	timeout "$seconds" redis-benchmark -s "$work/redis.sock" -q -l -c 20 -P 8 -r 100000 \
		-t set,get,lpush,lrange_100,zadd,mset >/dev/null 2>&1
	kill -TERM "$server"
	wait "$server"
}

# Two programs at a time: that is what small machines have.
sample_all() {
	cc1_workload & python_workload; wait
	node_workload & redis_workload; wait
	sqlite_workload
}

judge() {
	awk -v each=$MIN_EACH -v all=$MIN_TOTAL -v min_equal=$MIN_EQUAL -v min_root=$MIN_ROOT '
	function value(name,    i) {
		for (i = 2; i <= NF; i++)
			if (index($i, name "=") == 1) return substr($i, length(name) + 2)
		return 0
	}
	/^  / { details = details $0 "\n"; next }
	{
		n = value("samples"); samples[$1] += n; total += n
		equal[$1] += value("equal"); all_equal += value("equal"); root[$1] += value("root")
		depth[$1] = value("depth"); ns[$1] = value("walk_ns"); ends[$1] = value("ends")
	}
	END {
		printf "%s", details
		for (p in samples) {
			n = samples[p] ? samples[p] : 1; share = 100 * root[p] / n
			figures = sprintf("%d samples, %.3f %% equal, %.3f %% to the root, depth %.1f, %d ns a walk",
				samples[p], 100 * equal[p] / n, share, depth[p], ns[p])
			if (samples[p] < each) {
				print "not ok oracle_" p ": too few: " figures; few = 1
			} else if (p ~ /^(python|cc1|redis)/ && share < min_root) {
				print "not ok oracle_" p ": root below " min_root " %: " figures; bad = 1
			} else {
				print "ok oracle_" p ": " figures
			}
		}
		share = total ? 100 * all_equal / total : 0
		figures = sprintf("%d samples, %.3f %% equal to libunwind", total, share)
		if (total < all) { print "not ok oracle: too few: " figures; few = 1 }
		else if (share < min_equal) { print "not ok oracle: below " min_equal " %: " figures; bad = 1 }
		else print "ok oracle: " figures
		exit bad ? 1 : few ? 2 : 0
	}' "$out"
}

sample_all
verdict=$(judge)
code=$?
if [ $code = 2 ]; then
	echo "too few samples on a busy machine: once more"
	sample_all
	verdict=$(judge)
	code=$?
fi
echo "$verdict"
exit $code
