# SPDX-License-Identifier: MIT
"""The profilers that are compared: how each is put under a program, what it needs, and how much its profile holds.

Programs are started by build/bench/launch, so that their pid and CPU time are known under any tool. Everything that is
started is in a session of its own, whose processes are ended with it; nothing outlives us, whatever ends us.
"""
import atexit
import collections
import glob
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import profile as cprof_profile  # noqa: E402  (tests/support/profile.py)

B = os.path.abspath(os.environ.get("B", "build"))
BENCH = os.path.join(B, "bench")
# In memory, as the store is by default: a disk would make the first sample and the files dearer (tests/bench/run).
SCRATCH = tempfile.mkdtemp(prefix="cprof-bench-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def found(*patterns):
    for p in patterns:
        for path in sorted(glob.glob(p)):
            return path
    return None


def usable(argv):
    """Whether a tool works here at all: a container may forbid perf_event_open."""
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=60, cwd=SCRATCH).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Config:
    """name; tool: which of the readers below; hz: what is asked for; library: to be preloaded; env, where @ is the
    directory of the run; wrap: the tool's arguments before those of launch."""

    def __init__(self, name, tool, hz=0, library="-", env=(), wrap=lambda directory: []):
        self.name, self.tool, self.hz, self.library, self.env, self.wrap = name, tool, hz, library, dict(env), wrap


CPU_ALONE = {"CPROF_HEAP_SAMPLE_BYTES": "0", "CPROF_BLOCK_THRESHOLD": "0", "CPROF_MUTEX_FRACTION": "0"}


def cprof(hz, what="", env=()):
    return Config("cprof, %d Hz%s" % (hz, what), "cprof", hz, B + "/libcprof.so",
                {"CPROF_CPU_HZ": str(hz), "CPROF_OUTPUT_DIR": "@/out", "CPROF_STORE_DIR": SCRATCH + "/store",
                 "CPROF_OUTPUT_LOG": "@/log", **dict(env)})


TOOLS = os.environ.get("BENCH_TOOLS", "cprof gperftools gprofng perf").split()
GPERFTOOLS = found("/usr/lib/*/libprofiler.so.0")
GPROFNG = shutil.which("gprofng")
PERF = shutil.which("perf")


def gperftools(hz):
    return Config("gperftools, %d Hz" % hz, "gperftools", hz, GPERFTOOLS or "",
                {"CPUPROFILE": "@/gperf.prof", "CPUPROFILE_FREQUENCY": str(hz)})


def gprofng(how, hz):
    return Config("gprofng -p " + how, "gprofng", hz,
                wrap=lambda d: [GPROFNG or "", "collect", "app", "-p", how, "-O", d + "/gprofng.er"])


def perf(hz, how="-g"):
    return Config("perf -F %d %s" % (hz, how), "perf", hz,
                wrap=lambda d: [PERF or "", "record", "-q", "-e", "cpu-clock", "-F", str(hz), *how.split(),
                                "-o", d + "/perf.data", "--"])


NOTHING = Config("nothing", None)
AGAIN = Config("nothing, again", None)
EMPTY = Config("empty library", None, library=BENCH + "/empty.so")
FORWARD = Config("pass-through of malloc and locks", None, library=BENCH + "/forward.so:" + BENCH + "/forward_lock.so")


def installed(configs):
    """Those whose tool is here; the others are named on standard output."""
    works = {None: True, "cprof": True, "gperftools": bool(GPERFTOOLS),
             "gprofng": bool(GPROFNG) and usable([GPROFNG, "collect", "app", "-O", SCRATCH + "/try.er", "/bin/true"]),
             "perf": bool(PERF) and usable([PERF, "record", "-q", "-e", "cpu-clock", "-o", SCRATCH + "/try.data",
                                            "/bin/true"])}
    for tool, ok in works.items():
        if not ok and tool in TOOLS:
            print("%s: not installed, or not allowed here; skipped\n" % tool)
    return [c for c in configs if works[c.tool] and (not c.tool or c.tool in TOOLS)]


# ---- running ----

class Failed(Exception):
    pass


running = []  # session leaders that we started and have not ended


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise Failed("no %s within %d s" % (what, seconds))
        time.sleep(0.005)
    return result


def cpu_clock(pid):
    """CPU time of a process in ns, of all its threads, dead ones too: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime_ns(~pid << 3 | 2)


class Run:
    """One program under one tool."""

    def __init__(self, config, argv, cpu=-1, hold=False, talks=False, env=()):
        self.config = config
        self.dir = tempfile.mkdtemp(dir=SCRATCH)
        os.makedirs(self.dir + "/out", mode=0o700)
        os.makedirs(SCRATCH + "/store", mode=0o700, exist_ok=True)
        self.report = self.dir + "/report"
        self.said = self.dir + "/said"
        env = {**{k: v for k, v in os.environ.items() if not k.startswith(("CPROF_", "CPUPROFILE", "LD_PRELOAD"))},
               **dict(env)}
        env.update({k: v.replace("@", self.dir) for k, v in config.env.items()})
        with open(self.said, "wb") as out:
            self.process = subprocess.Popen(
                [*config.wrap(self.dir), BENCH + "/launch", self.report, str(cpu), "1" if hold else "0", config.library,
                 *argv], stdin=subprocess.PIPE if talks else subprocess.DEVNULL, stdout=out,
                stderr=subprocess.PIPE if talks else out, env=env, cwd=self.dir, start_new_session=True)
        running.append(self.process)
        try:
            self.pid = int(wait_for("start of " + argv[0], 20, lambda: self.reported("pid")))
        except Failed:
            self.end()
            raise

    def reported(self, key):
        try:
            for line in open(self.report):
                if line.startswith(key + " ") and line.endswith("\n"):
                    return line.split()[1]
        except FileNotFoundError:
            pass
        return None

    def output(self):
        return open(self.said, errors="replace").read()

    def cpu(self):
        """ns so far."""
        try:
            return cpu_clock(self.pid)
        except OSError:
            raise Failed("it has ended: " + self.output().strip()[-200:])

    def wait(self, seconds):
        """Until program and tool have ended by themselves; the program's CPU time in ns and exit status."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed("it did not end within %d s" % seconds)
        used, status = self.reported("cpu"), self.reported("status")
        if used is None or status is None:
            raise Failed("no report: " + self.output().strip()[-200:])
        return int(used) * 1000, int(status)

    def end(self):
        """Ends whatever is left of it and removes its files."""
        if self.process in running:
            running.remove(self.process)
            end_session(self.process)
        shutil.rmtree(self.dir, ignore_errors=True)


def end_session(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def end_all(*_):
    for process in running:
        end_session(process)
    running.clear()
    shutil.rmtree(SCRATCH, ignore_errors=True)


atexit.register(end_all)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: sys.exit(1))


# ---- what a profile holds ----

# samples: how many; ns: what they stand for; all_ns: with CPU time that is accounted for without a sample; depth: average
# number of frames; rooted: share of the time whose stack reaches main or the thread's start; by_root: ns per worker_N.
Contents = collections.namedtuple("Contents", "samples ns all_ns depth rooted by_root")
ROOT = re.compile(r"main$|worker_\d$")


def summed(stacks, all_ns=None):
    """stacks: (names leaf first, samples, ns)."""
    samples = sum(s for _, s, _ in stacks)
    ns = sum(n for _, _, n in stacks)
    by_root = collections.Counter()
    depth = rooted = 0
    for names, _, n in stacks:
        depth += len(names) * n
        rooted += n * any(ROOT.match(f) for f in names)
        for f in set(names):
            if f.startswith("worker_"):
                by_root[f] += n
    return Contents(samples, ns, ns if all_ns is None else all_ns, depth / ns if ns else 0, rooted / ns if ns else 0,
                    by_root)


def read_cprof(directory, _binary):
    stacks, total = [], 0
    for path in glob.glob(directory + "/out/*.cpu.*.pb.gz"):
        for names, values, _ in cprof_profile.Profile(path).stacks:
            total += values[-1]
            if names[0] != "[cpu not sampled]":
                stacks.append((names, values[0], values[-1]))
    return summed(stacks, total)


def functions_of(binary):
    """(begin, end, name) of a program that is not position independent."""
    out = []
    for line in subprocess.run(["nm", "-S", binary], capture_output=True, text=True).stdout.splitlines():
        f = line.split()
        if len(f) == 4 and f[2] in "tT":
            out.append((int(f[0], 16), int(f[0], 16) + int(f[1], 16), f[3]))
    return out


def read_gperftools(directory, binary):
    """The format of its cpuprofile-fileformat.html: words 0 3 0 period 0, then count, depth, addresses leaf first until
    a record 0 1 0. A process made by fork writes a file of its own, with its pid at the end of the name."""
    functions, names, stacks = functions_of(binary), {}, []

    def name(pc):
        if pc not in names:
            names[pc] = next((n for b, e, n in functions if b <= pc < e), "?")
        return names[pc]

    for path in glob.glob(directory + "/gperf.prof*"):
        data = open(path, "rb").read()
        word = struct.unpack("%dQ" % (len(data) // 8), data[:len(data) // 8 * 8])
        if word[:3] != (0, 3, 0):
            raise Failed("an unknown gperftools file")
        i, period = 5, word[3] * 1000
        while i + 1 < len(word) and word[i:i + 3] != (0, 1, 0):
            count, depth = word[i], word[i + 1]
            stacks.append(([name(pc if not k else pc - 1) for k, pc in enumerate(word[i + 2:i + 2 + depth])], count,
                           count * period))
            i += 2 + depth
    return summed(stacks)


def read_gprofng(directory, _binary, hz=100):
    """The call tree: what stands beside a line is the time in it and below, and its indentation is its depth."""
    out = subprocess.run([GPROFNG, "display", "text", "-metrics", "e.totalcpu:i.totalcpu:name", "-calltree",
                          directory + "/gprofng.er"], capture_output=True, text=True, timeout=60).stdout
    total = frames = rooted = 0
    by_root, roots = collections.Counter(), []
    for seconds, indent, name in re.findall(r"^(\d+\.\d*)\s([ |]*)\+-(.*)$", out, re.M):
        ns = int(float(seconds) * 1e9)
        if name == "<Total>":
            total = ns
            continue
        frames += ns
        while roots and roots[-1] >= len(indent):
            roots.pop()
        if ROOT.match(name):
            rooted += 0 if roots else ns  # what is under main counts once
            roots.append(len(indent))
            if name.startswith("worker_"):
                by_root[name] += ns
    return Contents(round(total * hz / 1e9), total, total, frames / total if total else 0,
                    rooted / total if total else 0, by_root)


def read_perf(directory, _binary):
    """Blocks of `perf script`: the period in ns, then a line per frame."""
    stacks, frames, period = [], [], 0
    text = subprocess.run([PERF, "script", "-i", directory + "/perf.data", "-F", "tid,period,ip,sym"],
                          capture_output=True, text=True, errors="replace", timeout=120).stdout
    for line in text.splitlines() + [""]:
        if not line.strip():
            if period:
                stacks.append((frames, 1, period))
            frames, period = [], 0
        elif period:
            frames.append(line.split(None, 1)[1].strip() if " " in line.strip() else "?")
        else:
            period = int(line.split()[1])
    return summed(stacks)


READERS = {"cprof": read_cprof, "gperftools": read_gperftools, "gprofng": read_gprofng, "perf": read_perf}


def contents(run, binary):
    """What the profile of a run that has ended holds."""
    return READERS[run.config.tool](run.dir, binary)
