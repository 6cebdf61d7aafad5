# SPDX-License-Identifier: MIT
"""Claims about the profiles of a whole tree of processes: life.py LOG DIR ROOT_PID CHILDREN_NS.

LOG and CHILDREN_NS are what tests/programs/tree.c leaves and prints; DIR holds the files of all of them.  Exits 1
when a claim fails.
"""
import collections
import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from profile import Profile  # noqa: E402

PER_NODE = 10  # per cent
IN_ALL = 3
failed = False


def claim(name, bad, good=""):
    global failed
    if bad:
        failed = True
        print("not ok %s: %s" % (name, "; ".join(bad)))
    else:
        print("ok %s%s" % (name, good))


def main(log, out, root, children_ns):
    nodes = collections.defaultdict(dict)  # pid -> name -> (ns, kind)
    for line in open(log):
        pid, name, ns, kind = line.split()
        nodes[int(pid)][name] = int(ns), kind
    per_file = []  # (path, pid, {node: ns}, ns in all)
    for path in glob.glob(os.path.join(glob.escape(out), "*.cpu.*.pb.gz")):
        found, total = collections.Counter(), 0
        for names, values, _ in Profile(path).stacks:
            total += values[-1]
            found.update({n[5:]: values[-1] for n in set(names) if n.startswith("node_")})
        per_file.append((os.path.basename(path), int(path.split(".")[-5]), found, total))

    foreign, several, bare = [], [], []
    for path, pid, found, _ in per_file:
        foreign += ["%s in %s" % (n, path) for n in found if n not in nodes[pid]]
        bare += ["%s" % path for n in found if n == "bare"]
        if len(found) > 1:
            several.append("%s has %s" % (path, " and ".join(found)))
    claim("tree_no_sample_of_another_process", foreign)
    claim("tree_no_sample_of_another_image", several)
    claim("tree_empty_environment_is_not_profiled", bare)

    missing, wrong, apart = [], [], 0  # apart: what nobody can profile
    for pid, names in nodes.items():
        mine = [(found, total) for _, p, found, total in per_file if p == pid]
        for name, (ns, kind) in names.items():
            if kind == "bare" or kind == "unseen" and not mine:
                apart += ns
                continue
            has = sum(found[name] if kind == "profiled" else total for found, total in mine)
            if not has:
                missing.append("%s (%d)" % (name, pid))
            elif abs(has - ns) * 100 > ns * PER_NODE:
                wrong.append("%s (%d) has %d of %d ms, files of the process %d" %
                             (name, pid, has // 1000000, ns // 1000000, sum(t for _, t in mine) // 1000000))
    claim("tree_every_node_has_a_file", missing)
    claim("tree_every_node_has_its_own_cpu", wrong)

    want = children_ns - apart
    total = sum(t for _, pid, _, t in per_file if pid != root)
    say = "%d ms in files, %d by getrusage, %.2f %%" % (total // 1000000, want // 1000000,
                                                         100.0 * (total - want) / want)
    claim("tree_adds_up_to_rusage_children", [say] if abs(total - want) * 100 > want * IN_ALL else [], " (%s)" % say)


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
sys.exit(failed)
