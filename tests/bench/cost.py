#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""CPU per operation of real programs under each profiler, and under none.

A round starts the program once under every configuration, all on CPU 0, and has them work in turn, in short slices, in
an order that is drawn anew for each pass over them; everything that drives them runs on CPU 1. So a slow stretch of the
machine meets all alike, and a process that is lucky with where its pages lie is lucky for one round only.

  server  redis, nginx, memcached: a slice is a fixed number of requests by build/bench/load, after one that does not count
  shell   sqlite, python (as it is and with PYTHONMALLOC=malloc), ping-pong: a slice is a fixed piece of work ordered through standard input, likewise
  whole   cc1, postgres: stopped (SIGSTOP; of postgres its clients) but for its slice, from its first instruction to its end,
          start and exit included; one ratio a round

What is measured is the program's own user and system time, all its threads, in ns (clock_getcpuclockid), per slice of
equal work. A ratio is to the geometric mean of the two runs without a profiler in the same pass; "nothing, again" is the
second of them over the first, and its interval is what this machine can tell apart. No slice is left out. The median of
all ratios and their geometric mean, with intervals over rounds: stats.py.

BENCH_ROUNDS (25), BENCH_PASSES (5), BENCH_SLICE_MS (40), BENCH_PROGRAMS, BENCH_SEED. Markdown on standard output, what is
under way on standard error, every slice in build/bench/cost.csv.
"""
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import peers
import stats
from peers import Failed, Run

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "25"))
PASSES = int(os.environ.get("BENCH_PASSES", "5"))
SLICE_NS = int(float(os.environ.get("BENCH_SLICE_MS", "40")) * 1e6)
WARM = int(os.environ.get("BENCH_WARM", "1"))  # slices before the first that counts
SERVED, DRIVER = 0, 1  # CPUs
PATIENCE = 30  # seconds for one slice
LOOKED_INTO = 3  # the last rounds, whose profiles are written and read


class Server:
    connections = 32

    def __init__(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def start(self, config):
        self.run = Run(config, self.argv(), SERVED)
        peers.wait_for("answer", 20, self.answers)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            self.run.cpu()  # says so when it has ended
            return False

    def reply_bytes(self):
        """How long the answer to a request is: what comes until nothing has for a while. The second one: some commands
        of redis answer otherwise when they make the key."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            for _ in range(2):
                s.sendall(self.request)
                size = 0
                while select.select([s], [], [], 0.3)[0]:
                    got = len(s.recv(65536))
                    if not got:
                        raise Failed("it closes the connection")
                    size += got
        return size

    def work(self, amount):
        if not hasattr(type(self), "reply"):
            type(self).reply = self.reply_bytes()
        r = subprocess.run([peers.BENCH + "/load", str(self.port), str(self.connections), str(amount),
                            str(type(self).reply)], input=self.request, capture_output=True, timeout=PATIENCE)
        if r.returncode:
            raise Failed("load: " + r.stderr.decode().strip())

    def end(self):
        self.run.end()


class Redis(Server):
    """16 commands of the common kinds in one pipeline."""
    name, binary, unit = "redis", shutil.which("redis-server"), "16 commands"
    request = b"".join(
        b"*%d\r\n" % len(c.split()) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in c.split())
        for c in [b"SET key " + b"x" * 64, b"GET key"] * 4 + [b"HSET hash field value", b"HGET hash field"] * 2 +
        [b"LPUSH list element", b"LPOP list", b"ZADD sorted 1 member", b"ZSCORE sorted member"])

    def argv(self):
        return [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--daemonize", "no", "--dir", peers.SCRATCH]


class Memcached(Server):
    """A set and three gets of 100 bytes; its default of four threads."""
    name, binary, unit = "memcached", shutil.which("memcached"), "set + 3 get"
    request = b"set key 0 0 100\r\n" + b"x" * 100 + b"\r\n" + b"get key\r\n" * 3

    def argv(self):
        return [self.binary, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", *(["-u", "root"] if not os.getuid() else [])]


class Nginx(Server):
    """A file of 4 KB, one request a time on each connection, an access log; one process: a profiler that loses its timer
    at fork would cost nothing."""
    name, binary, unit = "nginx", shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "GET of 4 KB"
    request = b"GET /file HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n"

    def argv(self):
        self.root = peers.SCRATCH + "/nginx.%d" % self.port
        os.makedirs(self.root + "/logs")
        with open(self.root + "/file", "wb") as f:
            f.write(b"x" * 4096)
        with open(self.root + "/nginx.conf", "w") as f:
            f.write("daemon off; master_process off; pid nginx.pid; %s events { worker_connections 256; }\n"
                    "http { access_log logs/access; sendfile on; keepalive_requests 1000000000;\n"
                    "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n"
                    "server { listen 127.0.0.1:%d; root %s; } }\n" % ("" if os.getuid() else "user root;", self.port, self.root))
        return [self.binary, "-p", self.root + "/", "-c", "nginx.conf", "-e", "logs/error"]

    def end(self):
        super().end()
        shutil.rmtree(self.root, ignore_errors=True)


class Shell:
    """A process that does what its standard input says, and says "done" on its standard error."""
    env = ()

    def start(self, config):
        self.run = Run(config, self.argv(), SERVED, talks=True, env=self.env)
        os.set_blocking(self.run.process.stderr.fileno(), False)
        self.work(1)

    def work(self, amount):
        try:
            self.run.process.stdin.write(self.order(amount))
            self.run.process.stdin.flush()
        except BrokenPipeError:
            raise Failed("it has ended: " + self.run.output().strip()[-200:])
        end = time.monotonic() + PATIENCE
        text = b""
        while b"done" not in text:
            if not select.select([self.run.process.stderr], [], [], end - time.monotonic())[0]:
                raise Failed("a slice took more than %d s" % PATIENCE)
            part = self.run.process.stderr.read()
            if not part:
                raise Failed("it has ended: " + text.decode(errors="replace").strip()[-200:])
            text += part

    def end(self):
        self.run.process.stdin.close()
        self.run.end()
        self.run.process.stderr.close()


class Sqlite(Shell):
    """In memory: rows, an index, groups, a join, and all of it away again."""
    name, binary, unit = "sqlite", shutil.which("sqlite3"), "script"
    sql = """
BEGIN;
WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c WHERE x < 2000)
  INSERT INTO t SELECT x, x * 7919 % 1009, hex(x * 31) || 'text' FROM c;
CREATE INDEX i ON t(b, c);
SELECT count(*) > 1 FROM (SELECT b, count(*), max(c) FROM t GROUP BY b ORDER BY 2);
SELECT count(*) > 1 FROM t AS l JOIN t AS r ON l.b = r.b WHERE l.c LIKE '%3%';
UPDATE t SET c = upper(c) WHERE a % 3 = 0;
DROP INDEX i;
DELETE FROM t;
COMMIT;
"""

    def argv(self):
        return [self.binary, "-batch", ":memory:", "CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER, c TEXT);",
                ".read /dev/stdin"]

    def order(self, amount):
        return (self.sql * amount + ".once /dev/stderr\nSELECT 'done';\n").encode()


class Python(Shell):
    name, binary, unit = "python3", shutil.which("python3", path="/usr/bin") or sys.executable, "100 rounds of json, re"
    script = """
import json, re, sys
words = re.compile(r"[a-z]+")
for line in sys.stdin:
    for i in range(int(line) * 100):
        s = json.dumps({"key%d" % i: list(range(i % 20)), "text": "some words and %d numbers" % i})
        n = len(words.findall(s)) + len(json.loads(s))
    sys.stderr.write("done\\n")
"""

    def argv(self):
        return [self.binary, "-u", "-c", self.script]

    def order(self, amount):
        return b"%d\n" % amount


class PythonMalloc(Python):
    """Every object from malloc, where Python has an allocator of its own for small ones."""
    name, unit = "python3-malloc", "100 rounds of json, re, PYTHONMALLOC=malloc"
    env = {"PYTHONMALLOC": "malloc"}


class Pingpong(Shell):
    """Two context switches an operation."""
    name, binary, unit = "ping-pong", peers.BENCH + "/pingpong", "100 round trips"

    def argv(self):
        return [self.binary]

    def order(self, amount):
        return b"%d\n" % (amount * 100)


class Whole:
    """Measured from its start to its end. self.worker is who is stopped but for its slice: a pid."""

    def slice(self):
        """Lets it work for a slice; whether it goes on after that."""
        try:
            os.kill(self.worker, signal.SIGCONT)
            time.sleep(SLICE_NS / 1e9)
            os.kill(self.worker, signal.SIGSTOP)
        except ProcessLookupError:
            pass
        return self.goes_on()

    def finish(self):
        pass

    def end(self):
        self.run.end()


class Cc1(Whole):
    """A C file that takes it about a second."""
    name, unit = "cc1", "-O2, one file"
    binary = subprocess.run(["gcc", "-print-prog-name=cc1"], capture_output=True, text=True).stdout.strip()
    functions = int(os.environ.get("BENCH_CC1_FUNCTIONS", "150"))

    def start(self, config):
        source = peers.SCRATCH + "/big.i"
        if not os.path.exists(source):
            with open(source, "w") as f:
                subprocess.run([sys.executable, peers.HERE + "/big.py", str(self.functions)], stdout=f, check=True)
        self.run = Run(config, [self.binary, "-fpreprocessed", "-quiet", "-O2", source, "-o", "big.s"], SERVED, hold=True)
        self.worker = self.run.pid

    def goes_on(self):
        return self.run.reported("status") is None


class Postgres(Whole):
    """The server, all its processes, under pgbench: its start, the transactions and its end. With four clients of 1500 the same
    server twice differs by 1.2 to 2.8 % (one deviation), with 16 of 500 by 5; slices of a running server differ by ten."""
    clients = int(os.environ.get("BENCH_CLIENTS", "4"))
    transactions = int(os.environ.get("BENCH_TRANSACTIONS", "1500"))  # of each client
    name, unit = "postgres", "%d clients of pgbench, %d transactions each" % (clients, transactions)
    programs = peers.found("/usr/lib/postgresql/*/bin") or ""
    binary = programs + "/postgres"
    ident = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if not os.getuid() else []
    port = "5432"  # only a name: of a socket in a directory of its own

    @classmethod
    def given(cls, path):
        """To whom the server runs as, which is not root."""
        if cls.ident:
            for top, _, files in os.walk(path):
                for name in [top, *(os.path.join(top, f) for f in files)]:
                    shutil.chown(name, "postgres", "postgres")
        return path

    def command(self, name, *args):
        return [*self.ident, self.programs + "/" + name, "-h", self.run_data, "-p", self.port, *args]

    def serve(self, config):
        data = self.run_data
        self.run = Run(config, [*self.ident, self.binary, "-D", data, "-p", self.port, "-k", data, "-c", "listen_addresses=",
                                "-c", "autovacuum=off"], SERVED, hold=True, env={"CPROF_OUTPUT_SIGNAL": "none"})
        self.given(self.run.dir)
        peers.wait_for("answer", 20, self.answers)

    def answers(self):
        os.kill(self.run.pid, signal.SIGCONT)  # again and again: it may not have stopped yet
        return not subprocess.run(self.command("pg_isready", "-q"), cwd="/").returncode

    def finish(self):
        os.kill(self.run.pid, signal.SIGINT)

    def template(self):
        """A cluster with pgbench's tables."""
        path = peers.SCRATCH + "/postgres"
        if not os.path.exists(path):
            os.chmod(peers.SCRATCH, 0o711)
            os.mkdir(path, 0o700)
            self.given(path)
            quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
            subprocess.run([*self.ident, self.programs + "/initdb", "-D", path, "-A", "trust"], **quiet)
            self.run_data = path
            self.serve(peers.NOTHING)
            subprocess.run(self.command("pgbench", "-i", "-q", "-s", str(max(4, self.clients)), "postgres"), **quiet)
            self.finish()
            self.run.wait(PATIENCE)
            self.run.end()
        return path

    def start(self, config):
        template = self.template()
        self.run_data = tempfile.mkdtemp(dir=peers.SCRATCH)
        subprocess.run(["cp", "-a", template + "/.", self.run_data], check=True)
        os.chmod(self.run_data, 0o700)
        if self.ident:
            shutil.chown(self.run_data, "postgres", "postgres")
        self.serve(config)
        self.bench = subprocess.Popen(self.command("pgbench", "-n", "-c", str(self.clients), "-t", str(self.transactions),
                                                   "postgres"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        self.worker = self.bench.pid

    def goes_on(self):
        return self.bench.poll() is None

    def end(self):
        if hasattr(self, "bench"):
            self.bench.kill()
            self.bench.wait()
        self.run.end()
        shutil.rmtree(self.run_data, ignore_errors=True)


PROGRAMS = [Sqlite, Cc1, Redis, Nginx, Memcached, Postgres, Python, PythonMalloc, Pingpong]


def say(text):
    sys.stderr.write(text + "\n")


class Measurement:
    """All rounds of one program."""

    def __init__(self, program, configs, rng, csv):
        self.program, self.configs, self.rng, self.csv = program, list(configs), rng, csv
        self.slices = []  # one dict per pass: (round, {configuration: ns})
        self.failed = {}  # configuration: why
        self.kept = {}  # configuration: (ns that its profiles hold, ns that were used)

    def drop(self, config, why):
        """A configuration that fails once is out, and named."""
        self.failed[config.name] = str(why)
        self.configs.remove(config)
        say("%s under %s: %s" % (self.program.name, config.name, why))
        if config in (peers.NOTHING, peers.AGAIN):
            raise Failed("%s does not run at all: %s" % (self.program.name, why))

    def each(self, alive, action):
        """Has every living one act, in an order of its own."""
        order = list(alive)
        self.rng.shuffle(order)
        done = {}
        for config in order:
            try:
                done[config.name] = action(alive[config])
            except (Failed, OSError, subprocess.TimeoutExpired) as e:
                alive.pop(config).end()
                self.drop(config, e)
        return done

    def add(self, number, pass_number, done):
        self.slices.append((number, done))
        for name, ns in done.items():
            self.csv.write('%s,%d,%d,"%s",%d\n' % (self.program.name, number, pass_number, name, ns))
        self.csv.flush()

    def start(self):
        alive = {}
        order = list(self.configs)
        self.rng.shuffle(order)
        for config in order:
            alive[config] = self.program()
            try:
                alive[config].start(config)
            except (Failed, OSError, subprocess.TimeoutExpired) as e:
                alive.pop(config)
                self.drop(config, e)
        return alive

    def calibrate(self):
        """How much work is a slice, without a profiler."""
        one = self.program()
        one.start(peers.NOTHING)
        try:
            amount, ns = 1, 0
            while ns < SLICE_NS / 2:
                amount = amount if not ns else max(amount + 1, int(amount * min(10, SLICE_NS / ns)))
                begin = one.run.cpu()
                one.work(amount)
                ns = one.run.cpu() - begin
            return max(1, round(amount * SLICE_NS / ns))
        finally:
            one.end()

    def look_into(self, config, one, used):
        had = self.kept.get(config.name, (0, 0))
        self.kept[config.name] = had[0] + peers.contents(one.run, self.program.binary).ns, had[1] + used

    def finish(self, alive):
        """Ends them as a service is ended, so that the profiles are written, and looks into these."""
        for config, one in list(alive.items()):
            if not config.tool:
                continue
            try:
                used = one.run.cpu()
                if isinstance(one, Shell):
                    one.run.process.stdin.close()
                else:
                    os.kill(one.run.pid, signal.SIGTERM)
                one.run.process.wait(PATIENCE)
                self.look_into(config, one, used)
            except (Failed, OSError, subprocess.TimeoutExpired) as e:
                say("%s under %s: no profile: %s" % (self.program.name, config.name, e))

    def measure_round(self, number, amount):
        alive = self.start()
        try:
            if issubclass(self.program, Whole):
                going = dict(alive)
                while going:
                    on = self.each(going, lambda one: one.slice())
                    going = {c: one for c, one in going.items() if on.get(c.name)}
                done = self.each(alive, lambda one: self.ended(one))
                self.add(number, 0, done)
                for config, one in alive.items():
                    if config.tool and number >= ROUNDS - LOOKED_INTO:
                        self.look_into(config, one, done[config.name])
                return

            def slice_of(one):
                begin = one.run.cpu()
                one.work(amount)
                return one.run.cpu() - begin

            for _ in range(WARM):
                self.each(alive, lambda one: one.work(amount))
            for p in range(PASSES):
                self.add(number, p, self.each(alive, slice_of))
            if number >= ROUNDS - LOOKED_INTO:
                self.finish(alive)
        finally:
            for one in alive.values():
                one.end()

    @staticmethod
    def ended(one):
        one.finish()
        used, status = one.run.wait(PATIENCE)
        if status:
            raise Failed("exit status %d: %s" % (status, one.run.output().strip()[-200:]))
        return used

    def run(self):
        amount = 1 if issubclass(self.program, Whole) else self.calibrate()
        self.operations = amount * getattr(self.program, "connections", 1)
        begin = time.monotonic()
        for number in range(ROUNDS):
            self.measure_round(number, amount)
            say("%s: round %d of %d, %d s" % (self.program.name, number + 1, ROUNDS, time.monotonic() - begin))

    def ratios(self, name):
        """By round."""
        rounds = {}
        for number, done in self.slices:
            a, b = done[peers.NOTHING.name], done[peers.AGAIN.name]
            base = a if name == peers.AGAIN.name else (a * b) ** 0.5
            if name in done:
                rounds.setdefault(number, []).append(done[name] / base)
        return list(rounds.values())

    def table(self, configs):
        base = stats.median(d[peers.NOTHING.name] for _, d in self.slices)
        print("### %s (%s): %.1f us of CPU each without a profiler\n" %
              (self.program.name, self.program.unit, base / self.operations / 1e3))
        print("| | median ratio | 95 % interval | geometric mean | 95 % interval | rounds x slices | profile holds |")
        print("|---|---|---|---|---|---|---|")
        verdicts = {}
        for config in configs:
            if config is peers.NOTHING:
                continue
            if config.name in self.failed:
                print("| %s | failed: %s | | | | | |" % (config.name, " ".join(self.failed[config.name].split())))
                continue
            rounds = self.ratios(config.name)
            m, g = stats.interval(rounds, stats.median), stats.interval(rounds, stats.geomean)
            held, used = self.kept.get(config.name, (0, 0))
            print("| %s | %.4f | [%.4f, %.4f] | %.4f | [%.4f, %.4f] | %d x %d | %s |" %
                  (config.name, *m, *g, len(rounds), len(rounds[0]), "%.0f %%" % (held * 100 / used) if used else ""))
            verdicts[config.name] = m
        print()
        sys.stdout.flush()
        return verdicts


def verdict(name, verdicts):
    print("### %s: does the interval contain 1.00 and end below 1.03?\n" % name)
    print("| | median ratio | 95 % interval | contains 1.00 | ends below 1.03 | nothing, again | pass-through |")
    print("|---|---|---|---|---|---|---|")
    for program, v in verdicts.items():
        if name not in v:
            print("| %s | failed | | no | no | | |" % program)
            continue
        m, low, high = v[name]
        print("| %s | %.4f | [%.4f, %.4f] | %s | %s | [%.4f, %.4f] | [%.4f, %.4f] |" %
              (program, m, low, high, "yes" if low <= 1 <= high else "no", "yes" if high < 1.03 else "no",
               *v[peers.AGAIN.name][1:], *v.get(peers.FORWARD.name, [float("nan")] * 3)[1:]))
    print()


def main():
    wanted = os.environ.get("BENCH_PROGRAMS", " ".join(p.name for p in PROGRAMS)).split()
    if os.cpu_count() < 2:
        sys.exit("two CPUs are needed: one for the programs, one for what drives them")
    os.sched_setaffinity(0, {DRIVER})
    seed = int(os.environ.get("BENCH_SEED", "1"))
    rng = random.Random(seed)
    print("## CPU per operation\n")
    print("User and system time of the program, pinned to one CPU, as a ratio to the same program without a profiler: %d "
          "rounds of fresh processes,\n%d slices of %g ms each; medians and geometric means of the ratios with 95 %% intervals "
          "(bootstrap over rounds), seed %d.\n\"Nothing, again\" is the same thing twice: what this machine can tell apart. "
          "\"Profile holds\": samples times period over the CPU time that the "
          "program used,\nof the last %d rounds, from their start: some hundred samples, so only roughly; the part content says it "
          "exactly.\ncprof records all that it does by default, every kind of profile, but for \"CPU alone\". "
          "The pass-through is what it costs that malloc and its family\nand locks of mutexes go through any preloaded library, which does nothing else.\n" % (ROUNDS, PASSES, SLICE_NS / 1e6, seed, LOOKED_INTO))
    ours = [peers.cprof(100), peers.cprof(100, ", CPU alone", peers.CPU_ALONE)]
    configs = peers.installed([peers.NOTHING, peers.AGAIN, peers.EMPTY, peers.FORWARD, *ours, peers.cprof(250),
                               peers.gperftools(100), peers.gperftools(250), peers.gprofng("on", 100), peers.perf(99)])
    verdicts = {}
    with open(peers.BENCH + "/cost.csv", "w") as csv:
        csv.write("program,round,pass,configuration,cpu_ns\n")
        for program in PROGRAMS:
            if program.name not in wanted:
                continue
            if not program.binary or not os.path.exists(program.binary):
                print("### %s: not installed, skipped\n" % program.name)
                continue
            m = Measurement(program, configs, rng, csv)
            try:
                m.run()
            except Failed as e:
                print("### %s: %s\n" % (program.name, e))
            if m.slices:
                verdicts[program.name] = m.table(configs)
    for name in (c.name for c in ours if c in configs):
        verdict(name, verdicts)


if __name__ == "__main__":
    main()
