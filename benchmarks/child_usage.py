"""Runs a command and prints as JSON what it took, in seconds and in memory at the most, and what it said.

A process of its own, and a small one: what the kernel says of a child's memory is never less than what its parent had
when it was started (getrusage(2), ru_maxrss over fork and exec).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(command: list[str]) -> int:
    began = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    taken = {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "megabytes": usage.ru_maxrss / 1024,
        "said": said,
    }
    print(json.dumps(taken))
    return child.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
