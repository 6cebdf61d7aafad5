#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Judges one run: flat shares of CPU time of our profiles against perf's, and our names against binutils'.

  shares.py NAME DIR     DIR: perf.data, cpu (of record.py), profiles/*.pb.gz, perf-PID.map of generated code

Both profilers saw the same processes at the same time.  A function is known by where it starts in which file, not
by what anybody calls it, so that aliases are one row, and a wrong name cannot hide.  perf's samples in the kernel go
to the user code that called it, as ours do.
"""
import glob
import gzip
import math
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import truth  # noqa: E402
from profile import fields, numbers  # noqa: E402

POINTS = 3.0  # how far shares may be apart
UNNAMED = 1.0  # per cent of CPU time without a function's name, when debug files are there
TOTAL = 3.0  # per cent between our total and the CPU time that the kernel says
TOP = 10
KERNEL = 1 << 63
BEFORE = ("perf-exec", "python3", "setpriv", "env")  # what a process was before it became the program

failed = False


def say(good, name, text):
    global failed
    print("%s %s%s %s" % ("ok" if good else "not ok", name, "" if good else ":", text))
    failed |= not good


# ---- functions ----

class Function:
    """What an address means: key is the same for all addresses of one function."""

    def __init__(self, key, names, path, vaddr):
        self.key, self.names, self.path, self.vaddr = key, names, path, vaddr

    def shown(self):
        if self.names:
            return min(self.names, key=lambda n: (len(n) - len(n.lstrip("_")), len(n), n))
        return "[%s]" % os.path.basename(self.key[0]).strip("[]")


def in_file(path, offset, known={}):
    at = (path, offset)
    if at not in known:
        f = truth.file(path)
        vaddr = f.vaddr(offset)
        found = f.names(vaddr) if vaddr is not None else None
        start = found[0] if found else f.nameless(vaddr) if vaddr is not None else None
        key = (path, "?" if start is None else "%x" % start)
        known[at] = Function(key, found[1] if found else frozenset(), path, vaddr)
    return known[at]


def generated(maps, pid, address, mapped=()):
    """An address that the profiler found in no file.  Perhaps it is in one after all, that the program has mapped itself."""
    for start, end, offset, path in mapped:
        if start <= address < end:
            return in_file(path, address - start + offset)
    name = maps[pid].name(address) if pid in maps else None
    return Function(("generated", name or "[unknown]"), frozenset([name] if name else []), None, None)


def real(path):
    return os.path.realpath(path) if path.startswith("/") else path


def pid_of(path):
    return int(os.path.basename(path).split(".cpu.")[0].split(".")[-1])


# ---- ours ----

class Ours:
    """leaves: Counter of functions by weight; frames: our names of all addresses."""

    def __init__(self, paths, maps, mapped):
        self.maps, self.mapped = maps, mapped
        self.leaf = Counter()  # key -> samples
        self.said = defaultdict(Counter)  # key -> our names of it, by samples
        self.functions = {}
        self.places = {}  # (path, vaddr or address) -> [function, linkage name, name, samples in any place]
        self.other = Counter()  # frames of ours that stand for no code
        self.ns = self.samples = 0
        self.flat_unnamed = Counter()  # module -> samples
        self.all_frames = self.all_unnamed = 0
        self.cut = 0
        for path in paths:
            self.read(path)

    def read(self, path):
        pid = pid_of(path)
        strings, samples, mappings, locations, functions = [], [], {}, {}, {}
        with open(path, "rb") as f:
            data = gzip.decompress(f.read())
        for k, v in fields(data):
            if k == 6:
                strings.append(v.decode())
            elif k == 2:
                samples.append(v)
            elif k == 3:
                d = dict(fields(v))
                mappings[d[1]] = (d.get(2, 0), d.get(4, 0), d.get(5, 0))
            elif k == 4:
                d, lines = {}, []
                for k2, v2 in fields(v):
                    if k2 == 4:
                        lines += [x for n, x in fields(v2) if n == 1]
                    else:
                        d[k2] = v2
                locations[d[1]] = (d.get(2, 0), d.get(3, 0), lines[0])
            elif k == 5:
                d = dict(fields(v))
                functions[d[1]] = (d.get(2, 0), d.get(3, 0))
        functions = {i: (strings[a], strings[b]) for i, (a, b) in functions.items()}  # strings may come last
        for s in samples:
            ids, values = [], []
            for k, v in fields(s):
                if k == 1:
                    ids += numbers(v)
                elif k == 2:
                    values += numbers(v)
            self.add(pid, [self.place(pid, strings, mappings, functions, *locations[i]) for i in ids], values)

    def place(self, pid, strings, mappings, functions, mapping, address, function):
        name, linkage = functions[function]
        start, offset, filename = mappings.get(mapping, (0, 0, 0))
        path = strings[filename]
        if not mapping and name.startswith("[") and name != "[unknown]":
            return name
        if mapping and (path == "[vdso]" or (path.startswith("/") and not re.match(r"/tmp/perf-\d+\.map$", path))):
            f = in_file(real(path), address - start + offset)
            where = (f.path, f.vaddr)
        else:
            f = generated(self.maps, pid, address, self.mapped[pid])
            where = (pid, address)
        return self.places.setdefault(where, [f, linkage, name, 0])

    def add(self, pid, stack, values):
        self.ns += values[-1]
        code = [p for p in stack if not isinstance(p, str)]
        if any(isinstance(p, str) and p.startswith("[truncated") for p in stack):
            self.cut += values[0]
        if not code or isinstance(stack[0], str):
            self.other[stack[0]] += values[-1]
            return
        n = values[0]
        self.samples += n
        f, linkage, name, _ = code[0]
        self.leaf[f.key] += n
        self.said[f.key][name] += n
        self.functions[f.key] = f
        for p in {id(p): p for p in code}.values():
            p[3] += n
        for p in code:
            self.all_frames += n
            if unnamed(p[2]):
                self.all_unnamed += n
        if unnamed(name):
            self.flat_unnamed["generated code" if f.path is None else f.path] += n


def unnamed(name):
    return name.startswith("[")


# ---- perf's ----

class Perf:
    def __init__(self, path, maps, pids):
        self.leaf = Counter()
        self.said = defaultdict(Counter)
        self.functions = {}
        self.samples = self.no_user = self.own = self.kernel = 0
        self.elsewhere = Counter()  # comm -> samples of processes without a profile of ours
        self.comms = set()
        self.maps, self.pids = maps, pids
        self.mapped = defaultdict(list)  # pid -> (start, end, offset, path) of code in files
        command = ["perf", "script", "-i", path, "-F", "comm,pid,tid,ip,sym,dso", "--no-demangle", "--no-inline", "--show-mmap-events"]
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace")
        head, chain = None, []
        for line in p.stdout:
            line = line.rstrip("\n")
            if not line:
                if head:
                    self.add(head, chain)
                head, chain = None, []
            elif line[0] == "\t" and head:
                chain.append(line)
            elif "PERF_RECORD_MMAP" in line:
                m = re.search(r"MMAP2? (\d+)/\d+: \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (?:0x)?([0-9a-f]+) .*?\]: \S+ (/.*)$", line)
                if m and int(m.group(1)) in pids and not m.group(5).startswith("//"):
                    start, size, offset = (int(m.group(i), 16) for i in (2, 3, 4))
                    self.mapped[int(m.group(1))].append((start, start + size, offset, real(m.group(5))))
            else:
                m = re.match(r"(.*?)\s+(-?\d+)/(-?\d+)\s*$", line)
                head, chain = (m.group(1).strip(), int(m.group(2))) if m else None, []
        if head:
            self.add(head, chain)
        p.wait()

    def add(self, head, chain):
        comm, pid = head
        if pid not in self.pids:
            self.elsewhere[comm] += 1
            return
        if comm in BEFORE:
            return
        self.comms.add(comm)
        in_kernel = False
        for line in chain:
            m = re.match(r"\s*([0-9a-f]+) (.*) \((.*)\)$", line)
            if not m:
                continue
            ip, symbol, dso = int(m.group(1), 16), m.group(2), m.group(3)
            if ip >= KERNEL or dso.startswith("[kernel") or dso.startswith("[guest"):
                in_kernel = True
                continue
            return self.user(pid, ip, symbol, dso, in_kernel)
        self.no_user += 1

    def user(self, pid, ip, symbol, dso, in_kernel):
        dso = real(re.sub(r" \(deleted\)$", "", dso))
        if os.path.basename(dso) == "libcprof.so":
            self.own += 1
            return
        if dso == "[vdso]" or (dso.startswith("/") and not re.match(r"/tmp/perf-\d+\.map$", dso)):
            f = in_file(dso, ip)
        else:
            f = generated(self.maps, pid, ip)
        self.samples += 1
        self.kernel += in_kernel
        self.leaf[f.key] += 1
        self.said[f.key][symbol.split("@@")[0]] += 1
        self.functions[f.key] = f


# ---- verdicts ----

def cut(text, n=90):
    return text if len(text) <= n else text[:n - 3] + "..."


def per_cent(part, whole):
    return 100.0 * part / whole if whole else 0.0


def table(name, ours, perf):
    """The top ten of both; returns the worst row."""
    keys = {k for c in (ours.leaf, perf.leaf) for k, _ in c.most_common(TOP)}
    rows = []
    for k in keys:
        a, b = per_cent(ours.leaf[k], ours.samples), per_cent(perf.leaf[k], perf.samples)
        rows.append((a, b, k))
    rows.sort(key=lambda r: -max(r[:2]))
    print("#   ours %  perf %    diff  sigma  function")
    worst = (0, "", 0)
    for a, b, k in rows:
        share = (a + b) / 200
        sigma = 100 * math.sqrt(share * (1 - share) * (1 / ours.samples + 1 / perf.samples))
        f = ours.functions.get(k) or perf.functions[k]
        mine = ours.said[k].most_common(1)[0][0] if ours.said[k] else "-"
        theirs = perf.said[k].most_common(1)[0][0] if perf.said[k] else "-"
        note = "" if theirs == "-" or theirs in f.names or theirs == mine else "   (perf: %s)" % theirs
        if f.names and unnamed(mine):
            note = "   (is %s)%s" % (f.shown(), note)
        shown = mine if mine != "-" else f.shown()
        if shown.startswith("[") and f.path and not f.names:
            shown += "+" + k[1]
        print("#   %6.2f  %6.2f  %+6.2f  %5.2f  %s%s" % (a, b, a - b, sigma, cut(shown), note))
        if abs(a - b) > worst[0]:
            worst = (abs(a - b), cut(shown), sigma)
    claim = name + "_top_ten_agree_within_3_points"
    if worst[0] > POINTS and 3 * worst[2] > POINTS:
        print("skip %s: too few samples to tell (worst %.2f, sigma %.2f: %s)" % (claim, worst[0], worst[2], worst[1]))
    else:
        say(worst[0] <= POINTS, claim, "(%d rows, worst %.2f: %s)" % (len(rows), *worst[:2]))
    return rows


def has_symbols(path):
    f = truth.file(path) if path and path != "generated code" else None
    return f is None or f.symtab or f.debug is not None


def names_are_there(name, ours, rows):
    flat = sum(ours.flat_unnamed.values())
    without = {p: n for p, n in ours.flat_unnamed.items() if not has_symbols(p)}
    say_flat = per_cent(flat, ours.samples)
    excused = per_cent(sum(without.values()), ours.samples)
    print("#   unnamed or module only: %.2f %% of CPU time by leaf, %.2f %% of all frames%s" % (
        say_flat, per_cent(ours.all_unnamed, ours.all_frames),
        "".join("; %s %.2f %%%s" % (os.path.basename(p), per_cent(n, ours.samples), "" if has_symbols(p) else " (no debug file)")
                for p, n in ours.flat_unnamed.most_common(4))))
    lacking = ", ".join(os.path.basename(p) for p, _ in sorted(without.items(), key=lambda x: -x[1])[:4])
    if say_flat < UNNAMED:
        say(True, name + "_unnamed_below_1_per_cent", "(%.2f %%)" % say_flat)
    elif say_flat - excused < UNNAMED:
        print("skip %s_unnamed_below_1_per_cent: no debug file for %s (%.1f %% module only)" % (name, lacking, say_flat))
    else:
        say(False, name + "_unnamed_below_1_per_cent", "%.2f %%, of which %.2f %% have no debug file" % (say_flat, excused))
    top = [k for k, _ in ours.leaf.most_common(TOP)]
    bad = [k for k in top if unnamed(ours.said[k].most_common(1)[0][0])]
    blame = [k for k in bad if ours.functions[k].names or has_symbols(ours.functions[k].path)]
    if bad and not blame:
        print("skip %s_top_ten_are_named: no debug file for %s" % (name, ", ".join(sorted({os.path.basename(k[0]) for k in bad}))))
    else:
        say(not bad, name + "_top_ten_are_named", ", ".join("%s %s" % k for k in blame) if bad else "")


def base(name):
    """Without what the compiler appends to parts and clones of a function."""
    return re.sub(r"(\.(cold|constprop|isra|part|lto_priv|llvm|localalias|resolver)|\.\d+)+$", "", name)


def names_are_right(name, ours):
    wrong, missed, invented, checked = [], [], [], 0
    by_file = defaultdict(list)
    for (path, at), (f, linkage, shown, n) in ours.places.items():
        line = "%.2f %% %s+%s: ours %s" % (per_cent(n, ours.samples), os.path.basename(str(path)), "?" if at is None else "%x" % at, linkage)
        if f.names and unnamed(shown):
            missed.append((n, "%s, binutils %s" % (line, f.shown())))
        elif f.names and linkage not in f.names:
            wrong.append((n, "%s, binutils %s" % (line, "|".join(sorted(f.names)))))
        elif not f.names and not unnamed(shown):
            invented.append((n, "%s, binutils nothing" % line))
        else:
            checked += 1
            if f.names and f.path:
                by_file[f.path].append((f.vaddr, f, linkage, n))
    dwarf_checked, dwarf_wrong = 0, []
    for path, places in by_file.items():
        for vaddr, said in truth.file(path).dwarf([p[0] for p in places]).items():
            f, linkage, n = next(p[1:] for p in places if p[0] == vaddr)
            dwarf_checked += 1
            if not any(base(x) == base(said) for x in f.names):
                dwarf_wrong.append((n, "%.2f %% %s+%x: ours %s, DWARF %s" % (per_cent(n, ours.samples), os.path.basename(path), vaddr, linkage, said)))
    for title, found in (("wrong", wrong), ("not named", missed), ("named without a symbol", invented), ("DWARF differs", dwarf_wrong)):
        if found:
            print("#   %s: %d addresses" % (title, len(found)))
            for _, line in sorted(found, reverse=True)[:6]:
                print("#     " + line)
    text = "(%d addresses as readelf and objdump say, %d of %d as DWARF says)" % (checked, dwarf_checked - len(dwarf_wrong), dwarf_checked)
    say(not wrong and not invented, name + "_names_are_right", text if not wrong and not invented else
        "%d wrong, %d without a symbol" % (len(wrong), len(invented)))
    say(not missed, name + "_names_what_symbols_name", "%d addresses" % len(missed) if missed else "")


def main(name, where):
    maps = {int(re.search(r"perf-(\d+)\.map", p).group(1)): truth.PerfMap(p) for p in glob.glob(where + "/perf-*.map")}
    profiles = sorted(glob.glob(where + "/profiles/*.cpu.*.pb.gz"))
    if not profiles:
        say(False, name + "_has_profiles", "none in %s" % where)
        return
    pids = {pid_of(p) for p in profiles}
    perf = Perf(where + "/perf.data", maps, pids)
    ours = Ours(profiles, maps, perf.mapped)
    cpu, runs = open(where + "/cpu").read().split()
    if not ours.samples or not perf.samples:
        say(False, name + "_has_samples", "%d of ours, %d of perf" % (ours.samples, perf.samples))
        return
    hz = float(open(where + "/hz").read())
    print("#   %d samples of ours: %.2f s; %d of perf: %.2f s; CPU time by the kernel: %s s; %d processes" % (
        ours.samples, ours.ns / 1e9, perf.samples, perf.samples / hz, cpu, len(pids)))
    short = sum(n for comm, n in perf.elsewhere.items() if comm in perf.comms)
    everything = perf.samples + perf.own + perf.no_user + short
    print("#   perf: %.1f %% in the kernel; left out: %.2f %% in libcprof.so, %.2f %% without user code, %.2f %% in processes "
          "of that name that left no profile" % (per_cent(perf.kernel, perf.samples), per_cent(perf.own, everything),
                                    per_cent(perf.no_user, everything), per_cent(short, everything)))
    if ours.other or ours.cut:
        print("#   ours: %s%s" % ("".join("%s %.2f %%; " % (k, per_cent(v, ours.ns)) for k, v in ours.other.most_common(3)),
                                  "stacks cut %.2f %%" % per_cent(ours.cut, ours.samples)))
    rows = table(name, ours, perf)
    difference = per_cent(ours.ns / 1e9 - float(cpu), float(cpu))
    say(abs(difference) <= TOTAL, name + "_total_is_the_cpu_time", "(%+.2f %%)" % difference)
    names_are_there(name, ours, rows)
    names_are_right(name, ours)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    sys.exit(failed)
