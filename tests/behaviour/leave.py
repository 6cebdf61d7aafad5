# SPDX-License-Identifier: MIT
"""Waiting calls that are left by siglongjmp and cancellation under dump signals: leave.py LEAVE LIBRARY OUT_DIR.

What tests/programs/leave prints must be the same without us; times ("~") may be EARLY ms less and LATE ms more than
plain ones rounded to 250 ms.  Who is late only may try again, and so may an alarm that came while the call was about to be
made again behind a dump: two instructions, but the kernel may give the CPU to another thread just there, behind the end of
the handler, and here twenty share two of them.  NO_DUMPS=1: no claim about files.
"""
import concurrent.futures
import pathlib
import glob
import os
import subprocess
import sys

LEAVE, LIBRARY, OUT = sys.argv[1:4]
AT_ONCE, EARLY, LATE, TRIES = 20, 5, 60, 3
WHOLE = 500  # ms, of a call that no alarm ends

# These wait anew: a connection to the full queue of a local socket (preload/wrap_socket.c), and what has a time-out
# that was not set by setsockopt (preload/socket.h).
LONGER = ("connect", "recv_untold", "recvfrom_untold", "recvmmsg_untold")


def run(way, call, more):
    done = subprocess.run(["timeout", "-s", "KILL", "30", LEAVE, way, call], env={**os.environ, **more}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    said["exit"] = str(done.returncode)
    return said


def compare(way, call):
    plain = run(way, call, {})
    for attempt in range(TRIES):
        said = run(way, call, {"LD_PRELOAD": LIBRARY, "CPROF_OUTPUT_DIR": OUT, "CPROF_OUTPUT_ON_EXIT": "no"})
        different, late = [], []
        for key in sorted(set(plain) | set(said)):
            got, want = said.get(key), plain.get(key)
            if key == "pid" or got == want:
                continue
            if not key.startswith("~") or got is None or want is None:
                different.append(f"{key} {got} not {want}")
            else:
                nominal = (int(want) + EARLY) // 250 * 250
                if int(got) < nominal - EARLY:
                    different.append(f"{key[1:]} {got} not {nominal} ms")
                elif int(got) > nominal + LATE + (nominal if call in LONGER else 0):
                    late.append(f"{key[1:]} {got} not {nominal} ms")
        missed = int(plain.get("~alarmed", 0)) < WHOLE - EARLY <= int(said.get("~alarmed", 0))
        # Nothing else may end it: then once, no more.
        hung = said["exit"] == "-9" and "came_back" in said and "~alarmed" not in said and not attempt
        if hung or missed:
            print(f"# {way}_{call}: an alarm was missed", flush=True)
        if different and (hung or (missed and said["exit"] == plain["exit"])):
            different, late = [], different + late
        if different or not late:
            break
    dumps = len(glob.glob(f"{OUT}/*.{said.get('pid', 0)}.cpu.*.pb.gz"))
    for path in glob.glob(f"{OUT}/*.{said.get('pid', 0)}.cpu.*.pb.gz"):
        pathlib.Path(path).unlink(missing_ok=True)  # a dump removes the oldest ones too
    if not different and not late and dumps < (1 if call.endswith("_full") else 2) and not os.environ.get("NO_DUMPS"):
        different.append(f"{dumps} dumps")
    return f"{way}_{call}", ", ".join(different + late)


rows = [line.split() for line in subprocess.check_output([LEAVE, "list"], text=True).splitlines()]
failed = 0
with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
    for name, why in pool.map(lambda row: compare(*row), rows):
        print(f"not ok leave_{name}: {why}" if why else f"ok leave_{name}")
        failed |= bool(why)
sys.exit(failed)
