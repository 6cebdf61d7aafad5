#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sampled allocations cost, beside nothing, beside a library that only passes calls on, and beside other profilers.

build/bench/alloc does the allocating. Every figure is the least of BENCH_HEAP_ROUNDS (11) rounds; a round is a process of
each configuration, in an order that is drawn anew. The least, because what disturbs only adds.

  pair    malloc and free of 64 bytes, against the pass-through, which is there twice: what this machine can tell apart
  stress  mixed sizes, some 30,000 samples a second and thread at 512 KiB, against the same allocator without a profiler
  sample  the same at three periods, and a sample for every pair, by stack depth: what one sampled allocation costs
  held    what the profiles hold

BENCH_HEAP chooses, all at first. Markdown on standard output.
"""
import glob
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile

import peers

ROUNDS = int(os.environ.get("BENCH_HEAP_ROUNDS", "11"))
WANTED = os.environ.get("BENCH_HEAP", "pair stress sample held").split()
PERIOD = 524288
ALLOC = peers.BENCH + "/alloc"
JEMALLOC = peers.found("/usr/lib/*/libjemalloc.so.2")
TCMALLOC = peers.found("/usr/lib/*/libtcmalloc.so.4")
HEAPTRACK = peers.found("/usr/lib/heaptrack/libheaptrack_preload.so", "/usr/lib/*/heaptrack/libheaptrack_preload.so")
GPROFNG = shutil.which("gprofng")


class Config:
    """name; base: the name of what it is compared with; library: preloaded; env, where @ is the directory of the run;
    part: how much of the work it is given, because it takes so long for it; reader: of its profile."""

    def __init__(self, name, base=None, library=None, env=(), part=1.0, wrap=(), reader=None):
        self.name, self.base, self.library, self.env = name, base, library, dict(env)
        self.part, self.wrap, self.reader = part, wrap, reader

    def there(self):
        return self.library != "" and all(self.wrap[:1])


def cprof(name, period, base="nothing"):
    return Config(name, base, peers.B + "/libcprof.so", {"CPROF_HEAP_SAMPLE_BYTES": str(period), "CPROF_OUTPUT_DIR": "@/out",
                  "CPROF_STORE_DIR": peers.SCRATCH + "/store", "CPROF_OUTPUT_LOG": "@/log"}, reader=read_cprof)


def run(config, directory, mode, depth, threads, pairs, loops, env=()):
    """What alloc has printed: ns per pair, pairs, bytes allocated, bytes in use."""
    os.makedirs(directory + "/out", mode=0o700, exist_ok=True)
    os.makedirs(peers.SCRATCH + "/store", mode=0o700, exist_ok=True)
    whole = {k: v for k, v in os.environ.items() if not k.startswith(("CPROF_", "MALLOC_CONF", "LD_PRELOAD"))}
    whole.update({k: v.replace("@", directory) for k, v in [*config.env.items(), *dict(env).items()]})
    if config.library:
        whole["LD_PRELOAD"] = config.library
    r = subprocess.run([*(w.replace("@", directory) for w in config.wrap), ALLOC, mode, str(depth), str(threads),
                        str(max(1, int(pairs * config.part))), str(loops)], env=whole, cwd=directory, capture_output=True,
                       text=True, timeout=120)
    line = [s for s in r.stdout.splitlines() if len(s.split()) == 4]
    if r.returncode or not line:
        raise peers.Failed("exit status %d: %s" % (r.returncode, r.stderr.strip()[-200:]))
    ns, *counts = line[-1].split()
    return float(ns), *map(int, counts)


def least(configs, *work):
    """{name: least ns per pair}, {name: why it failed}"""
    rng, best, failed = random.Random(1), {}, {}
    for number in range(ROUNDS):
        order = [c for c in configs if c.name not in failed]
        rng.shuffle(order)
        for c in order:
            with tempfile.TemporaryDirectory(dir=peers.SCRATCH) as directory:
                try:
                    best[c.name] = min(best.get(c.name, 1e18), run(c, directory, *work)[0])
                except (peers.Failed, subprocess.TimeoutExpired) as e:
                    failed[c.name] = " ".join(str(e).split())
        sys.stderr.write("heap: %s: round %d of %d\n" % (" ".join(map(str, work)), number + 1, ROUNDS))
    return best, failed


def yes(condition):
    return "yes" if condition else "no"


# ---- what a profile holds: {what: (samples, bytes)} ----

def read_cprof(directory):
    held = {}
    for path in glob.glob(directory + "/out/*.heap.*.pb.gz"):
        for _, v, _ in peers.cprof_profile.Profile(path).stacks:
            for what, objects, size in (("allocated", v[0], v[1]), ("in use", v[2], v[3])):
                if objects > 0:
                    had = held.get(what, (0, 0))
                    # As many as that many objects of their average size had points in them.
                    share = 1 - math.exp(-size / objects / PERIOD)
                    held[what] = had[0] + objects * share, had[1] + size
    return {k: (round(v[0]), v[1]) for k, v in held.items()}


def read_heap_v2(path):
    """The text of jemalloc and tcmalloc: a line "count: bytes [count: bytes]" per stack, of samples as they were: in use, then
    since start. jemalloc's lines begin with the thread, "t*" is all of them, and the first such line is the sum."""
    used = [0, 0, 0, 0]
    for number, line in enumerate(open(path, errors="replace")):
        f = line.replace("[", " ").replace("]", " ").replace(":", " ").split()
        if f[:1] == ["t*"]:
            f = f[1:] if number > 1 else []
        if len(f) < 4 or not all(w.isdigit() for w in f[:4]):
            continue
        for i in 0, 2:
            count, size = int(f[i]), int(f[i + 1])
            if count:
                used[i] += count
                used[i + 1] += size / (1 - math.exp(-size / count / PERIOD))
    return {"in use": tuple(used[:2]), "allocated": tuple(used[2:])} if used[2] else {"in use": tuple(used[:2])}


def read_jemalloc(directory):
    files = glob.glob(directory + "/je*.heap")
    return read_heap_v2(files[0]) if files else {}


def read_tcmalloc(directory):
    """It does not count what was freed."""
    path = directory + "/tcmalloc"
    return {"in use": read_heap_v2(path)["in use"]} if os.path.exists(path) else {}


def read_heaptrack(directory):
    """"s" and "a" lines are tables; "+ size trace address", "- address"."""
    living, count, total = {}, 0, 0
    for line in open(directory + "/heaptrack"):
        f = line.split()
        if f[:1] == ["+"]:
            living[f[3]] = int(f[1], 16)
            count, total = count + 1, total + int(f[1], 16)
        elif f[:1] == ["-"]:
            living.pop(f[1], None)
    return {"allocated": (count, total), "in use": (len(living), sum(living.values()))}


# ---- the parts ----

def pair():
    forward = [Config("pass-through", None, peers.BENCH + "/forward.so"),
               Config("pass-through, again", None, peers.BENCH + "/forward_again.so")]
    configs = [Config("nothing"), *forward, cprof("cprof, heap on", PERIOD), cprof("cprof, heap off", 0)]
    print("### malloc and free of 64 bytes\n")
    print("ns per pair, and over the better of the two pass-throughs. %d rounds of 5 loops of 2 million pairs and thread, each "
          "thread on a CPU of its own.\n" % ROUNDS)
    table = {t: least(configs, "same", 0, t, 2000000, 5)[0] for t in (1, 2)}
    floor = {t: min(v[c.name] for c in forward) for t, v in table.items()}
    print("| | 1 thread | over | 2 threads | over |")
    print("|---|---|---|---|---|")
    for c in configs:
        print("| %s | %s |" % (c.name, " | ".join("%.2f | %+.2f" % (v[c.name], v[c.name] - floor[t]) for t, v in table.items())))
    print()
    for t, v in table.items():
        self_difference = abs(v[forward[0].name] - v[forward[1].name])
        over = v["cprof, heap on"] - floor[t]
        print("%d thread%s: two identical libraries differ by %.2f ns (below 0.3: %s); heap on is %.2f ns over them (at most 1.5: %s).\n"
              % (t, "s" * (t > 1), self_difference, yes(self_difference < 0.3), over, yes(over <= 1.5)))


def profilers():
    """Those that sample do so each 512 KiB."""
    jemalloc = {"MALLOC_CONF": "prof:true,lg_prof_sample:19,prof_final:true,prof_prefix:@/je"}
    return [
        Config("nothing"), Config("nothing, again", "nothing"), Config("pass-through", "nothing", peers.BENCH + "/forward.so"),
        cprof("cprof", PERIOD), cprof("cprof, heap off", 0),
        Config("jemalloc", "nothing", JEMALLOC or ""),
        Config("jemalloc, prof", "jemalloc", JEMALLOC or "", jemalloc, reader=read_jemalloc),
        Config("tcmalloc", "nothing", TCMALLOC or "", {"TCMALLOC_SAMPLE_PARAMETER": "0"}),
        Config("tcmalloc, sampling", "tcmalloc", TCMALLOC or "",
               {"TCMALLOC_SAMPLE_PARAMETER": str(PERIOD), "ALLOC_TCMALLOC": "@/tcmalloc"}, reader=read_tcmalloc),
        Config("heaptrack", "nothing", HEAPTRACK or "", {"DUMP_HEAPTRACK_OUTPUT": "@/heaptrack"}, part=0.05,
               reader=read_heaptrack),
        Config("gprofng -H on", "nothing", None, part=0.005,
               wrap=(GPROFNG, "collect", "app", "-p", "off", "-H", "on", "-O", "@/test.er")),
    ]


def stress():
    configs = [c for c in profilers() if c.there()]
    print("### Mixed sizes\n")
    print("A table of 1024 places, each pair frees a random one and puts a new object there, 16 to 8191 bytes, 379 on average, 10 "
          "frames down: ns per pair and CPU in use, and as a ratio to the\nsame allocator without a profiler. %d rounds of 5 loops of a "
          "million pairs and thread; heaptrack and gprofng, which record every call, are given fewer.\n" % ROUNDS)
    table = {t: least(configs, "mixed", 10, t, 1000000, 5) for t in (1, 2, 4)}
    print("| | against | %s |" % " | ".join("%d thread%s | ratio" % (t, "s" * (t > 1)) for t in table))
    print("|---|---%s|" % ("|---|---" * len(table)))
    for c in configs:
        row = []
        for v, failed in table.values():
            if c.name in failed or c.name not in v:
                row.append("failed: %s | " % failed.get(c.name, ""))
            else:
                row.append("%.1f | %s" % (v[c.name], "%.3f" % (v[c.name] / v[c.base]) if c.base in v else ""))
        print("| %s | %s | %s |" % (c.name, c.base or "", " | ".join(row)))
    print()
    for t, (v, _) in table.items():
        print("%d thread%s: %.3f of base (at most 1.15: %s).\n" %
              (t, "s" * (t > 1), v["cprof"] / v["nothing"], yes(v["cprof"] / v["nothing"] <= 1.15)))


def samples_per_pair(period):
    """alloc.c's sizes: octaves from 16 on, each 0.7048 times as frequent as the one below."""
    weights = [0.7048 ** k for k in range(9)]
    mean = sum(w * -math.expm1(-(16 << k) * (1 + (i + 0.5) / 64) / period) for k, w in enumerate(weights) for i in range(64))
    return mean / 64 / sum(weights)


def sample():
    print("### One sampled allocation and its free\n")
    off = cprof("off", 0)
    periods = [cprof(str(p), p) for p in (PERIOD, PERIOD // 8, PERIOD // 64)]
    v, _ = least([off, *periods], "mixed", 10, 1, 1000000, 5)
    print("From the stress: what a pair costs more than with heap off, by the samples per pair.\n")
    print("| sample_bytes | ns per sample |")
    print("|---|---|")
    for c in periods:
        print("| %s | %.0f |" % (c.name, (v[c.name] - v["off"]) / samples_per_pair(int(c.name))))
    print("\nWith a sample for every pair of 64 bytes, so that all of it is in the caches.\n")
    print("| frames of the program | ns per sample |")
    print("|---|---|")
    for depth in 5, 10, 20, 40, 80:
        v, _ = least([off, cprof("1", 1)], "same", depth, 1, 50000, 5)
        print("| %d | %.0f |" % (depth + 2, v["1"] - v["off"]))
    print()


def held():
    print("### What the profiles hold\n")
    print("Of 10 million pairs of the stress: bytes allocated. Of 400,000 objects of the same sizes that nobody frees: bytes in use. "
          "Samples in the profile, and by how much the sum that follows\nfrom them is off; one standard deviation is 100 % by the "
          "root of the samples. jemalloc counts its own size classes, which are larger than what was asked for.\n")
    print("| | allocated: samples | off by | in use: samples | off by |")
    print("|---|---|---|---|---|")
    for c in profilers():
        if not c.reader or not c.there() or c.name.endswith("off"):
            continue
        cells = []
        for what, mode, pairs, env in (("allocated", "mixed", 10000000, {"MALLOC_CONF": c.env.get("MALLOC_CONF", "") + ",prof_accum:true"}
                                        if "MALLOC_CONF" in c.env else {}), ("in use", "held", 400000, {})):
            with tempfile.TemporaryDirectory(dir=peers.SCRATCH) as directory:
                try:
                    _, _, allocated, in_use = run(c, directory, mode, 10, 1, pairs, 1, env)
                    samples, size = c.reader(directory).get(what, (0, 0))
                    truth = allocated if what == "allocated" else in_use
                    cells.append("%d | %+.1f %%" % (samples, (size / truth - 1) * 100) if samples else "none | ")
                except (peers.Failed, OSError, subprocess.TimeoutExpired) as e:
                    cells.append("failed: %s | " % " ".join(str(e).split()))
        print("| %s | %s |" % (c.name, " | ".join(cells)))
    print()


def main():
    print("## The heap\n")
    missing = [n for n, there in (("jemalloc", JEMALLOC), ("tcmalloc", TCMALLOC), ("heaptrack", HEAPTRACK), ("gprofng", GPROFNG))
               if not there]
    if missing:
        print("Not installed, skipped: %s.\n" % ", ".join(missing))
    for part in (pair, stress, sample, held):
        if part.__name__ in WANTED:
            part()
            sys.stdout.flush()


if __name__ == "__main__":
    main()
