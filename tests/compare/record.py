#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""record.py LOG SECONDS COMMAND...: runs the command, again and again until so many seconds are over (0: once).

Its CPU time and that of all its children that were waited for goes to LOG, in seconds.  The exit code is
that of the last run.  A service is stopped by its own means; SIGTERM is passed on and ends the repetition.
"""
import os
import signal
import sys
import time

log, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
signal.signal(signal.SIGINT, signal.SIG_IGN)
end = time.monotonic() + seconds
used = runs = code = pid = 0


def stop(*_):
    global end
    end = 0
    if pid:
        os.kill(pid, signal.SIGTERM)


signal.signal(signal.SIGTERM, stop)
while code == 0:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)
        except OSError as e:
            sys.stderr.write("%s: %s\n" % (command[0], e.strerror))
        os._exit(127)
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    used += usage.ru_utime + usage.ru_stime
    runs += 1
    if time.monotonic() >= end:
        break
with open(log, "w") as f:
    f.write("%.3f %d\n" % (used, runs))
sys.exit(code & 255)
