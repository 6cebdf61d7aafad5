# SPDX-License-Identifier: MIT
"""calls.py LOCATIONS BINARY PATH: is every caller's address inside a call instruction?

LOCATIONS is what `rawprof --locations` prints.  Of the addresses in the mapping PATH, a caller's plus 1 must be
where an instruction begins that follows a call, and any other must be where an instruction begins, or a caller's of
another object: when the tick came in a wrapper of ours, whose frames are left out.  Prints what is not so, and exits 1;
no address at all is a failure too.
"""
import re
import subprocess
import sys

locations, binary, path = sys.argv[1:]
segments = subprocess.run(["readelf", "-lW", binary], capture_output=True, text=True).stdout
offset, vaddr = (int(n, 16) for n in re.search(r"LOAD +(0x\w+) (0x\w+) .* R E ", segments).groups())
starts, after_call, after_stub, called, stub = set(), set(), set(), False, False
listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", binary], capture_output=True, text=True).stdout
for line in listing.splitlines():
    found = re.match(r" +([0-9a-f]+):\t(?:(?:bnd|notrack|data16|rex\S*|cs) )*(\S+)", line)
    if found:
        address = int(found[1], 16)
        starts.add(address)
        if called:
            after_call.add(address)
        if stub:
            after_stub.add(address)
        called = found[2].startswith("call")
        stub = called and ("@plt" in line or "*" in line)
seen, wrong = 0, 0
for line in open(locations):
    role, _, at, mapping, function = line.split(None, 4)
    if mapping != path:
        continue
    address = int(at, 16) - offset + vaddr
    seen += 1
    if address + 1 not in after_call if role == "caller" else address not in starts and address + 1 not in after_stub:
        wrong += 1
        print(f"{role} {address:#x} in {function.strip()}")
if not seen:
    print(f"no address in {path}")
sys.exit(wrong or not seen)
