"""Runs a command and prints as JSON what it took with all that came of it, also of what it left in the background.

A process of its own: what a command leaves behind becomes its child (prctl(2), PR_SET_CHILD_SUBREAPER), counts too, and
ends with it. With --again the command runs twice, and its time is that of the second, beside what the first one left
open; with --memory the memory of all processes together is looked at all the time, which takes time itself.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks.proc import proportional_megabytes
from tests.process_trees import descendants, signal_all

LOOK_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36


class MemoryWatch:
    """Looks at the memory of all that came of this process, from its making to its end."""

    def __init__(self) -> None:
        self.most_megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            held = sum(proportional_megabytes(pid) for pid in descendants([os.getpid()]))
            self.most_megabytes = max(self.most_megabytes, held)


def main(arguments: list[str]) -> int:
    options, command = _split(arguments)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        if "--again" in options:
            _said_by(command)
        watch = MemoryWatch() if "--memory" in options else None
        began = time.perf_counter()
        code, said = _said_by(command)
        seconds = time.perf_counter() - began
        if watch is not None:
            watch.end()
    finally:
        _end_what_is_left()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "megabytes": 0.0 if watch is None else watch.most_megabytes,
        "said": said,
    }
    print(json.dumps(taken))
    return code


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return our options and the command behind `--`."""
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _said_by(command: list[str]) -> tuple[int, str]:
    """Run it to its end, whoever of its children holds its output open still."""
    with tempfile.TemporaryFile() as said:
        code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=said)
        said.seek(0)
        return code, said.read().decode(errors="replace")


def _end_what_is_left() -> None:
    while left := descendants([os.getpid()]):
        signal_all(left, signal.SIGTERM)
        for _ in left:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
