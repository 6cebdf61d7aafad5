#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads profile.proto files for the behaviour tests: a decoder of its own, independent of cprof's.

  profile.py total FILE...          sum of the last value (ns) over all samples
  profile.py samples FILE...        sum of the first value
  profile.py cum NAME FILE...       sum of the last value of the samples with NAME in their stack
  profile.py flat FILE...           NAME<tab>ns, largest first
  profile.py stacks FILE...         root;..;leaf<tab>ns
  profile.py roots FILE...          rooted-share in per cent of samples, then what the others end in
  profile.py comments FILE...       comment lines
"""
import gzip
import signal
import sys


def varint(b, i):
    v = s = 0
    while True:
        c = b[i]
        i += 1
        v |= (c & 127) << s
        if c < 128:
            return v, i
        s += 7


def fields(b):
    i = 0
    while i < len(b):
        key, i = varint(b, i)
        if key & 7 == 0:
            v, i = varint(b, i)
        elif key & 7 == 2:
            n, i = varint(b, i)
            v = b[i:i + n]
            i += n
        else:
            raise ValueError("wire type %d" % (key & 7))
        yield key >> 3, v


def numbers(v):
    if isinstance(v, int):
        return [v]
    out, i = [], 0
    while i < len(v):
        n, i = varint(v, i)
        out.append(n)
    return out


class Profile:
    """stacks: [(names leaf first, values, {label: value})]."""

    def __init__(self, path):
        raw = open(path, "rb").read()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        strings, samples, locations, functions, comments = [], [], {}, {}, []
        for k, v in fields(data):
            if k == 6:
                strings.append(v.decode())
            elif k == 2:
                samples.append(v)
            elif k == 13:
                comments += numbers(v)
            elif k == 4:
                loc, lines = 0, []
                for k2, v2 in fields(v):
                    if k2 == 1:
                        loc = v2
                    elif k2 == 4:
                        lines += [f for n, f in fields(v2) if n == 1]
                locations[loc] = lines
            elif k == 5:
                d = dict(fields(v))
                functions[d[1]] = d.get(2, 0)
        self.comments = [strings[c] for c in comments]
        self.stacks = []
        for s in samples:
            ids, values, labels = [], [], {}
            for k, v in fields(s):
                if k == 1:
                    ids += numbers(v)
                elif k == 2:
                    values += numbers(v)
                elif k == 3:
                    d = dict(fields(v))
                    labels[strings[d[1]]] = strings[d[2]] if 2 in d else d.get(3, 0)
            names = tuple(strings[functions[f]] for i in ids for f in locations[i])
            self.stacks.append((names, values, labels))


def main(args):
    what = args[0]
    name = args[1] if what == "cum" else None
    stacks, comments = [], []
    for path in args[2 if name else 1:]:
        p = Profile(path)
        stacks += p.stacks
        comments += p.comments
    if what == "total":
        print(sum(v[-1] for _, v, _ in stacks))
    elif what == "samples":
        print(sum(v[0] for _, v, _ in stacks))
    elif what == "cum":
        print(sum(v[-1] for n, v, _ in stacks if name in n))
    elif what == "flat":
        flat = {}
        for n, v, _ in stacks:
            flat[n[0]] = flat.get(n[0], 0) + v[-1]
        for n, v in sorted(flat.items(), key=lambda x: -x[1]):
            print("%s\t%d" % (n, v))
    elif what == "stacks":
        for n, v, _ in stacks:
            print("%s\t%d" % (";".join(reversed(n)), v[-1]))
    elif what == "roots":
        ends = {}
        for n, v, _ in stacks:
            if n[0] in ("[cpu not sampled]", "[cprof: busy]", "[cprof: store full]"):
                continue
            end = n[-1] if n[-1].startswith("[truncated") else "root"
            ends[end] = ends.get(end, 0) + v[0]
        whole = sum(ends.values()) or 1
        print("%.2f" % (100.0 * ends.pop("root", 0) / whole))
        for e, v in ends.items():
            print("%s\t%d" % (e, v))
    elif what == "comments":
        print("\n".join(comments))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head -1` is no error
    main(sys.argv[1:])
