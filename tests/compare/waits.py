#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real programs, each once under cprof, every wait recorded, and once under `strace -c -w -f`, with the same work: calls and wall time by
system call.  strace stops the program twice for each call, which adds 20 to 120 us to each and changes who waits for whom; so
calls must agree where the program alone decides how many there are, and times are for people.  Exit status 1 when calls differ."""
import collections
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from profile import Profile  # noqa: E402

B = os.path.abspath(os.environ.get("B", "build"))
ROOT = os.geteuid() == 0
# What the program has called, and the system calls by which libc does it.
FAMILY = {"recv": "recvfrom", "send": "sendto", "pread": "pread64", "pwrite": "pwrite64", "pread64": "pread64", "pwrite64": "pwrite64",
          "poll": "poll", "select": "select", "wait": "wait4", "waitpid": "wait4", "fread": "read", "fgets": "read", "getline": "read",
          "usleep": "clock_nanosleep", "nanosleep": "clock_nanosleep", "fflush": "write", "fclose": "write", "clock_nanosleep": "clock_nanosleep",
          "sleep": "clock_nanosleep", "accept4": "accept4", "select64": "select", "pselect": "pselect6"}
FUTEX = ("sem_", "pthread_", "mtx_", "cnd_", "thrd_join", "syscall")
# How many of these there are is the program's doing alone.
COUNTED = {"read", "write", "recvfrom", "sendto", "recvmsg", "sendmsg", "fdatasync", "pread64", "pwrite64", "sendfile", "writev"}
# But for those whose number depends on when something comes, or on how many transactions one write of the log is for.
LOOKS = {"postgres": {"recvfrom", "read", "pwrite64"}}


def family(leaf):
    return "futex" if leaf.startswith(FUTEX) else FAMILY.get(leaf, leaf)


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until_open(number):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", number), 1).close()
        except OSError:
            time.sleep(0.1)
    raise SystemExit("it does not listen")


def as_other(argv):
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *argv] if ROOT else argv


def rg(run, _):
    run([shutil.which("rg"), "-c", "-j", "4", "struct [a-z_]+ .", "/usr/include", "/usr/lib/python3"]).wait()


def python(run, where):
    script = os.path.join(where, "threads.py")
    with open(script, "w") as f:
        f.write("import queue, threading, time\nlock, q, n = threading.Lock(), queue.Queue(), [0]\n"
                "def work():\n    for i in range(3000):\n        with lock: n[0] += 1\n        q.put(i)\n"
                "def hold():\n    for _ in range(40):\n        with lock: time.sleep(0.005)\n        time.sleep(0.001)\n"
                "t = [threading.Thread(target=work) for _ in range(8)] + [threading.Thread(target=hold)]\n"
                "for x in t: x.start()\nfor x in t: x.join()\n")
    run(["/usr/bin/python3", script]).wait()


def memcached(run, _):
    number = port()
    server = run([shutil.which("memcached"), "-l", "127.0.0.1", "-p", str(number), "-U", "0", "-t", "4", *(["-u", "root"] if ROOT else [])])
    until_open(number)
    for test in ("set", "get"):
        subprocess.run(["memcslap", "--servers=127.0.0.1:%d" % number, "--concurrency=8", "--execute-number=4000", "--test=" + test],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
    end(server)


def nginx(run, where):
    number = port()
    os.makedirs(where + "/logs")
    with open(where + "/big", "wb") as f:
        f.write(b"x" * (1 << 20))
    with open(where + "/nginx.conf", "w") as f:
        f.write("daemon off; master_process off; pid nginx.pid; %s events { worker_connections 256; }\nthread_pool default threads=4;\n"
                "http { access_log off; aio threads; sendfile off; directio 4k; output_buffers 1 64k; keepalive_requests 1000000;\n"
                "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n"
                "server { listen 127.0.0.1:%d; root %s; } }\n" % ("user root;" if ROOT else "", number, where))
    server = run([shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p", where + "/", "-c", "nginx.conf", "-e", "logs/error"])
    until_open(number)
    subprocess.run(["ab", "-q", "-k", "-n", "600", "-c", "8", "http://127.0.0.1:%d/big" % number], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=300)
    end(server)


def postgres(run, where):
    bin_dir, number = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1], port()
    if ROOT:
        shutil.chown(where, "postgres", "postgres")
    subprocess.run(as_other([bin_dir + "/initdb", "-D", where + "/data", "-A", "trust"]), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, cwd="/")
    server = run(as_other([bin_dir + "/postgres", "-D", where + "/data", "-p", str(number), "-k", where, "-c", "autovacuum=off"]))
    until_open(number)
    for args in (["-i", "-s", "2"], ["-c", "16", "-j", "2", "-t", "150"]):
        subprocess.run(as_other([bin_dir + "/pgbench", *args, "-p", str(number), "-h", "127.0.0.1", "postgres"]), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=300, cwd="/")
    with open(where + "/data/postmaster.pid") as f:
        os.kill(int(f.readline()), signal.SIGINT)
    server.wait(60)


def end(server):
    """Of what strace has started: it does not pass signals on."""
    children = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True).stdout.split()
    for pid in children if server.args[0] == "strace" else [server.pid]:
        os.kill(int(pid), signal.SIGTERM)
    server.wait(60)


def by_cprof(load, where):
    out, store = where + "/out", where + "/store"
    for d in (out, store):
        os.mkdir(d, 0o700)
        if load is postgres and ROOT:
            shutil.chown(d, "postgres", "postgres")
    env = dict(os.environ, LD_PRELOAD=B + "/libcprof.so", CPROF_OUTPUT_DIR=out, CPROF_STORE_DIR=store, CPROF_BLOCK_THRESHOLD="1",
               CPROF_BLOCK_IDLE="yes", CPROF_OUTPUT_SHORT="yes", CPROF_OUTPUT_SIGNAL="none")
    load(lambda argv: subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"), where)
    sums = collections.defaultdict(lambda: [0, 0.0])
    for path in glob.glob(out + "/*.block.*"):
        for names, (count, ns), _ in Profile(path).stacks:
            sums[family(names[0])][0] += count
            sums[family(names[0])][1] += ns / 1e9
    charged = sum(values[1] for path in glob.glob(out + "/*.mutex.*") for _, values, _ in Profile(path).stacks) / 1e9
    return sums, charged


def by_strace(load, where):
    table = where + "/strace"
    load(lambda argv: subprocess.Popen(["strace", "-qq", "-f", "-c", "-w", "-o", table, *argv], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, cwd="/"), where)
    sums = {}
    for line in open(table):
        words = line.split()
        if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
            sums[words[-1]] = [int(words[3]), float(words[1])]
    return sums


def main():
    failed = False
    for load in (rg, python, memcached, nginx, postgres):
        if sys.argv[1:] and load.__name__ not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory(prefix="cprof-compare-") as top:
            os.chmod(top, 0o755)
            dirs = [top + "/cprof", top + "/strace"]
            for d in dirs:
                os.mkdir(d)
            ours, charged = by_cprof(load, dirs[0])
            theirs = by_strace(load, dirs[1])
        print("### %s\n\n| call | cprof: calls | seconds | strace: calls | seconds | calls agree |\n|---|---|---|---|---|---|" % load.__name__)
        for name in sorted(set(ours) | (set(theirs) & COUNTED), key=lambda n: -ours.get(n, [0, 0])[1]):
            a, b = ours.get(name, [0, 0.0]), theirs.get(name, [0, 0.0])
            agree = ""
            if name in COUNTED - LOOKS.get(load.__name__, set()) and b[0] >= 500:
                ok = abs(a[0] - b[0]) <= 0.1 * b[0]
                agree = "yes" if ok else "no"
                failed = failed or not ok
            if max(a[0], b[0]) >= 20:
                print("| %s | %d | %.3f | %d | %.3f | %s |" % (name, *a, *b, agree))
        print("\nmutex: %.3f s charged to who held locks\n" % charged, flush=True)
    sys.exit(failed)


main()
