#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a profile holds: a tool that records nothing is cheap.

build/bench/rec uses a known amount of CPU time, which it measures itself by the CPU clocks, at the bottom of a recursion
of known depth, in its main thread or in four equal threads on all CPUs; it has no frame pointers. Compared are the samples
in the profile times the period that the profile states for them. Markdown on standard output; BENCH_CONTENT_SECONDS (4)
of CPU time for one thread, half as much for each of four.
"""
import os
import subprocess
import sys

import peers
import stats
from peers import Failed, Run

BINARY = peers.BENCH + "/rec"
SECONDS = float(os.environ.get("BENCH_CONTENT_SECONDS", "4"))
RUNS = int(os.environ.get("BENCH_CONTENT_RUNS", "2"))


def measure(config, threads):
    """(share kept, share accounted for, least and greatest share of a thread, depth, rooted)."""
    run = Run(config, [BINARY, str(threads), str(SECONDS / 2 if threads else SECONDS)])
    try:
        _, status = run.wait(SECONDS * 10 + 30)
        line = next((s for s in run.output().splitlines() if s.replace(" ", "").isdigit()), None)
        if status or not line:
            raise Failed("exit status %d: %s" % (status, run.output().strip()[-200:]))
        total, *each = map(int, line.split())
        c = peers.contents(run, BINARY)
        shares = [c.by_root["worker_%d" % i] / ns for i, ns in enumerate(each)]
        return c.ns / total, c.all_ns / total, min(shares), max(shares), c.depth, c.rooted
    finally:
        run.end()


def cells(config, threads):
    rows = []
    for number in range(RUNS):
        sys.stderr.write("content: %s, %d threads, run %d of %d\n" % (config.name, threads or 1, number + 1, RUNS))
        rows.append(measure(config, threads))
    kept = [r[0] for r in rows]
    kept_all, depth, rooted = (stats.median([r[i] for r in rows]) for i in (1, 4, 5))
    told = any(r[3] > 0 for r in rows) and rooted > 0.5
    bias = "%.0f to %.0f %%" % (min(r[2] for r in rows) * 100, max(r[3] for r in rows) * 100) if told else "not told"
    text = ["%.1f %% (%.1f to %.1f)" % (stats.median(kept) * 100, min(kept) * 100, max(kept) * 100)]
    if threads:
        text.append(bias)
    else:
        text += ["%.1f" % depth if depth else "", "%.0f %%" % (rooted * 100)]
    if config.tool == "cprof":
        text[0] += ", accounted for %.1f %%" % (kept_all * 100)
    return text, min(kept)


def main():
    print("## What the profiles hold\n")
    print("Samples times their period, as a share of the CPU time used: %g s in one thread; %g s in each of four equal threads "
          "on %d CPUs. Median of %d runs\n(least and greatest). By thread: the least and the greatest share of one thread. "
          "The stacks are 24 frames of the program and two or three of libc,\nwithout frame pointers; \"to main\": the share "
          "whose stack reaches main or the thread's function.\n" % (SECONDS, SECONDS / 2, os.cpu_count(), RUNS))
    configs = peers.installed(
        [peers.cprof(hz) for hz in (100, 250, 1000)] + [peers.gperftools(hz) for hz in (100, 250, 1000)] +
        [peers.gprofng("on", 100), peers.gprofng("hi", 1000), peers.perf(99), peers.perf(99, "--call-graph dwarf"),
         peers.perf(997)])
    print("| | one thread | average depth | to main | four threads | by thread |")
    print("|---|---|---|---|---|---|")
    least = {}
    for config in configs:
        try:
            one, kept_one = cells(config, 0)
            four, kept_four = cells(config, 4)
            print("| %s | %s |" % (config.name, " | ".join(one + four)))
            least[config.name] = min(kept_one, kept_four)
        except (Failed, OSError, subprocess.TimeoutExpired) as e:
            print("| %s | failed: %s | | | | |" % (config.name, " ".join(str(e).split())))
        sys.stdout.flush()
    print()
    for hz in (100, 250):
        name = peers.cprof(hz).name
        if name in least:
            print("%s: the least of these is %.1f %% of the samples; 99 %% is %s.\n" %
                  (name, least[name] * 100, "reached" if least[name] >= 0.99 else "missed"))


if __name__ == "__main__":
    main()
