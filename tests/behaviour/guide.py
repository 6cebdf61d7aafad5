#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Executes docs/guide.md line by line, as a newcomer types it: guide.py FILE.

Every "$ command" of its console blocks goes to one shell, in order.  It must succeed, and each line that the guide
shows below it must be in what it prints: numbers may be others, and "..." stands for anything; a line "..." alone
for any lines.  Order is free, since the order of a table depends on the run.
"""
import os
import re
import signal
import subprocess
import sys
import threading

TIMEOUT_SECONDS = 90
NUMBER = re.compile(r"[+-]?\d+(?:[.,:/-]\d+)*(?:\.\d+)?\s?(?:%|ns|us|ms|mins|min|s|h|[kKMG]i?B|B)?(?![A-Za-z])")


def commands_of(path):
    """(line number, command, [expected lines]) of each command."""
    inside, found = False, []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if line.startswith("```"):
            inside = line == "```console" if not inside else False
        elif inside and line.startswith("$ "):
            found.append((number, line[2:], []))
        elif inside and found[-1][1].endswith("\\"):
            found[-1] = (found[-1][0], found[-1][1][:-1] + line.lstrip(), [])
        elif inside and line.strip() not in ("", "..."):
            found[-1][2].append(line)
    return found


def plain(line):
    """Without what differs from run to run: numbers and the width of columns."""
    return re.sub(r"\s+", " ", NUMBER.sub("N", line)).strip()


def pattern(line):
    return re.compile(".*".join(re.escape(part.strip()).replace(r"\ ", r"\s*") for part in plain(line).split("...")))


class Shell:
    def __init__(self):
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace", start_new_session=True)

    def run(self, command):
        """Lines that it printed, and its exit code (None: no end in time)."""
        lines = []
        mark = "-- done %d --" % os.getpid()
        timer = threading.Timer(TIMEOUT_SECONDS, self.end)
        timer.start()
        try:
            self.process.stdin.write(f"{command}\necho; echo '{mark}' $?\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith(mark):
                    return lines, int(line.split()[-1])
                lines.append(line.rstrip("\n"))
        except BrokenPipeError:
            pass
        finally:
            timer.cancel()
        return lines, None

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def main():
    shell, failed = Shell(), 0
    try:
        for number, command, expected in commands_of(sys.argv[1]):
            name = f"guide_line_{number} ({command[:70]})"
            lines, code = shell.run(command)
            printed = [plain(line) for line in lines]
            missing = [line for line in expected if not any(pattern(line).search(p) for p in printed)]
            if code == 0 and not missing:
                print("ok", name, flush=True)
                continue
            failed = 1
            why = f"no line like {missing[0]!r}" if missing else f"exit code {code}"
            print(f"not ok {name}: {why}", flush=True)
            print("\n".join("    | " + line for line in lines[-25:]), flush=True)
            if code is None:
                break
    finally:
        shell.end()
    return failed


sys.exit(main())
