#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One program's heap, by us and by heaptrack: heap.py NAME leaked|peak|none SAMPLE_BYTES SIZES STACKS PROFILE FUNCTION...

SIZES and STACKS are what heaptrack_print has written (-H, -F).  An object of s bytes that is sampled with
p = 1 - exp(-s / SAMPLE_BYTES) and counts 1 / p times has the variance (1 - p) / p; so the list of sizes says what one
deviation of our totals is.  In use the sizes are not known: then it is at most sqrt(SAMPLE_BYTES / bytes), that
of small objects.  A total is right within 5 deviations and 0.5 % (in use: 2 %), since the two are different
runs of a program.  Shares of functions, with all they call, agree within 3 points or 5 deviations.
"""
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from profile import Profile  # noqa: E402

name, what, period, sizes, stacks, path = sys.argv[1:7]
expected = sys.argv[7:]
period = float(period)
failed = False


def claim(say, good, why):
    global failed
    failed = failed or not good
    print("ok heap_of_%s_%s (%s)" % (name, say, why) if good else "not ok heap_of_%s_%s: %s" % (name, say, why))


def odds(size):
    return 1 / math.expm1(size / period) if 0 < size < 300 * period else 0


objects = total = v_objects = v_total = 0
for line in open(sizes):
    s, n = (int(x) for x in line.split())
    objects += n
    total += s * n
    v_objects += n * odds(s)
    v_total += n * s * s * odds(s)

ours = Profile(path)
sums = [sum(v[i] for _, v, _ in ours.stacks) for i in range(4)]
print("# %s: %s; %s" % (name, os.path.basename(path), "; ".join(
    c for c in ours.comments if c.startswith("cprof: ") and "one sample" not in c) or "nothing was lost"))
print("#   %-14s %15s %15s %8s %10s" % ("", "ours", "heaptrack", "ratio", "deviation"))


def row(column, got, want, deviation, slack):
    print("#   %-14s %15d %15d %8.4f %9.2f%%" % (column, got, want, got / want, 100 * deviation))
    claim(column, abs(got / want - 1) <= 5 * deviation + slack, "ratio %.4f, one deviation %.4f" % (got / want, deviation))


row("alloc_objects", sums[0], objects, math.sqrt(v_objects) / objects, 0.005)
row("alloc_space", sums[1], total, math.sqrt(v_total) / total, 0.005)
if what == "none":
    column, kept = 1, None
else:
    theirs, kept = {}, 0
    for line in open(stacks):
        stack, cost = line.rsplit(" ", 1)
        cost = int(cost)
        kept += cost
        # "function (file.c)": the file is not in our names.
        for f in {f.split(" (")[0] for f in stack.rstrip(";").split(";")}:
            theirs[f] = theirs.get(f, 0) + cost
    column = 3
    row("inuse_space", sums[3], kept, math.sqrt(period / kept), 0.02)

callers, with_all = {}, {}
for names, v, _ in ours.stacks:
    if v[column]:
        # xmalloc and its like say little.
        caller = next((f for f in names if "alloc" not in f.lower()), names[-1])
        callers[caller] = callers.get(caller, 0) + v[column]
        for f in set(names):
            with_all[f] = with_all.get(f, 0) + v[column]
print("#   %s by the first function that is no allocator's, and the share of it with all that it calls:" % ("alloc_space" if column == 1 else "inuse_space"))
for f, v in sorted(callers.items(), key=lambda x: -x[1])[:10]:
    say = ""
    share = with_all[f] / sums[column]
    if kept:
        say = "heaptrack %5.1f %%" % (100 * theirs[f] / kept) if f in theirs else "heaptrack has no such name"
        if f in theirs and share > 0.05:
            sigma = math.sqrt(share * period / kept)
            off = abs(share - theirs[f] / kept)
            claim("share_of_" + f.split("(")[0], off <= max(0.03, 5 * sigma), "%.1f %%, %s" % (100 * share, say))
    print("#   %5.1f %%  %-44s %5.1f %%  %s" % (100 * v / sums[column], f[:44], 100 * share, say))
for f in expected:
    claim("knows_" + f, with_all.get(f, 0) > 0.001 * sums[column], "%.1f %% of %s" % (
        100 * with_all.get(f, 0) / sums[column], "alloc_space" if column == 1 else "inuse_space"))
sys.exit(failed)
