# SPDX-License-Identifier: MIT
"""CPU work for the oracle: regular expressions, JSON, sorting, recursion, for argv[1] seconds."""
import json
import re
import sys
import time
import zlib

WORDS = re.compile(r"(\w+)\s+(\d+)|([a-f]+)x*(?:y|z)?")


def depth(n):
    return 1 if n == 0 else 1 + depth(n - 1)


def work(round_number):
    text = " ".join(f"word{i} {i * round_number} abcdefxxz" for i in range(400))
    found = [m.groups() for m in WORDS.finditer(text)]
    rows = json.loads(json.dumps([{"k": a, "v": b, "c": c} for a, b, c in found]))
    rows.sort(key=lambda row: (str(row["v"]), str(row["k"])))
    sorted(range(3000), key=lambda i: (i * 7919) % 1009)
    zlib.compress(text.encode(), 6)
    return len(rows) + depth(60) + int(str(3 ** 700)) % 7


end = time.monotonic() + float(sys.argv[1])
rounds = total = 0
while time.monotonic() < end:
    rounds += 1
    total += work(rounds)
