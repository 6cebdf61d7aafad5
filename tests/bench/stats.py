# SPDX-License-Identifier: MIT
"""Medians and geometric means of ratios, with 95 % intervals by the bootstrap.

The percentile bootstrap (Efron 1979): draw as many rounds as there are, with replacement, 2000 times, and take the 2.5th
and 97.5th percentile of the statistic. A round is drawn whole, with all its ratios, since what its processes were lucky
or unlucky with (where their pages lie in the caches) is common to them: single ratios are not independent, rounds are.
Seeded, so that the same data give the same interval.
"""
import math
import random

RESAMPLES = 2000


def median(values):
    v = sorted(values)
    n = len(v)
    return (v[(n - 1) // 2] + v[n // 2]) / 2


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def interval(rounds, statistic, seed=1):
    """rounds: lists of ratios, one list a round. (statistic of all, lower, upper end)."""
    rng = random.Random(seed)
    draws = sorted(statistic([x for r in rng.choices(rounds, k=len(rounds)) for x in r]) for _ in range(RESAMPLES))
    cut = RESAMPLES * 25 // 1000
    return statistic([x for r in rounds for x in r]), draws[cut], draws[-cut - 1]
