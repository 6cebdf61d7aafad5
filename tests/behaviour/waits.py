# SPDX-License-Identifier: MIT
"""Waiting calls under dump signals, held against the same calls without: waits.py WAITS LIBRARY OUT_DIR.

Each call of tests/programs/waits runs plain (nothing, and its own SIGALRM without and with SA_RESTART) and under the
library in several ways.  What it prints must be the same; times ("~") may be EARLY ms less and LATE ms more than
plain ones rounded to 500 ms.  Who is late only may try again, because the machine may be busy; who is early or
different may not, unless it has an alarm: there the dump may be so late that both come at once, which is not what is
looked at here but in races.sh.  NO_DUMPS=1: no claims about files (for a library that makes none).
"""
import collections
import concurrent.futures
import glob
import os
import subprocess
import sys
import threading

WAITS, LIBRARY, OUT = sys.argv[1:4]
AT_ONCE, EARLY, LATE, TRIES = 36, 5, 60, 3
MANY = ",".join(str(ms) for ms in range(50, 1000, 50))
# Name, the plain run to compare with, options, the least number of files.
WAYS = [
    ("two", "", ["-s", "300,600"], 2),
    ("many", "", ["-s", MANY], 5),
    ("thread_two", "", ["-t", "-s", "300,600"], 2),
    ("thread_many", "", ["-t", "-s", MANY], 5),
    ("alarm", "a", ["-a", "-s", "300"], 1),
    ("alarm_restart", "r", ["-r", "-s", "300"], 1),
    ("thread_alarm", "a", ["-t", "-a", "-s", "300"], 1),
]
# These wait anew: a connection to the full queue of a local socket (preload/wrap_socket.c), and what has a time-out
# that was not set by setsockopt (preload/socket.h).
LONGER = ("connect", "recv_untold", "recvfrom_untold", "recvmmsg_untold")
PLAIN = {"": [], "a": ["-a"], "r": ["-r"]}
PYTHON = "import time, select; start = time.monotonic(); {}; print('~slept', round((time.monotonic() - start) * 1000))"
NODE = "const start = Date.now(); setTimeout(() => console.log('~slept', Date.now() - start), 1000)"
# A socket with a time-out for standard input, which the program after exec has not set.
INHERIT = """use Socket; $^F = 9; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die;
setsockopt(A, SOL_SOCKET, SO_RCVTIMEO, pack("l!l!", 1, 0)) or die; open(STDIN, "<&", A) or die; open(STDERR, ">", "/dev/null"); exec "head", "-c1";"""
PROGRAMS = {
    "inherited_socket": ["perl", "-e", INHERIT],
    "bin_sleep": ["/bin/sleep", "3"],
    "bash_read": ["bash", "-c", "read -t 1 x; echo code $?"],
    "bash_wait": ["bash", "-c", "sleep 1 & wait $!; echo code $?"],
    "bash_foreground": ["bash", "-c", "sleep 1; echo code $?"],
    "sh_wait": ["sh", "-c", "sleep 1 & wait; echo code $?"],
    "python_sleep": ["python3", "-c", PYTHON.format("time.sleep(1)")],
    "python_poll": ["python3", "-c", PYTHON.format("select.poll().poll(1000)")],
    "node_timeout": ["node", "-e", NODE],
}
# Bash handles SIGUSR2 itself, by ending.
DUMP_SIGNAL = 37
library = {"LD_PRELOAD": LIBRARY, "CPROF_OUTPUT_DIR": OUT, "CPROF_OUTPUT_ON_EXIT": "no"}


def run(options, name, with_library):
    """What a call printed, {name: value}."""
    env = dict(os.environ)
    if name in PROGRAMS:
        more = [f"{key}={value}" for key, value in library.items()] + [f"CPROF_OUTPUT_SIGNAL={DUMP_SIGNAL}"]
        preload = ["env"] + more if with_library else []
        command = [WAITS, "-x", "-n", str(DUMP_SIGNAL)] + options + preload + PROGRAMS[name]
    else:
        env.update(library if with_library else {})
        command = [WAITS] + options + [name]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        # What hangs is killed.  Not communicate(), which closes stdin.
        hung = threading.Timer(10, process.kill)
        hung.start()
        out = process.stdout.read()
        code = process.wait()
        hung.cancel()
    said = dict(line.split(" ", 1) for line in out.splitlines() if " " in line)
    said["exit"] = str(code)
    if "~slept" in said:
        del said["~took"]  # without the start of the interpreter
    return said


def unlike(name, said, wanted):
    """What differs, and whether it is nothing but late."""
    differences, only_late = [], True
    for key in sorted(set(said) | set(wanted) - {"pid"}):
        got, want = said.get(key), wanted.get(key)
        if key == "pid" or got == want:
            continue
        if not key.startswith("~") or got is None or want is None:
            differences.append(f"{key} {got} not {want}")
            only_late = False
            continue
        nominal, got = rounded(key, want), int(got)
        # What is left is less when one is late.
        low, high = (nominal - LATE, nominal + EARLY) if key == "~left" else (nominal - EARLY, nominal + LATE)
        high += nominal if name in LONGER else 0
        if not low <= got <= high:
            differences.append(f"{key[1:]} {got} not {nominal} ms")
            only_late = only_late and (got < low) == (key == "~left")
    return ", ".join(differences), only_late


def rounded(key, ms):
    """A time that nobody has disturbed, without what the machine has added."""
    return (int(ms) + (LATE if key == "~left" else EARLY)) // 500 * 500


def undisturbed(runs):
    """Of a program's plain runs the one that a busy machine has delayed least: its start is part of its time."""
    exits = collections.Counter(said["exit"] for said in runs)
    return min(runs, key=lambda said: (-exits[said["exit"]], int(said.get("~slept", said.get("~took", 1 << 30)))))


def files(said):
    return len(glob.glob(f"{OUT}/*.{said.get('pid', 0)}.cpu.*.pb.gz"))


def compare(name, way, options, wanted, least_files):
    for attempt in range(TRIES):
        said = run(options, name, True)
        difference, only_late = unlike(name, said, wanted)
        # Who sends to a program in exec may meet it without a handler.
        met_exec = name in PROGRAMS and said.get("status") == f"{DUMP_SIGNAL:x}"
        if not difference or not (only_late or "alarm" in way or met_exec):
            break
    # The last dump may still be about to be renamed when a killed process is gone.
    made = files(said)
    dumps = "" if difference or made >= least_files else f"{made} files, not {least_files}"
    return name, way, difference, dumps, bool(dumps or (difference and only_late))


def main():
    listed = [line.split() for line in subprocess.check_output([WAITS, "list"], text=True).splitlines()]
    late = {line[0] for line in listed if line[1:]}
    names = [line[0] for line in listed]
    failed = 0
    bad = {name: [] for name in names + list(PROGRAMS)}
    without_files = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        plain = {(name, key): pool.submit(run, options, name, False)
                 for name in names for key, options in PLAIN.items()}
        programs = {name: [pool.submit(run, [], name, False) for _ in range(TRIES)] for name in PROGRAMS}
        pairs = [(name, way)
                 for way in WAYS for name in names + (list(PROGRAMS) if way[0] in ("two", "many") else [])]

        def compared(pair):
            name, way = pair
            wanted = (undisturbed([one.result() for one in programs[name]]) if name in PROGRAMS
                      else plain[name, way[1]].result())
            return compare(name, way[0], way[2], wanted, 1 if name in late else way[3])

        results = list(pool.map(compared, pairs))
    # Who is late or has no time to dump in the crowd may try once more outside of it.
    again = [i for i, result in enumerate(results) if result[4]]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for i, result in zip(again, pool.map(compared, [pairs[i] for i in again])):
            results[i] = result
    for name, way, difference, dumps, _ in results:
        if difference:
            bad[name].append(f"{way}: {difference}")
        if dumps:
            without_files.append(f"{name} {way}: {dumps}")
    for name, differences in bad.items():
        print(f"not ok waits_{name}: {'; '.join(differences)}" if differences else f"ok waits_{name}")
        failed |= bool(differences)
    if not os.environ.get("NO_DUMPS"):
        print(f"not ok waits_dumps: {'; '.join(without_files)}" if without_files else "ok waits_dumps")
        failed |= bool(without_files)
    sys.exit(failed)


main()
