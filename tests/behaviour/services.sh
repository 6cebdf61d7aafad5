#!/bin/bash
# SPDX-License-Identifier: MIT
# Real services and tools with the CPU profile on: they do exactly what they do without us, and each process
# that did work leaves a profile in which one who knows the program finds what he expects.
#
# Every scenario runs without us first, which says what is right here; a scenario that fails without us is
# skipped.  Profiles are awaited, never expected to be there when a signal or a process has ended.
#
# services.sh [NAME...]: only these parts.
. tests/support/lib.sh
# Processes that a scenario kills leave their stores, as they should; nginx stays when we are ended in its middle.
trap 'cat "$scratch"/*/logs/pid 2> /dev/null | xargs -r kill; rm -f $(stores_with "$scratch/"); rm -rf "$scratch"' EXIT
stores_with() { # TEXT: in the first page of a store stands where its profiles go
	local f
	for f in $(find /dev/shm/cprof-*/ -name '*.store' -newer "$scratch/reaper.py" 2> /dev/null); do
		head -c 8192 "$f" 2> /dev/null | grep -qF "$1" && echo "$f"
	done
}
P=$(($$ % 20000 + 20000)) # the first of our ports
chmod 755 "$scratch"      # services run as other users
cp "$LIB" "$scratch/libcprof.so"
chmod 755 "$scratch/libcprof.so"
export CPROF_CPU_HZ=250
root=$([ "$(id -u)" = 0 ] && echo yes)
# The tests may run under make or in a hook of git; no language but C.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export LC_ALL=C

# ---- running ----

# place NAME [without]: an output directory for processes of several users, in $out; the default directory for
# stores, which is one per user; and in "${with[@]}" what puts a command under the library, or nothing.
place() {
	out=$scratch/profiles/$1
	mkdir -p "$out"
	chmod 1777 "$out"
	unset CPROF_STORE_DIR CPROF_OUTPUT_SIGNAL
	export CPROF_OUTPUT_DIR=$out CPROF_OUTPUT_LOG=$out/log
	touch "$out/log"
	chmod 666 "$out/log"
	with=(env "LD_PRELOAD=$scratch/libcprof.so")
	[ "$2" = without ] && with=(env)
}
have() {
	local name=$1 c
	shift
	for c in "$@"; do
		command -v "$c" > /dev/null || {
			echo "skip $name: no $c here"
			return 1
		}
	done
}
# Another user, when we may be one: "${as[@]}".
become() {
	as=()
	[ -n "$root" ] && as=(setpriv "--reuid=$1" "--regid=$(id -g "$1")" --clear-groups)
}
gone() { # PID: ended, or a zombie that nobody fetches
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2> /dev/null)
	[ -z "$state" ] || [ "$state" = Z ]
}
listens() { (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# reaper LOG COMMAND...: runs a command whose orphans come to us; "pid code" in LOG for each process that ended
# as our child.  Ends when all have ended.
cat > "$scratch/reaper.py" << 'PY'
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
log = open(sys.argv[1], "w", buffering=1)
if os.fork() == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    print(pid, os.waitstatus_to_exitcode(status), file=log)
PY
reaper() { exec python3 "$scratch/reaper.py" "$@"; }

# ---- what is left ----

# all_stacks: "pid stack", a line for each stack of each profile in $out; one process reads them all.
all_stacks() {
	python3 - "$ROOT/tests/support" $(files) << 'PY'
import os, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from profile import Profile
for path in sys.argv[2:]:
    for names, _, _ in Profile(path).stacks:
        print(os.path.basename(path).split(".cpu.")[0].split(".")[-1], ";".join(reversed(names)))
PY
}

of_pid() { ls -v "$out"/*."$1".cpu.*.pb.gz 2> /dev/null; }
has_profile() { [ -n "$(of_pid "$1")" ]; }
has_files() { [ -n "$(files)" ]; }
stacks_of() { # PID: nothing when it has no profile
	local f
	f=$(of_pid "$1")
	[ -n "$f" ] && $PROFILE stacks $f
}
stores() { stores_with "$out"; }
no_stores() { [ -z "$(stores)" ]; }
# tidy NAME: the processes have ended in an orderly way: no store, no half file, no frame of ours.
tidy() {
	wait_for 2 no_stores
	claim "$1_leaves_no_store" "$(stores | tr '\n' ' ')" no_stores
	wait_for 5 no_half_files
	claim "$1_leaves_no_half_file" "$(ls -A "$out" | tr '\n' ' ')" no_half_files
	all_stacks > "$scratch/stacks"
	claim "$1_has_no_trouble_to_tell" "$(troubles_told | head -2)" test -z "$(troubles_told)"
	claim "$1_shows_no_frame_of_ours" "$(grep -m1 -E 'libcprof|;on_prof|;on_dump' "$scratch/stacks")" no_frames_of_ours
}
troubles_told() { grep -v 'handles the dump signal itself' "$out/log"; }
no_half_files() { ! ls -A "$out" | grep -q '^\..*pb\.gz'; }
no_frames_of_ours() { ! grep -qE 'libcprof|;on_prof|;on_dump' "$scratch/stacks"; }
# in_some_stack NAME PATTERN: of any process.
in_some_stack() {
	wait_for 5 some_stack_has "$2"
	claim "$1" "$(files | wc -l) files; $($PROFILE flat $(files) 2> /dev/null | head -5 | tr '\n\t' '; ')" some_stack_has "$2"
}
some_stack_has() { all_stacks > "$scratch/stacks" && grep -qE " $1" "$scratch/stacks"; }
same_result() { # NAME FILE_WITHOUT FILE_WITH
	claim "$1" "$(diff "$2" "$3" | head -6 | tr '\n' '|')" cmp -s "$2" "$3"
}
# twice NAME COMMAND...: without us, then with us; stdout, stderr and exit code are equal.  "{}" in the command
# is a directory of the run's own.
twice() {
	local name=$1 run
	shift
	for run in without with; do
		place "$name.$run" $run
		mkdir -p "$scratch/$name"
		(cd "$scratch/$name" && exec "${with[@]}" "$@") > "$scratch/$name.$run.out" 2> "$scratch/$name.$run.err" < /dev/null
		echo "exit $?" >> "$scratch/$name.$run.out"
		rm -rf "${scratch:?}/$name"
	done
	same_result "${name}_has_the_same_output" "$scratch/$name.without.out" "$scratch/$name.with.out"
	same_result "${name}_has_the_same_stderr" "$scratch/$name.without.err" "$scratch/$name.with.err"
}

# ---- nginx ----

# nginx_life: a load of new connections, and meanwhile: reload, logs reopened, another binary takes over, the
# old one goes; then the end.  What a user can see of it goes to stdout.
nginx_life() { # NAME PORT
	local dir=$scratch/$1 port=$2 masters old new reaper load n
	mkdir -p "$dir/logs" "$dir/html"
	seq 4000 > "$dir/html/page.txt"
	cat > "$dir/nginx.conf" << CONF
${root:+user nobody nogroup;}
worker_processes 2;
pid logs/pid;
error_log logs/error notice;
env LD_PRELOAD; env CPROF_OUTPUT_DIR; env CPROF_OUTPUT_LOG; env CPROF_OUTPUT_SIGNAL; env CPROF_CPU_HZ;
events { worker_connections 512; }
http {
	log_format pids "\$pid \$status";
	access_log logs/access pids;
	types { text/plain txt; }
	gzip on;
	gzip_types text/plain;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	server { listen 127.0.0.1:$port; root html; }
}
CONF
	reaper "$dir/ended" "${with[@]}" "$(command -v nginx)" -p "$dir/" -c nginx.conf -e logs/error > "$dir/say" 2>&1 &
	reaper=$!
	wait_for 5 listens "$port"
	wait_for 5 test -s "$dir/logs/pid"
	old=$(cat "$dir/logs/pid")
	ab -r -q -t 60 -n 10000000 -c 8 -H 'Accept-Encoding: gzip' "http://127.0.0.1:$port/page.txt" > "$dir/ab" 2>&1 &
	load=$!
	serve_on "$dir"
	kill -HUP "$old"
	wait_for 5 started "$dir/logs/error" 4
	serve_on "$dir"
	mv "$dir/logs/access" "$dir/logs/access.old"
	kill -USR1 "$old"
	wait_for 10 test -e "$dir/logs/access" && echo "logs reopened"
	kill -USR2 "$old"
	wait_for 5 test -s "$dir/logs/pid.oldbin"
	wait_for 10 started "$dir/logs/error" 6 && echo "new binary started"
	new=$(cat "$dir/logs/pid")
	kill -QUIT "$old"
	wait_for 10 gone "$old" && echo "old master gone"
	serve_on "$dir"
	kill -INT $load # it ends with its report
	wait $load
	python3 - "http://127.0.0.1:$port/page.txt" "$dir/html/page.txt" << 'PY'
import sys, urllib.request
print("page", urllib.request.urlopen(sys.argv[1]).read() == open(sys.argv[2], "rb").read())
PY
	[ -n "$3" ] && "$3" "$new"
	kill -QUIT "$new"
	wait_for 10 gone "$reaper" || kill -KILL "$new"
	wait $reaper
	# What ab has not fetched when it is ended is cut by it (499) and no failure.
	grep -E '^(Failed|Non-2xx)' "$dir/ab" | tr -s ' '
	cat "$dir"/logs/access* | awk '$2 != 200 && $2 != 499' | sort | uniq -c
	echo "masters $(started_masters "$dir/logs/error"), workers $(grep -c 'start worker process [0-9]' "$dir/logs/error")"
	echo "exit codes:" $(awk '{ print $2 }' "$dir/ended" | sort -u)
	grep -oE 'worker process [0-9]+ exited (with code [0-9]+|on signal [0-9]+)' "$dir/logs/error" | sed 's/ [0-9]* exited/ exited/' | sort | uniq -c
	grep -E '\[(warn|error|crit|alert|emerg)\]' "$dir/logs/error" | sed 's/.*\[/[/; s/ [0-9#]*: / /' | head -3
	nginx_masters=$(grep 'start worker processes' "$dir/logs/error" | sed -E 's/.* ([0-9]+)#.*/\1/' | uniq)
}
# serve_on DIR: until 2500 more have been answered.
serve_on() { wait_for 20 served "$1" $(($(answered "$1") + 2500)); }
served() { [ "$(answered "$1")" -ge "$2" ]; }
answered() { cat "$1"/logs/access* | wc -l; }
started() { [ "$(grep -c 'start worker process [0-9]' "$1")" -ge "$2" ]; }
started_masters() { grep 'start worker processes' "$1" | sed -E 's/.* ([0-9]+)#.*/\1/' | sort -u | wc -l; }
# Workers that answered so many requests that a hundred ms must have gone into them.
busy_workers() { cat "$scratch/$1"/logs/access* | awk '{ n[$1]++ } END { for (p in n) if (n[p] >= 1000) print p }'; }
worker_profiled() { stacks_of "$1" | grep -qE 'main;ngx_master_process_cycle;.*;ngx_process_events_and_timers;.*;ngx_http_core_run_phases;'; }

nginx_profiles() { # NAME
	local pid missing='' n=0 foreign=0
	for pid in $(busy_workers "$1"); do
		n=$((n + 1))
		wait_for 5 worker_profiled "$pid" || missing="$missing $pid"
	done
	claim "$1_each_busy_worker_has_a_profile" "of $n: none from$missing; $(ls "$out" | tr '\n' ' ')" \
		test "$n" -ge 1 -a -z "$missing"
	# A master waits, starts and writes its log; requests are its workers' work.
	for pid in $nginx_masters; do
		stacks_of "$pid" | grep -qE ';ngx_http_core_run_phases;' && foreign=1
	done
	claim "$1_no_request_is_in_a_masters_profile" "$nginx_masters" test $foreign = 0
	tidy "$1"
}
ask_worker() { # PID_OF_MASTER: a dump while it serves
	local worker
	worker=$(pgrep -P "$1" | head -1)
	kill -RTMIN+3 "$worker"
	wait_for 10 has_profile "$worker"
	[ -n "$(of_pid "$worker")" ] || echo "no profile of worker $worker on request"
}

part_nginx() {
	have nginx nginx ab || return
	place nginx_without without
	nginx_life nginx_without $P > "$scratch/nginx.without"
	place nginx
	nginx_life nginx $((P + 1)) > "$scratch/nginx.with"
	same_result nginx_reloads_upgrades_and_ends_the_same "$scratch/nginx.without" "$scratch/nginx.with"
	claim nginx_fails_no_request "$(cat "$scratch/nginx.with")" grep -qx 'Failed requests: 0' "$scratch/nginx.with"
	nginx_profiles nginx
	old=$(echo $nginx_masters | cut -d' ' -f1)
	wait_for 5 has_profile "$old"
	claim nginx_upgrade_signal_is_also_a_dump "$(ls "$out" | tr '\n' ' ')" test -n "$(of_pid "$old")"
	place nginx_own_signal
	export CPROF_OUTPUT_SIGNAL=RTMIN+3
	nginx_life nginx_own_signal $((P + 2)) ask_worker > "$scratch/nginx.own"
	same_result nginx_with_another_dump_signal_is_the_same "$scratch/nginx.without" "$scratch/nginx.own"
	nginx_profiles nginx_own_signal
}

# ---- postgres ----

postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -1)
postgres_life() { # NAME
	local dir=$scratch/pg/$1 server
	"${as[@]}" cp -a "$scratch/pg/template" "$dir"
	"${as[@]}" "${with[@]}" "$postgres_bin/postgres" -D "$dir" -k "$scratch/pg" -p $P -c listen_addresses= \
		-c fsync=off -c autovacuum_naptime=1 > "$scratch/$1.log" 2>&1 &
	server=$!
	export PGHOST=$scratch/pg PGPORT=$P PGUSER=tester PGDATABASE=postgres
	wait_for 10 pg_isready -q
	pgbench -i -s 2 -q 2>&1 | sed -E 's/ in [0-9.]+ s.*//' | tail -1
	pgbench -c 4 -j 2 -t 400 -n 2>&1 | grep -E '^number of (trans|failed)'
	# Every transaction moved one amount in three tables.
	psql -Atc "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts),
		sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history"
	"${as[@]}" sh -c "echo 'work_mem = 7MB' >> '$dir/postgresql.conf'"
	psql -Atc 'select pg_reload_conf()'
	wait_for 5 work_mem_is 7MB
	psql -Atc 'show work_mem'
	# Notifications between backends, a cancelled query, a parallel one and a terminated backend all go by signals.
	psql -Atc 'listen x; select pg_sleep(0.1)' > /dev/null &
	psql -Atc "notify x; set statement_timeout = 200; select pg_sleep(5)" 2>&1
	wait $!
	psql -At << 'SQL' 2>&1
set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
select count(*), sum(length(filler)) from pgbench_accounts where aid % 7 > 2;
checkpoint;
vacuum pgbench_accounts;
SQL
	[ -n "$2" ] && "$2" $server
	psql -Atc 'select pg_sleep(20)' > "$scratch/$1.psql" 2>&1 &
	wait_for 5 query_runs 'select pg_sleep(20)'
	kill -INT $server
	wait $!
	echo "psql at shutdown: $? $(grep -c 'due to administrator command' "$scratch/$1.psql")"
	wait $server
	echo "exit $?"
	grep -E 'PANIC|was terminated|crash|recovery' "$scratch/$1.log" | head -3
	grep -oE 'database system is (ready|shut down)' "$scratch/$1.log"
}
work_mem_is() { [ "$(psql -Atc 'show work_mem')" = "$1" ]; }
query_runs() { psql -Atc "select count(*) from pg_stat_activity where query like '$1%' and pid <> pg_backend_pid()" | grep -qx 1; }
ask_while_working() { # a dump of a backend in the middle of a statement
	local pid query="select count(distinct x % 1000) from generate_series(1, 1500000) x"
	psql -At > "$scratch/backend" 2>&1 <<< "$query; select 'alive'" &
	wait_for 5 query_runs "$query"
	pid=$(psql -Atc "select pid from pg_stat_activity where query like '$query%' and pid <> pg_backend_pid()")
	sleep 0.2
	kill -RTMIN+3 "$pid"
	wait_for 5 test -s "$out/postgres.$pid.cpu.1.pb.gz" || echo "no profile of backend '$pid' on request"
	wait $!
	[ "$(tr '\n' ' ' < "$scratch/backend")" = "1000 alive " ] || echo "the backend said $(cat "$scratch/backend")"
}
load_is_profiled() { # a load of five connections, and those that asked in between may have files too
	all_stacks > "$scratch/stacks"
	[ "$(grep ';PostgresMain;' "$scratch/stacks" | cut -d' ' -f1 | sort -u | wc -l)" -ge 5 ]
}
postgres_profiles() { # NAME
	local mixed
	wait_for 5 load_is_profiled
	claim "$1_each_backend_has_a_profile" "$(ls "$out" | tr '\n' ' ')" load_is_profiled
	claim "$1_statements_are_where_they_belong" "no such stack" \
		grep -qE ' _start;.*;main;PostmasterMain;.*;PostgresMain;.*PortalRun;.*;standard_ExecutorRun;.*ExecScan' "$scratch/stacks"
	claim "$1_load_is_a_copy" "no such stack" grep -q ';PostgresMain;.*;DoCopy;CopyFrom;' "$scratch/stacks"
	# What a process does for a living shows in no other's profile: each has at most one of these.
	mixed=$(grep -oE '^[0-9]+ |;(PostgresMain|CheckpointerMain|BackgroundWriterMain|WalWriterMain|StartupProcessMain|StartBackgroundWorker);' "$scratch/stacks" |
		awk '/^[0-9]/ { pid = $1; next } { if (has[pid] && has[pid] != $1) print pid, has[pid], $1; has[pid] = $1 }')
	claim "$1_nobodys_samples_in_anothers_profile" "$mixed" test -z "$mixed"
	tidy "$1"
}
part_postgres() {
	if [ -z "$postgres_bin" ]; then
		echo "skip postgres: no /usr/lib/postgresql here"
		return
	fi
	if [ -n "$root" ] && ! id postgres > /dev/null 2>&1; then
		echo "skip postgres: no user postgres here"
		return
	fi
	PATH=$PATH:$postgres_bin
	become postgres
	mkdir "$scratch/pg"
	[ -n "$root" ] && chown postgres "$scratch/pg"
	"${as[@]}" initdb -D "$scratch/pg/template" -U tester -A trust -N --no-locale -E UTF8 > "$scratch/initdb" 2>&1
	place postgres_without without
	postgres_life postgres_without > "$scratch/postgres.without"
	place postgres
	postgres_life postgres > "$scratch/postgres.with"
	claim postgres_loses_no_transaction "$(cat "$scratch/postgres.without")" \
		grep -qx 'number of transactions actually processed: 1600/1600' "$scratch/postgres.without"
	same_result postgres_answers_reloads_and_ends_the_same "$scratch/postgres.without" "$scratch/postgres.with"
	postgres_profiles postgres
	place postgres_own_signal
	export CPROF_OUTPUT_SIGNAL=RTMIN+3
	postgres_life postgres_own_signal ask_while_working > "$scratch/postgres.own"
	same_result postgres_with_another_dump_signal_is_the_same "$scratch/postgres.without" "$scratch/postgres.own"
	postgres_profiles postgres_own_signal
}


# ---- memcached ----

# Eight connections that know what the server must answer, and the end by a signal.
cat > "$scratch/memcached.py" << 'PY'
import socket, sys, threading
port, rounds = int(sys.argv[1]), int(sys.argv[2])
wrong, done = [], []

def client(number):
    f = socket.create_connection(("127.0.0.1", port)).makefile("rwb")

    def ask(line, *more):
        f.write(line.encode() + b"\r\n" + b"".join(m + b"\r\n" for m in more))
        f.flush()
        return f.readline().decode().strip()

    def want(got, wanted):
        done.append(1)
        if got != wanted:
            wrong.append((got, wanted))

    want(ask("set n%d 0 0 1" % number, b"0"), "STORED")
    for i in range(rounds):
        value = (b"%d.%d;" % (number, i)) * (1 + i % 300)
        want(ask("set k%d.%d 7 0 %d" % (number, i % 500, len(value)), value), "STORED")
        want(ask("get k%d.%d" % (number, i % 500)), "VALUE k%d.%d 7 %d" % (number, i % 500, len(value)))
        want(f.readline(), value + b"\r\n")
        want(f.readline(), b"END\r\n")
        want(ask("incr n%d 3" % number), str(3 * (i + 1)))
        want(ask("incr all 1").isdigit(), True)
    want(ask("delete n%d" % number), "DELETED")

f = socket.create_connection(("127.0.0.1", port)).makefile("rwb")
f.write(b"set all 0 0 1\r\n0\r\n")
f.flush()
f.readline()
threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
f.write(b"get all\r\n")
f.flush()
print(len(done), "answers,", len(wrong), "wrong", wrong[:2], f.readline(), f.readline())
PY
memcached_life() { # NAME SIGNAL PORT
	local server
	"${with[@]}" memcached ${root:+-u nobody} -t 4 -l 127.0.0.1 -p "$3" -U 0 > "$scratch/$1.say" 2>&1 &
	server=$!
	wait_for 5 listens "$3"
	[ "$2" = INT ] && command -v memccapable > /dev/null && memccapable -h 127.0.0.1 -p "$3" 2>&1 | grep -v '^$'
	python3 "$scratch/memcached.py" "$3" 1000
	kill "-$2" $server
	wait $server
	echo "exit $?"
	sed 's/[0-9]*//g' "$scratch/$1.say"
	memcached_pid=$server
}
memcached_threads() { stacks_of "$memcached_pid" | grep -qE 'start_thread;.*;event_base_loop;.*;(sendmsg|__sendmsg|read|__libc_read)'; }
part_memcached() {
	local s n=10 plain
	have memcached memcached || return
	for s in TERM INT; do
		# Both at once: memccapable sleeps.
		place "memcached_$s.without" without
		memcached_life memcached_plain $s $((P + n)) > "$scratch/memcached.without" &
		plain=$!
		place "memcached_$s"
		memcached_life memcached $s $((P + n + 1)) > "$scratch/memcached.with"
		wait $plain
		n=$((n + 2))
		same_result "memcached_answers_and_ends_the_same_on_$s" "$scratch/memcached.without" "$scratch/memcached.with"
		wait_for 5 memcached_threads
		claim "memcached_workers_are_profiled_$s" "$(ls "$out"): $(stacks_of "$memcached_pid" | head -3)" memcached_threads
		tidy "memcached_$s"
	done
}

# ---- python: subprocess and multiprocessing ----

cat > "$scratch/subprocesses.py" << 'PY'
import os, signal, subprocess, sys, time
# SIGUSR2 and SIGPROF are left out: with us their default is a dump and nothing.
run, Popen, PIPE = subprocess.run, subprocess.Popen, subprocess.PIPE
python = sys.executable

def burn(ms):
    end = time.process_time() + ms / 1000
    while time.process_time() < end:
        pass

def say(what, *values):
    print(what, *values, flush=True)

r = run(["sh", "-c", "echo out; echo err >&2; exit 7"], capture_output=True, text=True)
say("run", r.returncode, repr(r.stdout), repr(r.stderr))
say("input", run(["tr", "a-z", "A-Z"], input=b"some text\n" * 20000, stdout=PIPE).stdout == b"SOME TEXT\n" * 20000)
for bad in (["/no/such/program"], ["/etc/passwd"], ["false"]):
    try:
        run(bad, check=True)
    except Exception as e:
        say("error", type(e).__name__, getattr(e, "errno", None), getattr(e, "returncode", None))
try:
    run([python, "-c", "while True: pass"], timeout=0.4)
except subprocess.TimeoutExpired as e:
    say("timeout", type(e).__name__)
p = Popen(["sleep", "30"])
try:
    p.wait(0.1)
except subprocess.TimeoutExpired:
    say("poll", p.poll())
for s in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM, signal.SIGHUP, signal.SIGSEGV,
          signal.SIGVTALRM, signal.SIGIO, signal.SIGRTMIN, signal.SIGRTMAX):
    p.send_signal(s)
    say("killed by", int(s), p.wait())
    p = Popen(["sleep", "30"])
p.terminate()
say("terminate", p.wait())

p = Popen([python, "-c", "import os; print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())"], start_new_session=True)
say("session", p.wait())
def before():
    burn(60)
    os.setpgid(0, 0)
    os.nice(3)
    os.umask(0o27)
after = """import os, time
end = time.process_time() + 0.2
while time.process_time() < end: pass
print(os.getpgid(0) == os.getpid(), os.nice(0), oct(os.umask(0)))"""
r = run([python, "-c", after], preexec_fn=before, stdout=PIPE)
say("preexec", r)
def fails():
    burn(30)
    raise ValueError
try:
    run(["true"], preexec_fn=fails)
except subprocess.SubprocessError as e:
    say("preexec fails", e)
state = ("import os, re, signal; t = open('/proc/self/status').read();"
         "ours = ~(1 << signal.SIGUSR2 - 1 | 1 << signal.SIGPROF - 1);"
         "print(sorted(int(f) for f in os.listdir('/proc/self/fd'))[:-1],"
         "*('%s %x' % (n, int(v, 16) & ours) for n, v in re.findall('(SigBlk|SigIgn|SigPnd|SigCgt):.(.*)', t)))")
r, w = os.pipe()
say("closed", run([python, "-c", state], stdout=PIPE, close_fds=True).stdout)
os.set_inheritable(w, True)
say("open", run([python, "-c", state], stdout=PIPE, close_fds=False).stdout)
say("passed", run([python, "-c", state], stdout=PIPE, pass_fds=(r,)).stdout)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGALRM])
for restore in (True, False):
    say("signals", run([python, "-c", state], stdout=PIPE, restore_signals=restore).stdout)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1, signal.SIGALRM])
say("spawn", os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ), 0)[1]))
say("system", os.system("exit 3") >> 8, (lambda f: (f.read(), f.close()))(os.popen("echo popen; exit 4")))
ps = [Popen([python, "-c", "import time, sys\nwhile time.process_time() < .12: pass\nsys.exit(%d)" % n]) for n in range(6)]
say("many", [p.wait() for p in ps])
pid = os.fork()
if pid == 0:
    burn(200)
    os._exit(11)
say("fork", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
burn(200)
hits = []
signal.signal(signal.SIGALRM, lambda *a: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
time.sleep(0.3)  # goes on after each
burn(100)
signal.setitimer(signal.ITIMER_REAL, 0)
say("itimer", len(hits) >= 5)
sys.exit(5)
PY
cat > "$scratch/multi.py" << 'PY'
import concurrent.futures as cf, multiprocessing as mp, os, signal, sys, time
from concurrent.futures.process import BrokenProcessPool

def burn(ms):
    end = time.process_time() + ms / 1000
    while time.process_time() < end:
        pass

def square(n):
    burn(15)
    return n * n

def odd(n):
    if n % 2:
        raise ValueError("odd %d" % n)
    return n

def consume(q, results):
    results.put(sum(iter(q.get, None)))

def produce(q, n):
    for i in range(2000):
        q.put(n * i)

def ends(how):
    burn(20)
    if how == "exit":
        sys.exit(5)
    if how == "_exit":
        os._exit(6)
    if how == "raise":
        sys.stderr = open(os.devnull, "w")
        raise KeyError
    if how == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "wait":
        time.sleep(60)

def count(value, n):
    for _ in range(n):
        with value.get_lock():
            value.value += 1

def talk(c):
    while (x := c.recv()) is not None:
        c.send(x[::-1])

def die():
    os._exit(1)

def main(method):
    m = mp.get_context(method)
    slow = method != "fork"  # each process is an interpreter that starts
    pool = m.Pool(3)
    print(method, pool.map(square, range(24)), sum(pool.imap_unordered(square, range(9))), flush=True)
    for n in (2, 3):
        try:
            print(pool.apply(odd, (n,)))
        except ValueError as e:
            print("raised", e)
    pool.close()
    pool.join()
    if not slow:
        pool = m.Pool(2, maxtasksperchild=2)
        print(pool.map(square, range(6), 1))
        pool.close()
        pool.join()
    q, results = m.Queue(), m.Queue()
    cs = [m.Process(target=consume, args=(q, results)) for _ in range(1 if slow else 2)]
    ps = [m.Process(target=produce, args=(q, n)) for n in range(1, 2 if slow else 4)]
    for p in cs + ps: p.start()
    for p in ps: p.join()
    for _ in cs: q.put(None)
    print("queue", sum(results.get() for _ in cs), [p.exitcode for p in ps], flush=True)
    for p in cs: p.join()
    codes = []
    for how in ("exit", "segv") if slow else ("return", "exit", "_exit", "raise", "segv"):
        p = m.Process(target=ends, args=(how,))
        p.start()
        p.join()
        codes.append((how, p.exitcode))
    for end in ("terminate",) if slow else ("terminate", "kill"):
        p = m.Process(target=ends, args=("wait",))
        p.start()
        time.sleep(0.05)
        getattr(p, end)()
        p.join(10)
        codes.append((end, p.exitcode, p.is_alive()))
    print(codes)
    v = m.Value("i", 0)
    ps = [m.Process(target=count, args=(v, 1500)) for _ in range(2)]
    for p in ps: p.start()
    for p in ps: p.join()
    a, b = m.Pipe()
    p = m.Process(target=talk, args=(b,))
    p.start()
    a.send("abc" * 50000)
    print("value", v.value, "pipe", a.recv() == "cba" * 50000, flush=True)
    a.send(None)
    p.join()
    with cf.ProcessPoolExecutor(2, mp_context=m) as e:
        print(list(e.map(square, range(8))), e.submit(die).exception().__class__ is BrokenProcessPool)

if __name__ == "__main__":
    for method in sys.argv[1:]:
        main(method)
PY
part_python() {
	local python=/usr/bin/python3
	have python $python || return
	twice python_subprocess $python "$scratch/subprocesses.py"
	in_some_stack python_subprocess_is_profiled '_start;.*;Py_RunMain;.*;_PyEval_EvalFrameDefault;.*;clock_gettime;'
	# preexec_fn burns before exec, in a file of its own; after exec the same process is another program.
	wait_for 5 has_second_file
	claim python_preexec_and_what_follows_are_two_windows "$(ls "$out" | tr '\n' ' ')" has_second_file
	claim python_preexec_is_in_the_first_window_only "$($PROFILE flat $(second_files) | head -3)" preexec_is_apart
	twice python_multiprocessing_fork $python "$scratch/multi.py" fork
	in_some_stack python_pool_is_profiled '_start;.*;Py_RunMain;.*;_PyEval_EvalFrameDefault;.*;clock_gettime;'
	claim python_pool_workers_have_files_of_their_own "$(ls "$out" | tr '\n' ' ')" test "$(files | wc -l)" -ge 3
	twice python_multiprocessing_spawn_and_forkserver $python "$scratch/multi.py" spawn forkserver
}
second_files() { ls "$out"/*.cpu.2.pb.gz 2> /dev/null; }
has_second_file() { [ -n "$(second_files)" ]; }
preexec_is_apart() {
	local f
	for f in $(second_files); do
		$PROFILE stacks "${f%2.pb.gz}1.pb.gz" | grep -q ';_PyRun_AnyFileObject;.*;clock_gettime' || return 1
		$PROFILE stacks "$f" | grep -q ';_PyRun_AnyFileObject;' && return 1
	done
	return 0
}

# ---- node ----

cat > "$scratch/node.js" << 'JS'
const cp = require('child_process'), wt = require('worker_threads');
const burn = ms => { const s = process.cpuUsage(); let n = 0; do { for (let i = 0; i < 1e5; i++) n += i; } while (((d) => d.user + d.system)(process.cpuUsage(s)) < ms * 1000); return 1; };
const ended = (p) => new Promise(r => p.on('exit', (code, signal) => r([code, signal])));
if (!wt.isMainThread) {
	burn(wt.workerData.ms);
	wt.parentPort.on('message', m => { if (m === null) process.exit(wt.workerData.n); wt.parentPort.postMessage(m.map(x => x * x)); });
} else if (process.argv[2] === 'forked') {
	burn(60);
	process.on('message', m => { if (m === 'end') process.exit(6); process.send({ got: m }); });
} else (async () => {
	const log = (...a) => console.log(...a.map(x => JSON.stringify(x)));
	log('spawn', await ended(cp.spawn('sh', ['-c', 'exit 3'])), await ended(cp.spawn('sh', ['-c', 'kill -TERM $$'])));
	log('exec', await new Promise(r => cp.exec('echo out; echo err >&2; exit 4', (e, o, s) => r([e.code, o, s]))));
	log('timeout', await new Promise(r => cp.exec('exec sleep 30', { timeout: 200 }, e => r([e.killed, e.signal]))));
	log('error', await new Promise(r => cp.spawn('/no/such').on('error', e => r(e.code))));
	log('sync', cp.spawnSync('sh', ['-c', 'cat; exit 5'], { input: 'in'.repeat(50000) }).stdout.length, cp.execFileSync('echo', ['x']).toString());
	const sleeper = cp.spawn('sleep', ['30']); setTimeout(() => sleeper.kill('SIGUSR1'), 50);
	log('kill', await ended(sleeper));
	const child = cp.fork(__filename, ['forked']); const answers = [];
	child.on('message', m => { answers.push(m); child.send(answers.length < 50 ? { n: answers.length } : 'end'); }); child.send('begin');
	log('fork', await ended(child), answers.length, answers[49]);
	const workers = [1, 2, 3, 4].map(n => new wt.Worker(__filename, { workerData: { n, ms: 60 } }));
	log('workers', await Promise.all(workers.map(w => new Promise(r => { w.on('message', r); w.postMessage([1, 2, 3]); }))));
	const codes = workers.map(w => new Promise(r => w.on('exit', r))); workers.slice(0, 3).forEach(w => w.postMessage(null)); workers[3].terminate();
	log('ended', await Promise.all(codes));
	const order = []; for (const ms of [60, 20, 40]) setTimeout(() => order.push(ms), ms); setImmediate(() => order.push('immediate'));
	await new Promise(r => setTimeout(r, 150)); burn(400);
	log('timers', order);
	log('zlib', await new Promise(r => require('zlib').gzip(Buffer.alloc(3e6, 'abc'), (e, b) => r(require('zlib').gunzipSync(b).length))));
	process.on('SIGUSR2', () => { log('usr2'); process.exitCode = 7; clearInterval(alive); }); const alive = setInterval(() => {}, 1000);
	process.kill(process.pid, 'SIGUSR2');
})();
JS
part_node() {
	have node node || return
	twice node node "$scratch/node.js"
	in_some_stack node_is_profiled '_start;.*;node::Start;.*;uv_run;'
	in_some_stack node_workers_are_profiled '.*start_thread;.*node::worker::Worker'
	tidy node
}

# ---- bash ----

cat > "$scratch/jobs.sh" << 'BASH'
set -m
burn() { local i; for ((i = 0; i < $1; i++)); do :; done; }
trap 'echo "trap usr1"' USR1
trap 'echo "trap usr2"' USR2
kill -USR1 $$; kill -USR2 $$; echo "after traps"
(exit 3) & (sleep 0.3; exit 4) & (sleep 0.6; exit 5) &
for i in 1 2 3; do wait -n; echo "wait -n $?"; done
wait -n; echo "none left $?"
sleep 30 & p=$!; kill -TERM $p; wait $p; echo "term $?"
sleep 30 & p=$!; jobs | sed 's/  */ /g'; { kill -KILL $p; wait $p; } 2> /dev/null; echo "kill $?"
(trap 'echo child trap; exit 9' TERM; echo ready >&3; while :; do burn 100; done) 3> >(read -r x; echo "got $x" > ready) & p=$!
while [ ! -s ready ]; do sleep 0.02; done; kill -TERM $p; wait $p; echo "trapped $?"
coproc C { while read -r l; do echo "co $l"; done; exit 6; }
p=$C_PID; echo one >&"${C[1]}"; read -r a <&"${C[0]}"; echo two >&"${C[1]}"; read -r b <&"${C[0]}"; echo "$a, $b"
eval "exec ${C[1]}>&-"; wait $p; echo "coproc $?"
diff <(seq 1 5) <(seq 1 4; burn 30000); echo "diff $?"
seq 20000 | tee >(wc -l > lines) | tail -1; while [ ! -s lines ]; do sleep 0.02; done; cat lines
read -r -t 0.2 x < <(sleep 1); echo "read -t $?"
exec 5<> <(:); read -r -t 0 <&5; echo "poll $?"
(burn 40000; kill -USR1 $$) & wait $!; echo "interrupted wait $?"; wait; echo "wait $?"
trap 'echo chld' CHLD; (exit 0); sleep 0 & wait $!; trap - CHLD
true | false | (exit 7); echo "${PIPESTATUS[*]}"
(burn 60000; exec sh -c 'exit 8'); echo "exec $?"
x=$(burn 30000; echo sub; exit 2); echo "$x $?"
for i in $(seq 150); do (exit $((i % 3))) || n=$((n + 1)); done; echo "$n"
time -p : 2> /dev/null
trap 'echo bye; exit 13' EXIT
burn 100000
exit 12
BASH
part_bash() {
	twice bash bash "$scratch/jobs.sh"
	in_some_stack bash_is_profiled '_start;.*;main;reader_loop;execute_command;execute_command_internal;'
	in_some_stack bash_subshell_is_profiled '.*;command_substitute;parse_and_execute;'
}

# ---- git ----

# A history of 120 commits with merges of nothing but generated text, then what git does in processes of its own.
cat > "$scratch/git.sh" << 'BASH'
set -e
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main one
awk 'BEGIN {
	for (c = 1; c <= 120; c++) {
		printf "commit refs/heads/main\nmark :%d\ncommitter a <a@b> %d +0000\ndata 9\ncommit %d\n", c, 1700000000 + c * 60, c % 10
		if (c > 1) printf "from :%d\n", c - 1
		for (f = 0; f < 8; f++) {
			t = ""
			for (i = 0; i < 150 + c; i++) t = t "line " i " of " f " in " ((i * 7 + c * f) % (c + 3)) "\n"
			printf "M 100644 inline dir%d/file%d\ndata %d\n%s\n", f % 3, f, length(t), t
		}
	}
}' | git -C one fast-import --quiet --done < <(cat; echo done)
git -C one reset -q --hard
git clone -q --local one two
cd two
git log --stat --no-color | sha1sum
git log -p --no-color dir1/file1 | sha1sum
echo changed > dir0/file0; rm dir1/file1; git status --short; git diff --stat
git commit -qam "by hand" --date=2024-01-01T00:00:00Z; git show -s --format=%an%s
git checkout -q -b side HEAD~3; echo side > side; git add side; git commit -qm side
git merge -q main -m merged && git log --oneline --format=%s -3
git -c gc.autoDetach=false gc --quiet --prune=now
git repack -adfq --window=30 --depth=30
ls .git/objects/pack | sed 's/.*\.//' | sort | uniq -c
git rev-list --all --objects --no-object-names | sort > objects; wc -l < objects
git rev-list --all --objects -- dir0 dir1 dir2 | grep -c dir
git fsck --full --strict && echo "fsck $?"
git rev-list main~1 --objects | sha1sum
git archive main~1 | sha1sum
git grep -c "line 7 " main~1 -- dir0 dir1
git bisect start -q main~1 main~60; git bisect run sh -c 'git rev-list --count HEAD | awk "{ exit \$1 > 90 }"' > said; tail -2 said | sed 's/[0-9]*\.[0-9]*s//'
git bisect reset -q 2> said2; git blame -s main~1 dir2/file2 | sha1sum
git rev-parse no-such; echo "not reached"
BASH
part_git() {
	twice git bash "$scratch/git.sh"
	in_some_stack git_repack_is_profiled '.*start_thread;(.*;)?\[git\]|_start;.*;main;.*;\[git\]|;deflate'
	tidy git
}

# ---- make and gcc ----

# Runs each tool of gcc and notes its pid, its name and the CPU time that the kernel says it took.
cat > "$scratch/measure.py" << 'PY'
import os, sys
pid = os.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
with open(sys.argv[1], "a") as log:
    log.write("%s %d %d\n" % (os.path.basename(sys.argv[2]), pid, (used.ru_utime + used.ru_stime) * 1e9))
sys.exit(os.waitstatus_to_exitcode(status))
PY
make_project() { # DIR
	mkdir -p "$1"
	awk -v dir="$1" 'BEGIN {
		for (f = 0; f < 24; f++) {
			out = dir "/f" f ".c"
			print "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n" > out
			for (i = 0; i < 26; i++)
				printf "int f%d_%d(const char *s, int n) { int a = 0, v[32]; for (int i = 0; i < 32; i++) v[i] = i * n; for (int i = 0; i < n; i++) { switch (s[i] %% 7) { case 0: a += %d; break; case 1: a ^= i * %d; break; case 2: a -= (int)strlen(s + i); break; default: a = a * 31 + s[i] + v[a & 31]; } } return a; }\n", f, i, i + f, i * 7 + 1 > out
			close(out)
		}
		out = dir "/main.c"
		for (f = 0; f < 24; f++) printf "int f%d_1(const char *, int);\n", f > out
		print "#include <stdio.h>\nint main(void) { int a = 0;" > out
		for (f = 0; f < 24; f++) printf "a ^= f%d_1(\"some text to work on\", 19);\n", f > out
		print "printf(\"%d\\n\", a); return 3; }" > out
	}'
	cat > "$1/Makefile" << 'MAKE'
CFLAGS = -O2 -pipe
OBJECTS = $(addsuffix .o,$(addprefix f,$(shell seq 0 23)))
all: program says
program: main.o libf.a
	$(CC) -o $@ main.o -L. -lf
libf.a: $(OBJECTS)
	$(AR) rcsD $@ $^
says: program
	./program > $@; echo $$? >> $@
broken:
	@false
MAKE
}
built() { (cd "$1" && sha256sum *.o libf.a program && cat says); }
part_make() {
	local run name pid used profiled=0 cpu=0 n=0
	have make gcc make ar || return
	make_project "$scratch/project"
	for run in without with; do
		place "make.$run" $run
		cp -r "$scratch/project" "$scratch/make.$run"
		# The command line of the compiler is in no output, so both may name a log of their own.
		(cd "$scratch/make.$run" && "${with[@]}" make -j4 CC="gcc -wrapper /usr/bin/python3,$scratch/measure.py,$scratch/used.$run") \
			> "$scratch/make.$run.out" 2> "$scratch/make.$run.err"
		echo "exit $?" > "$scratch/make.$run.result"
		built "$scratch/make.$run" >> "$scratch/make.$run.result"
		cat "$scratch/make.$run.err" >> "$scratch/make.$run.result"
		"${with[@]}" make -C "$scratch/make.$run" -s -k broken all > /dev/null 2>&1
		echo "broken exit $?" >> "$scratch/make.$run.result"
	done
	same_result make_builds_the_same "$scratch/make.without.result" "$scratch/make.with.result"
	claim make_built_all "$(head -3 "$scratch/make.without.result")" grep -q '  program$' "$scratch/make.with.result"
	# What cc1's profiles hold against what the kernel says that the processes took, start-up, dump and end included.
	while read -r name pid used; do
		[ "$name" = cc1 ] && [ "$used" -ge 100000000 ] || continue
		n=$((n + 1))
		wait_for 5 test -s "$out/cc1.$pid.cpu.1.pb.gz"
		profiled=$((profiled + $($PROFILE total "$out/cc1.$pid".cpu.*)))
		cpu=$((cpu + used))
	done < "$scratch/used.with"
	claim make_has_compilers_to_measure "$n over 0.1 s" test $n -ge 20
	near "make_profiles_of_${n}_compilers_add_up" $profiled $cpu 5
	in_some_stack make_compilers_are_where_they_belong '_start;.*;main;toplev::main;.*;execute_pass_list'
	tidy make
}

# ---- stress-ng ----

# NAME OPTIONS...: one stressor that verifies itself; without us first.
stressed() {
	local name=stress_ng_$1 run
	shift
	for run in without with; do
		place "$name.$run" $run
		(cd /tmp && timeout 60 "${as[@]}" "${with[@]}" stress-ng --verify --temp-path "$scratch/stress" "$@") > "$scratch/$run.out" 2>&1
		echo "exit $?" >> "$scratch/$run.out"
		if ! unharmed "$scratch/$run.out"; then
			if [ $run = without ]; then
				echo "skip $name: it fails without us too: $(troubles "$scratch/$run.out")"
			else
				not_ok "$name" "$(troubles "$scratch/$run.out")"
			fi
			return
		fi
	done
	ok "$name"
}
unharmed() { tail -1 "$1" | grep -qx 'exit 0' && ! grep -qE 'fail:|error:' "$1"; }
troubles() { grep -E 'fail:|error:|^exit' "$1" | head -4 | tr '\n' ' '; }
part_stress() {
	local s
	have stress_ng stress-ng || return
	become nobody # not all of them run as root
	mkdir -m 777 "$scratch/stress"
	stressed fork --fork 2 --fork-ops 1500 -t 1
	stressed vfork --vfork 2 --vfork-ops 2000 -t 1
	stressed clone --clone 2 --clone-ops 1000 -t 1
	stressed exec --exec 2 --exec-ops 40 -t 1
	for s in signal:20000 sigq:20000 sigsuspend:20000 sigfd:20000 sigpending:20000 kill:5000 sigabrt:300 sigio:5000 \
		timer:3000 timerfd:3000 itimer:3000 nanosleep:1000 clock:500 pthread:2000 dynlib:500; do
		stressed "${s%:*}" "--${s%:*}" 2 "--${s%:*}-ops" "${s#*:}" -t 1
	done
}

# ---- what the services above do at times ----

# CPU time in a library's destructor, which runs after ours: it is in the profile, and no store is left.
part_destructor() {
	local d=$scratch/destructor
	have destructor gcc || return
	mkdir -p "$d"
	cat > "$d/lib.c" << 'C'
#include <time.h>
int linked(void) { return 0; }
__attribute__((destructor)) static void burn_last(void)
{
	struct timespec t;
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_sec == 0 && t.tv_nsec < 300000000);
}
C
	echo 'int linked(void); int main(void) { return linked(); }' > "$d/main.c"
	gcc -O1 -shared -fPIC -o "$d/lib.so" "$d/lib.c" && gcc -o "$d/late" "$d/main.c" "$d/lib.so" -Wl,-rpath,"$d"
	place destructor
	"${with[@]}" "$d/late"
	claim late_destructor_exits_as_without_us "exit $?" test $? = 0
	wait_for 2 some_stack_has '.*;burn_last'
	claim cpu_of_a_destructor_after_ours_is_in_a_profile "$(ls "$out" | tr '\n' ' ')" some_stack_has '.*;burn_last'
	tidy late_destructor
}
# exec keeps the thread's CPU clock: what the image before it has used is in its own window and in no other.
part_exec() {
	local used python=/usr/bin/python3
	have exec $python || return
	place exec
	cat > "$scratch/exec.py" << 'PY'
import os, sys, time
while time.process_time() < 0.5: pass
if len(sys.argv) == 1:
    os.execv(sys.executable, [sys.executable, "-c", "import time; t = time.process_time() + 0.2\nwhile time.process_time() < t: pass"])
PY
	$python "$scratch/measure.py" "$scratch/exec.used" "${with[@]}" $python "$scratch/exec.py"
	used=$(awk '{ print $3 }' "$scratch/exec.used")
	wait_for 5 has_second_file
	near cpu_before_exec_is_counted_once "$($PROFILE total $(files))" "$used" 8
	tidy exec
}
# A service that begins as root and goes on as somebody else, with samples of both.
part_drop() {
	local python=/usr/bin/python3
	have drop $python || return
	if [ -z "$root" ]; then
		echo "skip dropped_privileges: not root"
		return
	fi
	place drop
	cat > "$scratch/drop.py" << 'PY'
import os, sys, time
def burn(s):
    end = time.process_time() + s
    while time.process_time() < end: pass
burn(0.15)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
burn(0.3)
sys.exit(4)
PY
	$python "$scratch/measure.py" "$scratch/drop.used" "${with[@]}" $python "$scratch/drop.py"
	claim dropped_privileges_exits_as_without_us "exit $?" test $? = 4
	wait_for 5 has_files
	near dropped_privileges_profile_has_both_parts "$($PROFILE total $(files))" "$(awk '{ print $3 }' "$scratch/drop.used")" 8
	tidy dropped_privileges
}
# What a shell or a manager ignores stays ignored in what it starts, also the signals that we use.
part_ignored() {
	local run python=/usr/bin/python3
	have ignored $python || return
	cat > "$scratch/ignored.py" << 'PY'
import os, signal, subprocess, sys
for s in (signal.SIGUSR2, signal.SIGPROF):
    signal.signal(s, signal.SIG_IGN)
# A program without us, by vfork, by fork, by posix_spawn, by exec of this process; and one with us.
plain = ["env", "-u", "LD_PRELOAD", "grep", "SigIgn", "/proc/self/status"]
for more in ({}, {"preexec_fn": lambda: None}):
    print(subprocess.run(plain, restore_signals=False, stdout=subprocess.PIPE, **more).stdout, flush=True)
os.waitpid(os.posix_spawnp(plain[0], plain, os.environ), 0)
show = "import signal; print(signal.getsignal(signal.SIGUSR2), signal.getsignal(signal.SIGPROF))"
subprocess.run([sys.executable, "-c", show], restore_signals=False)
os.execvp(plain[0], plain)
PY
	for run in without with; do
		place "ignored.$run" $run
		"${with[@]}" $python "$scratch/ignored.py" > "$scratch/ignored.$run.out" 2>&1
	done
	same_result signals_that_the_host_ignores_stay_ignored_over_exec "$scratch/ignored.without.out" "$scratch/ignored.with.out"
}

for part in ${*:-nginx postgres memcached python node bash git make stress destructor exec drop ignored}; do
	part_$part
	[ -n "$SHOW_TIMES" ] && times > "$scratch/times" && echo "# after $part: $SECONDS s, CPU of shell, children: $(tr '\n' ' ' < "$scratch/times")"
done
finish
