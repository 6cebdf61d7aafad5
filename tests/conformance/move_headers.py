# SPDX-License-Identifier: MIT
"""move_headers.py IN OUT [bare]: the program headers of an ELF64 file in a segment at its end, as BOLT leaves them;
bare: at its end and in no segment."""
import struct
import sys

PT_LOAD, PT_PHDR, PF_R, PAGE = 1, 6, 4, 4096
HEADER = "<IIQQQQQQ"  # type, flags, offset, vaddr, paddr, filesz, memsz, align

image = bytearray(open(sys.argv[1], "rb").read())
(at,) = struct.unpack_from("<Q", image, 32)
size, count = struct.unpack_from("<HH", image, 54)
headers = [struct.unpack_from(HEADER, image, at + i * size) for i in range(count)]
if sys.argv[3:] == ["bare"]:
    image += bytes(-len(image) % 8)
    struct.pack_into("<Q", image, 32, len(image))
    image += b"".join(struct.pack(HEADER, *h) for h in headers)
    open(sys.argv[2], "wb").write(image)
    sys.exit()
loads = [h for h in headers if h[0] == PT_LOAD]
others = [h for h in headers if h[0] not in (PT_LOAD, PT_PHDR)]
to = (max([len(image)] + [h[3] + h[6] for h in loads]) + PAGE - 1) // PAGE * PAGE
length = (len(loads) + len(others) + 2) * size
ours = [(kind, PF_R, to, to, to, length, length, align) for kind, align in ((PT_PHDR, 8), (PT_LOAD, PAGE))]
headers = [ours[0]] + loads + [ours[1]] + others
image += bytes(to - len(image)) + b"".join(struct.pack(HEADER, *h) for h in headers)
struct.pack_into("<Q", image, 32, to)
struct.pack_into("<H", image, 56, len(headers))
open(sys.argv[2], "wb").write(image)
