#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""contention.py EXPECTED BLOCK MUTEX: what tests/programs/contention says about its waits against the two profiles."""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from profile import Profile  # noqa: E402

CLASS = {"pthread_mutex": "mutex", "mtx": "mutex", "pthread_rwlock": "rwlock", "pthread_spin": "spin", "sem": "semaphore",
         "pthread_cond": "cond", "cnd": "cond", "pthread_barrier": "barrier", "syscall": "futex"}
ALIAS = {"pthread_spin_init": "pthread_spin_unlock"}  # one function with two names in libc
failed = False


def claim(ok, name, why):
    global failed
    failed = failed or not ok
    print("ok " + name if ok else "not ok %s: %s" % (name, why))


def class_of(leaf):
    return CLASS.get("_".join(leaf.split("_")[:2]) if leaf.startswith("pthread") else leaf.split("_")[0])


def main():
    want = collections.defaultdict(lambda: [0, 0])
    for line in open(sys.argv[1]):
        kind, leaf, caller, count, ns = line.split()
        want[kind, leaf, caller][0] += int(count)
        want[kind, leaf, caller][1] += int(ns)
    got = collections.defaultdict(lambda: [0, 0])
    labels = collections.defaultdict(set)
    total = collections.Counter()
    for kind, path in (("block", sys.argv[2]), ("mutex", sys.argv[3])):
        for names, (count, ns), label in Profile(path).stacks:
            leaf = ALIAS.get(names[0], names[0])
            got[kind, leaf, names[1]][0] += count
            got[kind, leaf, names[1]][1] += ns
            labels[leaf].add(label.get("class"))
            total[kind, label.get("class")] += ns
    for (kind, leaf, caller), (count, ns) in sorted(want.items()):
        has, had = got.get((kind, leaf, caller), (0, 0))
        claim(count in (has, -1) and abs(had - ns) <= max(0.03 * ns, 300000), "%s_%s_%s" % (kind, caller, leaf),
              "%d contentions of %.3f ms, wanted %d of %.3f" % (has, had / 1e6, count, ns / 1e6))
    # What is charged to others than the guilty is the waiters' own turns: short ones, where none of them had to wait for a processor.
    for caller in ("one", "three", "eight", "timed", "clocked", "c11_plain", "c11_timed", "readers", "writers"):
        guilty = sum(v[1] for (k, _, c), v in got.items() if k == "mutex" and c == caller + "_holds")
        others = sum(v[1] for (k, _, c), v in got.items() if k == "mutex" and c == caller + "_waits")
        turns = sum(v[1] for (k, _, c), v in want.items() if k == "mutex" and c == caller + "_waits")
        claim(guilty > 0 and others <= max(0.03 * (guilty + others), turns + 300000), "mutex_%s_is_the_holder_s" % caller,
              "%.3f ms are its own, %.3f the waiters', whose turns took %.3f" % (guilty / 1e6, others / 1e6, turns / 1e6))
    for caller in ("recursive_inner", "outlasts", "ghost_releases"):
        charged = sum(v[1] for (k, _, c), v in got.items() if k == "mutex" and c == caller)
        claim(charged == 0, "mutex_%s_is_not_charged" % caller, "%.3f ms" % (charged / 1e6))
    for caller in ("ghost", "cancelled"):
        waits = [k for k in got if k[0] == "block" and k[2] == caller and k[1].startswith("pthread_mutex")]
        claim(not waits, "block_%s_has_no_wait_without_an_end" % caller, waits)
    unheld = {k for k in got if k[0] == "mutex" and not k[1].startswith(("pthread_mutex_unlock", "mtx_unlock", "pthread_rwlock_unlock",
                                                                         "pthread_spin_unlock", "pthread_cond_", "cnd_"))}
    claim(not unheld, "mutex_has_releases_only", unheld)
    # What threads need to wake up is in block only: so much less is in mutex, but no less than they have seen themselves.
    charges = collections.Counter()
    for (kind, leaf, _), (_, ns) in want.items():
        if kind == "mutex":
            charges["mutex" if class_of(leaf) == "cond" else class_of(leaf)] += ns
    for lock in ("mutex", "rwlock", "spin"):
        wait = total["block", lock]
        claim(0.97 * charges[lock] <= total["mutex", lock] <= wait, "mutex_total_is_the_%s_part_of_block" % lock,
              "%.3f ms of %.3f, wanted %.3f" % (total["mutex", lock] / 1e6, wait / 1e6, charges[lock] / 1e6))
        print("# %s: mutex has %.1f %% of what block has" % (lock, total["mutex", lock] * 100 / wait))
    for leaf, have in sorted(labels.items()):
        if class_of(leaf) and not leaf.startswith(("pthread_cond_", "cnd_")):
            claim(have == {class_of(leaf)}, "class_of_" + leaf, have)
    sys.exit(failed)


main()
