# SPDX-License-Identifier: MIT
"""A second of json and re; prints its peak resident set in KiB."""
import json
import re

words = re.compile(r"[a-z]+")
n = 0
for i in range(110000):
    s = json.dumps({"key%d" % i: list(range(i % 20)), "text": "some words and %d numbers" % i})
    n += len(words.findall(s)) + len(json.loads(s))
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
