#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""waited_files.py EXPECTED BLOCK: what tests/programs/waited_files says about its waits against the profile.  2: only times differ."""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from profile import Profile  # noqa: E402

want = [line.split() for line in open(sys.argv[1])]
names = {name for _, name, _, _ in want}
got = collections.defaultdict(lambda: [0, 0])
leaves, classes, inside = collections.defaultdict(set), collections.defaultdict(set), collections.defaultdict(set)
for stack, (count, ns), label in Profile(sys.argv[2]).stacks:
    for name in names & set(stack):
        if name == stack[1]:
            got[name][0] += count
            got[name][1] += ns
            leaves[name].add(stack[0])
            classes[name].add(label.get("class"))
        elif name.startswith("name_"):
            inside[name].add(stack[0])
wrong, late = not want, False
for kind, name, count, ns in want:
    count, ns = int(count), int(ns)
    has, had = got[name]
    right = has == count and classes[name] == ({kind} if count else set()) and not inside[name]
    near = abs(had - ns) <= max(0.01 * ns, 1e6)
    wrong, late = wrong or not right, late or not near
    print(f"ok waited_files_{name}" if right and near else
          f"not ok waited_files_{name}: {has} contentions of {had / 1e6:.3f} ms in {classes[name]}, wanted {count} of {ns / 1e6:.3f} in {kind}; "
          f"by {leaves[name]}, and {inside[name]}")
sys.exit(1 if wrong else 2 if late else 0)
