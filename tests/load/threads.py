#!/usr/bin/python3
"""Where a running server spends its processor time: the share of each of its threads.

Usage: threads.py PID SECONDS [COMMAND ...]
  COMMAND   what loads the server; measured from its start to its end, SECONDS at the most

The loop's thread does all network I/O; a worker parses, checks and runs rules; the spool's writes and
syncs; auth's waits for DNS. A thread at 100 % is the bottleneck; shares that add up to 100 % times the
cores say that the machine is.
"""
import os
import subprocess
import sys
import time

import measure


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    pid, seconds, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    before, start, others = measure.threads(pid), time.monotonic(), os.times()
    if command:
        subprocess.run(command, timeout=seconds, check=False)
    else:
        time.sleep(seconds)
    taken, after, now = time.monotonic() - start, measure.threads(pid), os.times()
    total = 0
    for key in sorted(after):
        used = after[key] - before.get(key, 0)
        total += used
        if used >= 0.01 * taken:
            print("%-16s %5.1f %% of a core, %6.2f s" % (key[1], used / taken * 100, used))
    used = now.children_user + now.children_system - others.children_user - others.children_system
    print("%-16s %5.1f %% in %.1f s; the command itself %.1f %%; %s" % (
        "all", total / taken * 100, taken, used / taken * 100, measure.load()))


if __name__ == "__main__":
    main()
