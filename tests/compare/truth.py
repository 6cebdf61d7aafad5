# SPDX-License-Identifier: MIT
"""What binutils say about an address of a file: the yardstick for names, ours and perf's.

Nothing of ours is used: readelf prints segments, build ids and symbols, objdump names PLT stubs, addr2line reads
DWARF.  Debug files are looked for by build id only.  Functions of stripped code are told apart by .eh_frame.
"""
import bisect
import functools
import os
import re
import subprocess
import tempfile

DEBUG = "/usr/lib/debug/.build-id"


def run(*args, **more):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", errors="replace", **more)
    return p.stdout


def vdso_image():
    """The vdso of this process, which is that of every process, in a file."""
    for line in open("/proc/self/maps"):
        if line.endswith("[vdso]\n"):
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            with open("/proc/self/mem", "rb") as mem, tempfile.NamedTemporaryFile(delete=False) as out:
                mem.seek(start)
                out.write(mem.read(end - start))
                return out.name
    return None


class File:
    """Symbols of one ELF file and of its debug file."""

    def __init__(self, path):
        self.path = path
        self.image = vdso_image() if path == "[vdso]" else path
        self.segments, self.starts, self.plt = [], {}, []
        self.symtab = self.dynsym = False
        self.debug = None
        if not self.image or not os.path.isfile(self.image):
            self.index()
            return
        for line in run("readelf", "-lW", self.image).splitlines():
            f = line.split()
            if f and f[0] == "LOAD":
                offset, vaddr, _, size = (int(x, 16) for x in f[1:5])
                self.segments.append((offset, offset + size, vaddr))
        m = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", self.image))
        self.build_id = m.group(1) if m else ""
        debug = "%s/%s/%s.debug" % (DEBUG, self.build_id[:2], self.build_id[2:])
        if m and os.path.isfile(debug):
            self.debug = debug
        for image in (self.image, self.debug):
            if image:
                self.read_symbols(image)
        self.read_plt()
        self.index()
        if path == "[vdso]":
            os.unlink(self.image)

    def read_symbols(self, image):
        table = ""
        for line in run("readelf", "-sW", image).splitlines():
            if line.startswith("Symbol table '"):
                table = line.split("'")[1]
                continue
            f = line.split(None, 7)
            if len(f) < 8 or f[3] not in ("FUNC", "IFUNC", "NOTYPE") or f[6] in ("UND", "ABS"):
                continue
            if table == ".symtab":
                self.symtab = True
            else:
                self.dynsym = True
            value, size = int(f[1], 16), int(f[2], 0)
            if f[3] == "NOTYPE" and size == 0:
                continue
            name = f[7].split("@")[0].split(" [")[0]
            self.starts.setdefault(value, {}).setdefault(name, 0)
            self.starts[value][name] = max(self.starts[value][name], size)

    def read_plt(self):
        """[(start, end, names)] of the stubs that objdump knows."""
        text = run("objdump", "-d", "--no-show-raw-insn", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got", self.image)
        at = name = last = None
        for line in text.splitlines():
            m = re.match(r"([0-9a-f]+) <(.+)>:$", line)
            if m:
                if name:
                    self.plt.append((at, last + 1, name))
                at, name = int(m.group(1), 16), m.group(2)
                last = at
                continue
            m = re.match(r" *([0-9a-f]+):\t", line)
            if m:
                last = int(m.group(1), 16)
        if name:
            self.plt.append((at, last + 1, name))
        self.plt = [(a, b, self.plt_names(n)) for a, b, n in self.plt if n.endswith("@plt")]

    def plt_names(self, name):
        """objdump knows the target of a stub by its address when it is chosen at start (IFUNC): "*ABS*+0x9c6a0@plt"."""
        m = re.match(r"\*ABS\*\+0x([0-9a-f]+)@plt$", name)
        return frozenset(n + "@plt" for n in self.starts.get(int(m.group(1), 16), ())) if m else frozenset([name])

    def index(self):
        self.values = sorted(self.starts)
        self.longest = max((s for n in self.starts.values() for s in n.values()), default=0)

    def vaddr(self, offset):
        for start, end, vaddr in self.segments:
            if start <= offset < end:
                return offset - start + vaddr
        return None

    @functools.lru_cache(maxsize=None)
    def names(self, vaddr):
        """(start, names) of the innermost symbol that covers the address, with all its aliases; None: none does."""
        i = bisect.bisect_right(self.values, vaddr) - 1
        while i >= 0 and self.values[i] + self.longest > vaddr:
            names = {n for n, size in self.starts[self.values[i]].items() if self.values[i] + size > vaddr}
            if names:
                return self.values[i], frozenset(names)
            i -= 1
        for start, end, names in self.plt:
            if start <= vaddr < end and names:
                return start, names
        return None

    @functools.cached_property
    def unwind_ranges(self):
        """[(start, end)] of .eh_frame: where functions are that no symbol names."""
        text = run("readelf", "-wF", self.image) if self.image else ""
        found = re.findall(r" FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", text)
        return sorted((int(a, 16), int(b, 16)) for a, b in found)

    @functools.lru_cache(maxsize=None)
    def nameless(self, vaddr):
        """Where the nameless function begins that covers the address; None: nobody knows."""
        i = bisect.bisect_right(self.unwind_ranges, (vaddr, 1 << 64)) - 1
        return self.unwind_ranges[i][0] if i >= 0 and vaddr < self.unwind_ranges[i][1] else None

    def dwarf(self, vaddrs):
        """{vaddr: name of the function that holds it, in the source's words, inlining undone}, where DWARF knows."""
        out = {}
        if not self.debug:
            return out
        vaddrs = sorted(set(vaddrs))
        text = run("addr2line", "-a", "-f", "-i", "-e", self.debug, input="\n".join("%x" % v for v in vaddrs) + "\n")
        at, lines = None, []
        for line in text.splitlines() + ["0x0"]:
            if re.fullmatch(r"0x[0-9a-f]+", line):
                if at is not None and len(lines) >= 2 and lines[-2] != "??":
                    out[at] = lines[-2]
                at, lines = int(line, 16), []
            else:
                lines.append(line)
        return out


@functools.lru_cache(maxsize=None)
def file(path):
    return File(path)


class PerfMap:
    """Names of generated code as the program tells them: /tmp/perf-PID.map.  The last word on an address counts."""

    def __init__(self, path):
        entries = {}
        for line in open(path, errors="replace"):
            f = line.rstrip("\n").split(" ", 2)
            if len(f) == 3:
                entries[int(f[0], 16)] = (int(f[1], 16), f[2])
        self.values = sorted(entries)
        self.entries = entries

    def name(self, address):
        i = bisect.bisect_right(self.values, address) - 1
        for j in range(i, max(-1, i - 50), -1):
            size, name = self.entries[self.values[j]]
            if self.values[j] + size > address:
                return name
        return None
