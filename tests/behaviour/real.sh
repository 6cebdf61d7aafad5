#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that nobody here wrote: the same output and exit code with and without us, and a profile that
# is rooted.
. tests/support/lib.sh

# same NAME COMMAND...: stdout, stderr and exit code are equal, byte for byte.
same() {
	local name=$1 plain under
	shift
	fresh "same"
	"$@" > "$scratch/plain.out" 2> "$scratch/plain.err"
	plain=$?
	# short: on a quick machine some of them have less than ten samples.
	LD_PRELOAD=$LIB CPROF_CPU_HZ=250 CPROF_OUTPUT_SHORT=yes "$@" > "$scratch/under.out" 2> "$scratch/under.err"
	under=$?
	claim "same_$name" "exit $plain and $under; $(diff "$scratch/plain.out" "$scratch/under.out" | head -2) $(diff "$scratch/plain.err" "$scratch/under.err" | head -2)" \
		sh -c "[ $plain = $under ] && cmp -s $scratch/plain.out $scratch/under.out && cmp -s $scratch/plain.err $scratch/under.err"
}
# rooted NAME PER_CENT: the profiles of the last `same` have samples, reach their roots, and hold no frame of
# ours (an own tick is one frame, [cprof: busy]).
rooted() {
	local share
	share=$($PROFILE roots $(files) 2> /dev/null | head -1)
	claim "no_frame_of_ours_$1" "$($PROFILE stacks $(files) | grep -m1 -E 'libcprof|;on_prof|;on_dump')" \
		sh -c "! $PROFILE stacks $(files | tr '\n' ' ') | grep -qE 'libcprof|;on_prof|;on_dump'"
	claim "rooted_$1" "$share % of $(files | wc -l) files: $($PROFILE stacks $(files) | grep -m2 '\[truncated' | cut -c1-300)" awk -v a="${share:-0}" -v b="$2" 'BEGIN { exit !(a >= b) }'
}

cat > "$scratch/work.py" << 'PY'
import collections, hashlib, json, re, subprocess, sys
words, n = re.compile(r"[a-z]+"), collections.Counter()
for i in range(30000):
    s = json.dumps({"key%d" % (i % 97): list(range(i % 20)), "text": "some words and %d numbers" % i})
    n.update(words.findall(s))
print(sorted(n.items())[:5], hashlib.sha256(repr(n).encode()).hexdigest())
print(subprocess.run(["/bin/echo", "child"], capture_output=True).stdout)
sys.exit(3)
PY
same python3 /usr/bin/python3 "$scratch/work.py"
rooted python3 99.5
same sqlite3 sqlite3 :memory: "with recursive c(x) as (values(1) union all select x+1 from c where x<900000) select sum(x*x%7), count(distinct x%1000) from c; select nonsense;"
rooted sqlite3 99.5
python3 - > "$scratch/big.c" << 'PY'
print("#include <string.h>")
for i in range(250):
    print("int f%d(const char*s,int n){int a=0;for(int i=0;i<n;i++){switch(s[i]%%7){case 0:a+=%d;break;"
          "case 1:a^=i*%d;break;case 2:a-=(int)strlen(s+i);break;default:a=a*31+s[i];}}return a;}" % (i, i + 3, i * 7 + 1))
print("int broken( {")
PY
same gcc_with_an_error gcc -O2 -c "$scratch/big.c" -o "$scratch/big.o"
sed -i '$d' "$scratch/big.c"
same gcc gcc -O2 -S -o - "$scratch/big.c"
rooted gcc 99.5
same git git log --stat --no-color
same bash bash -c 'for i in $(seq 300); do x=$((x + i)); done; echo $x; trap "echo usr" USR1; kill -USR1 $$; (exit 5); echo $?; cat < /dev/null | wc -c; exec ls /'
same perl perl -e 'my %h; $h{$_ % 1000} .= $_ for 1..400000; print length(join ",", map { $h{$_} } sort keys %h), "\n"; die "done\n"'
rooted perl 99.5
same awk awk 'BEGIN { for (i = 0; i < 1500000; i++) s += i % 7; print s; exit 9 }'
if command -v node > /dev/null; then
	same node node -e 'const a = []; let s = 0; for (let i = 0; i < 3e6; i++) { s += i % 7; if (i % 50 === 0) a.push({x: i, y: String(i)}); } console.log(s, JSON.stringify(a).length); process.exit(4)'
	rooted node 99
else
	echo "skip same_node: no node here"
fi

# redis, killed by SIGKILL in the middle of a load.
fresh redis
port=$((20000 + $$ % 20000))
LD_PRELOAD=$LIB redis-server --port $port --bind 127.0.0.1 --save '' --dir "$scratch" > "$scratch/log" 2>&1 &
redis=$!
wait_for 5 sh -c "redis-cli -p $port ping 2> /dev/null | grep -q PONG"
redis-benchmark -h 127.0.0.1 -p $port -n 100000000 -c 10 -P 16 -t set,get -q > /dev/null 2>&1 &
bench=$!
wait_for 30 used $redis 1500
ticks=$(ticks_of $redis)
kill -9 $redis
wait $redis 2> /dev/null
kill $bench 2> /dev/null
wait $bench 2> /dev/null
"$B/cprof" recover $redis --dir "$out" > "$scratch/recovered" 2>&1
claim redis_killed_is_recovered "$(cat "$scratch/recovered")" test "$(files | wc -l)" = 1
near redis_recovered_up_to_the_last_sample "$($PROFILE total $(files))" $((ticks * (1000000000 / $(getconf CLK_TCK)))) 6
rooted redis 99.5
claim redis_profile_makes_sense "$($PROFILE flat $(files) | head -5 | tr '\n' ' ')" \
	sh -c "$PROFILE stacks $(files) | grep -q 'main;aeMain;.*readQueryFromClient;.*processCommand'"

# redis again, with forks for background saves, and an orderly end.
fresh redis
LD_PRELOAD=$LIB CPROF_CPU_HZ=250 redis-server --port $port --enable-debug-command local --bind 127.0.0.1 --dir "$scratch" > "$scratch/log" 2>&1 &
redis=$!
wait_for 5 sh -c "redis-cli -p $port ping 2> /dev/null | grep -q PONG"
redis-cli -p $port debug populate 600000 > /dev/null
redis-cli -p $port bgsave > /dev/null
wait_for 10 sh -c "redis-cli -p $port info persistence | grep -q 'rdb_bgsave_in_progress:0'"
status=$(redis-cli -p $port info persistence | tr -d '\r' | sed -n 's/rdb_last_bgsave_status://p')
redis-cli -p $port shutdown nosave
wait $redis
claim redis_bgsave_and_shutdown "exit $?, bgsave $status" test "$? $status" = "0 ok"
claim redis_child_has_a_profile_of_its_own "$(ls "$out")" sh -c "$PROFILE stacks $(files | grep -v "\.$redis\.") | grep -q rdbSave"
claim redis_leaves_no_store "$(ls "$scratch/store")" test -z "$(ls "$scratch/store")"
finish
