#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""waited.py SAID BLOCK [without-idle]: what tests/programs/waited says about its waits against the block profile."""
import collections
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from profile import Profile  # noqa: E402

IDLE = {"poll", "accept", "sleep", "signal", "child", "events"}
failed = False


def claim(ok, name, why):
    global failed
    failed = failed or not ok
    print("ok " + name if ok else "not ok %s: %s" % (name, why))


def main():
    got = collections.defaultdict(list)
    for names, (count, ns), label in Profile(sys.argv[2]).stacks:
        # Functions of libc have several names: __poll, __libc_msgrcv.
        got[names[1]].append((label.get("class"), re.sub("^_*(libc_)?", "", names[0]), count, ns))
    wrong = []
    for line in open(sys.argv[1]):
        kind, leaf, caller, count, ns = line.split()
        count, ns = int(count), int(ns)
        if "without-idle" in sys.argv and kind in IDLE:
            count = 0
        has = got.get(caller, [])
        # Nothing else was waited for there, and the wait is inside of what the program has measured.
        ok = [row[:3] for row in has] == ([(kind, leaf, count)] if count else []) and all(
            -max(0.01 * ns, 1000000) <= row[3] - ns <= 0.0001 * ns + 100 for row in has)
        if "without-idle" not in sys.argv:
            claim(ok, "waited_" + caller, "%s, wanted %s" % (has, (kind, leaf, count, ns)))
        elif not ok:
            wrong.append("%s: %s" % (caller, has))
    if "without-idle" in sys.argv:
        claim(not wrong, "waited_without_idle_classes", "; ".join(wrong[:4]))
    sys.exit(failed)


main()
