# SPDX-License-Identifier: MIT
"""What one process's heap files, in the order of their numbers, must be to each other: heap_monotone.py FILE...

A stack is told by its addresses.  The last file is of a moment when all that went through load() is free.
"""
import gzip
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from profile import Profile, fields, numbers  # noqa: E402

failed = False


def claim(name, bad, good):
    global failed
    failed = failed or bool(bad)
    print("not ok %s: %s" % (name, bad) if bad else "ok %s (%s)" % (name, good))


def signed(v):
    return v - (1 << 64) if v >> 63 else v


def stacks(path):
    """{addresses: four values}"""
    addresses, samples, out = {}, [], {}
    for k, v in fields(gzip.open(path).read()):
        if k == 4:
            d = {n: f for n, f in fields(v) if n in (1, 3)}
            addresses[d[1]] = d.get(3, 0)
        elif k == 2:
            samples.append(v)
    for s in samples:
        ids, values = [], []
        for k, v in fields(s):
            if k == 1:
                ids += numbers(v)
            elif k == 2:
                values += [signed(x) for x in numbers(v)]
        key = tuple(addresses[i] for i in ids)
        out[key] = [a + b for a, b in zip(out.get(key, [0] * 4), values)]
    return out


files = sorted(sys.argv[1:], key=lambda p: int(re.search(r"heap\.(\d+)\.pb", p).group(1)))
fell, negative, more, before, most, seen = [], [], [], {}, 0, 0
for path in files:
    now = stacks(path)
    for key, v in now.items():
        if min(v) < 0:
            negative.append((path, v))
        if v[2] > v[0] or v[3] > v[1]:
            more.append((path, v))
    for key, v in before.items():
        w = now.get(key, [0] * 4)
        if w[0] < v[0] or w[1] < v[1]:
            fell.append((path, v, w))
    most = max(most, sum(v[3] for v in now.values()))
    seen += len(now)
    before = now
stay = ["%s %s" % (n[:3], v) for n, v, _ in Profile(files[-1]).stacks if "load" in n and (v[2] or v[3])]
say = "%d files of %d stacks, at most %d KiB in use, %d MiB allocated at the end" % (
    len(files), seen // len(files), most >> 10, sum(v[1] for v in before.values()) >> 20)
claim("heap_alloc_never_falls", fell[:3], say)
claim("heap_inuse_is_never_negative", negative[:3], "%d values" % (4 * seen))
claim("heap_inuse_is_never_above_alloc", more[:3], "%d stacks" % seen)
claim("heap_inuse_is_nothing_when_all_is_free", stay[:3], "%d stacks" % len(before))
claim("heap_monotone_has_seen_something", "" if len(before) > 100 and most else say, say)
sys.exit(failed)
