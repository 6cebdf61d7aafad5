# SPDX-License-Identifier: MIT
"""Heap profiles against the truth that tests/programs/sites.c prints.

  heap_accuracy.py sites PREFIX MEAN TRUTH FILE [SITE:COLUMN:PER_CENT:LEAST...]
      every site's four columns are within SIGMAS of the truth; those that are named also within PER_CENT of it, which
      LEAST samples or more must stand for; "may_lose": allocations that the files say were lost are no fault
  heap_accuracy.py runs PREFIX TRUTH COUNT FILE...
      COUNT of the files are of runs of which each has this truth (others do not know its site): their mean is the
      truth, and they scatter as independent ones do

How far may an estimate be from the truth?  sites.c says the variance of each (exactly: sampling is all that
varies).  SIGMAS deviations: a normal variable is further off than 5.5 of them once in 26 million.  Ours are sums of
at least 1000 independent terms of like size; that skews the tail by exp(5.5^3 / 6 / sqrt(1000)) = 2.4 at most, so fifty
claims, most of them of the same samples, fail less than once in 10^5 runs.  Beside it stands what is left by rounding:
weights are right to 2e-6.  A column of objects that few samples stand for (a handful of the smallest) has a longer tail and
is given seven deviations and half of the truth.

With n samples of small objects one deviation is 1 / sqrt(n): 5 per cent are 5 of 10,000 samples and 13 per cent
4.1 of 1000, which is too few, so bounds are asked where 11,000 and 1800 are expected (5.2 and 5.5).
"""
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from profile import Profile  # noqa: E402

SIGMAS = 5.5
COLUMNS = ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space")
failed = False


def claim(name, good, say):
    global failed
    failed = failed or not good
    print("ok %s (%s)" % (name, say) if good else "not ok %s: %s" % (name, say))


def truths(path):
    """{site: (values, variances)}"""
    out = {}
    for line in open(path):
        w = line.split()
        if w and w[0].startswith("site_"):
            out[w[0]] = ([int(x) for x in w[1:5]], [float(x) for x in w[5:9]])
    return out


def estimates(path, site):
    total, rows = [0] * 4, 0
    for names, values, _ in Profile(path).stacks:
        if site in names:
            rows += 1
            total = [a + b for a, b in zip(total, values)]
    return total, rows


def enough(value, variance):
    return variance == 0 or value * value / variance >= 1000


def sites(prefix, mean, truth, path):
    for site, (want, variance) in truths(truth).items():
        got, rows = estimates(path, site)
        say, good = [], True
        for name, g, w, v in zip(COLUMNS, got, want, variance):
            off = abs(g - w)
            if mean == 1:
                good = good and g == w
                say.append("%s %d of %d" % (name, g, w))
            elif not w:
                good = good and g == 0
                say.append("%s %d of 0" % (name, g))
            elif enough(w, v):
                good = good and off <= SIGMAS * math.sqrt(v) + 4e-6 * w + rows
                say.append("%s %+.2f %% = %+.1f sigma" % (name, 100 * (g - w) / w, (g - w) / math.sqrt(v) if v else 0))
            else:  # a few samples: seven deviations of so skew a sum
                good = good and off <= 7 * math.sqrt(v) + 0.5 * w
                say.append("%s %+.1f %%" % (name, 100 * (g - w) / w))
        claim("%s_%s" % (prefix, site), good, ", ".join(say))


def runs(prefix, truth, count, paths):
    (site, (want, variance)), = truths(truth).items()
    all_runs = [total for total, rows in (estimates(p, site) for p in paths) if rows]
    n = len(all_runs)
    claim(prefix + "_all_have_a_file", n == count, "%d of %d" % (n, count))
    for i, name in enumerate(COLUMNS):
        ratio = sum(r[i] for r in all_runs) / n / want[i]
        sigma = math.sqrt(variance[i] / n) / want[i]
        # What the runs themselves say: were they one another's copies, they would not scatter.
        spread = math.sqrt(sum((r[i] / want[i] - ratio) ** 2 for r in all_runs) / (n - 1) / n)
        # The deviation of a measured deviation of n normal terms is 1 / sqrt(2 n) of it.
        limit = SIGMAS / math.sqrt(2 * n)
        claim("%s_%s_is_unbiased" % (prefix, name), abs(ratio - 1) <= SIGMAS * sigma,
              "mean of %d runs over truth %.4f, its deviation %.4f" % (n, ratio, sigma))
        claim("%s_%s_scatters_as_it_must" % (prefix, name), abs(spread / sigma - 1) <= limit,
              "measured deviation %.4f, computed %.4f, limit %.0f %%" % (spread, sigma, 100 * limit))


def bound(prefix, truth, path, site, column, per_cent, least):
    want, variance = truths(truth)[site]
    i = COLUMNS.index(column)
    got = estimates(path, site)[0][i]
    samples = want[i] ** 2 / variance[i]
    off = 100 * (got - want[i]) / want[i]
    claim("%s_%s_%s_within_%s_per_cent" % (prefix, site, column, per_cent),
          abs(off) <= float(per_cent) and samples >= float(least),
          "%+.2f %%, one deviation is %.2f %%: as of %d small samples" % (off, 100 / math.sqrt(samples), samples))


def main(args):
    if args[0] == "sites":
        prefix, mean, truth, path = args[1:5]
        sites(prefix, float(mean), truth, path)
        for b in args[5:]:
            if b != "may_lose":
                bound(prefix, truth, path, *b.split(":"))
        paths = [path]
    elif args[0] == "runs":
        prefix, truth, paths = args[1], args[2], args[4:]
        runs(prefix, truth, int(args[3]), paths)
    else:
        sys.exit(__doc__)
    if "may_lose" in args:
        sys.exit(failed)
    lost = [c for p in paths for c in Profile(p).comments if "allocations" in c]
    claim(prefix + "_lost_nothing", not lost, "; ".join(lost) or "%d files" % len(paths))
    sys.exit(failed)


main(sys.argv[1:])
