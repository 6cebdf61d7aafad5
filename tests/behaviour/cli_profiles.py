# SPDX-License-Identifier: MIT
"""Writes profiles of any shape that profile.proto allows: cli_profiles.py DIR FIRST LAST [same].

And with DIR "hostile": names that try to leave the page or the terminal; DIR "many" N: N different stacks;
DIR "deep": a stack of 100 and one of 3000 frames; DIR "calls": what the tests of tree and flame know the answers of.

Recursion, inlined lines, frames without a name or a line, several types and units, negative values, labels,
comments, drop_frames, ids with gaps.  A number always gives the same file.  With "same" all files have the same types,
so that they can be added.
"""
import gzip
import os
import random
import sys

UNITS = [("samples", "count"), ("cpu", "nanoseconds"), ("space", "bytes"), ("time", "ms"), ("x", "widgets"),
         ("u", "microseconds"), ("g", "gcu"), ("S", "Seconds"), ("e", "")]
NAMES = ["main", "a::b::c(int)", "foo<bar>", "std::vector<int, std::allocator<int> >::push_back", "_ZN3foo3barEv",
         "_ZNSt6vectorIiSaIiEE9push_backERKi", "operator<<", "x(y", "(anonymous namespace)::f(int)", "[lib.so]", "",
         "[cpu not sampled]", "[truncated: too deep]", "f", "g", "h", "Foo.<init>", "main.(*T[...]).M", "<unknown>",
         ".ppc", "operator()(int)", "a)b(c"]
FILES = [("/usr/bin/prog", ""), ("/x/lib.so", "abcd"), ("/y/lib.so", ""), ("", "ff"), ("[vdso]", "")]


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def profile(seed, same):
    r = random.Random(seed)
    strings = [""]

    def text(s):
        if s not in strings:
            strings.append(s)
        return strings.index(s)

    types = UNITS[:2] if same else r.sample(UNITS, r.randint(1, 4))
    out = b"".join(message(1, number(1, text(t)) + number(2, text(u))) for t, u in types)
    mappings = list(range(1, r.randint(0, 4) + 1))
    negative = r.random() < 0.2
    for i in mappings:
        start = 0x400000 + i * 0x100000
        file, build_id = FILES[i - 1]
        out += message(3, number(1, i) + number(2, start) + number(3, start + 0x1000) + number(5, text(file)) +
                       number(6, text(build_id)) + number(7, 1))
    functions = []
    for i in range(r.randint(1, 12)):
        name = r.choice(NAMES)
        system = r.choice([name, name, "sys" + name, ""])
        functions.append(i * 3 + 1 if r.random() < 0.5 else 1000 + i)
        out += message(5, number(1, functions[-1]) + number(2, text(name)) + number(3, text(system)) +
                       number(4, text(r.choice(["", "/a/b.c"]))) + number(5, r.choice([0, 0, 10])))
    locations = list(range(1, r.randint(1, 20) + 1))
    for i in locations:
        lines = b"".join(message(4, number(1, r.choice(functions)) + number(2, r.randint(0, 5)))
                         for _ in range(r.choice([0, 1, 1, 1, 2, 3])))
        out += message(4, number(1, i) + number(2, r.choice(mappings + [0])) +
                       number(3, 0x400000 + r.randint(0, 50) * 16) + lines)
    largest = r.choice([10, 10000, 10**9, 10**13])
    for _ in range(r.choice([0, 1, 5, 50, 400])):
        stack = [r.choice(locations) for _ in range(r.randint(0, 12))]
        if r.random() < 0.5:
            sample = message(1, b"".join(varint(x) for x in stack))
        else:
            sample = b"".join(number(1, x) for x in stack)
        values = []
        for _ in types:
            v = 0 if r.random() < 0.1 else int(r.paretovariate(0.7) * r.randint(1, largest)) % (1 << 56)
            values.append(-v if negative and r.random() < 0.3 else v)
        sample += message(2, b"".join(varint(v) for v in values))
        if r.random() < 0.3:
            sample += message(3, number(1, text("thread_id")) + number(3, r.randint(0, 5)))
        if negative and r.random() < 0.05:
            sample += message(3, number(1, text("pprof::base")) + number(2, text("true")))
        out += message(2, sample)
    if r.random() < 0.7:
        out += number(9, r.randint(10**15, 2 * 10**18))
    if r.random() < 0.5:
        out += number(10, r.choice([1, 1000, 10**9, 123456789012, 10**15]))
    if same or r.random() < 0.8:
        out += message(11, number(1, text("cpu")) + number(2, text("nanoseconds"))) + number(12, 10000000)
    if r.random() < 0.4:
        out += number(13, text("a comment")) + number(13, text("# hidden"))
    if r.random() < 0.3:
        out += number(14, text(r.choice(types)[0]))
    if r.random() < 0.1:
        out += number(7, text("(f|g|a::.*)"))
        if r.random() < 0.5:
            out += number(8, text("g"))
    return b"".join(message(6, s.encode()) for s in strings) + out


def of_stacks(stacks, mappings=("/usr/bin/prog",), unit=("cpu", "nanoseconds"), duration=10**9, system=None):
    """stacks: [("root;..;leaf", value)]; "name@1" is a frame of mappings[1]."""
    strings, functions, out = [b""], {}, b""

    def text(s):
        s = s if isinstance(s, bytes) else s.encode()
        if s not in places:
            places[s] = len(strings)
            strings.append(s)
        return places[s]

    places = {b"": 0}
    out += message(1, number(1, text(unit[0])) + number(2, text(unit[1])))
    for i, file in enumerate(mappings):
        out += message(3, number(1, i + 1) + number(2, (i + 1) << 20) + number(3, (i + 2) << 20) + number(5, text(file)))
    for stack, value in stacks:
        stack = stack if isinstance(stack, bytes) else stack.encode()
        ids = b""
        for frame in reversed(stack.split(b";")):
            name, _, mapping = frame.partition(b"@")
            if frame not in functions:
                i = functions[frame] = len(functions) + 1
                out += message(5, number(1, i) + number(2, text(name)) +
                               number(3, text(system or name)))
                out += message(4, number(1, i) + number(2, int(mapping or 0) + 1) + number(3, i) + message(4, number(1, i)))
            ids += varint(functions[frame])
        out += message(2, message(1, ids) + message(2, varint(value)))
    out += number(10, duration) + message(11, number(1, text("cpu")) + number(2, text("nanoseconds")))
    return b"".join(message(6, s) for s in strings) + out


HOSTILE = [b"</script><img src=x onerror=alert(1)>", b"]]><script>alert(2)</script>", b"\"' onload='alert(3)' x=\"",
           b"<!--<script>", b"&lt;b&amp;&#0;", b"\x1b[31mred\x07\x9b2J", b"bad\xff\xc3(utf8\xed\xa0\x80",
           b"\xef\xbf\xbe\xef\xbf\xbf\xe2\x80\xa8line", b"__proto__", b"constructor", b"\\u003cb\\", b"\xc2\x9b31m",
           "\u540d\u524d\u306e\u9577\u3044\u95a2\u6570".encode(), b"a" * 3000, b"${alert(4)}`", b"javascript:alert(5)"]


def special(kind, r):
    if kind == "hostile":
        return of_stacks([(b"main;" + b";".join(HOSTILE[i:]), 10 + i) for i in range(len(HOSTILE))],
                         ("/bin/<script>alert(0)</script>", ), ("c\"pu<\x1b[1m", "nano<seconds>"), system="its producer named it")
    if kind == "many":  # a tree of calls in which no two stacks are equal
        stacks = {}
        while len(stacks) < int(sys.argv[3]):
            at, names = 0, ["start@1"]
            for _ in range(r.randint(15, 45)):
                at = at * 5 + min(int(r.expovariate(0.9)), 4)
                at %= 100003
                names.append("worker::queue<item, less<item> >::step_%d(unsigned long)@%d" % (at % 2500, at % 2))
            stacks[";".join(names)] = 10**7 * int(r.paretovariate(1.2))
        return of_stacks(list(stacks.items()), ("/usr/bin/prog", "/usr/lib/libwork.so.1"))
    if kind == "deep":
        return of_stacks([(";".join("f%d" % i for i in range(100)), 700), (";".join(["again"] * 3000), 300)])
    return of_stacks([("main;work;leaf", 300 * 10**6), ("main;work", 100 * 10**6), ("main;f;f;f", 200 * 10**6),
                      ("main;work;f", 150 * 10**6), ("thread;leaf", 200 * 10**6), ("main;few;a", 20 * 10**6),
                      ("main;few;b", 20 * 10**6), ("main;few;c", 10 * 10**6)], duration=2 * 10**9)


folder = sys.argv[1]
if not sys.argv[2].isdigit():
    with open(os.path.join(folder, sys.argv[2] + ".pb"), "wb") as file:
        file.write(special(sys.argv[2], random.Random(1)))
    sys.exit()
first, last = int(sys.argv[2]), int(sys.argv[3])
for seed in range(first, last + 1):
    data = profile(seed, len(sys.argv) > 4)
    with open(os.path.join(folder, f"s{seed}.pb"), "wb") as file:
        file.write(gzip.compress(data) if seed % 3 else data)
