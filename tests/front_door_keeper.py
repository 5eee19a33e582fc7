"""Keeps the program imported, and forks for each call: everything but the half second that its imports take.

Started by `front_door.py`, with the number of a socket. Each message is a call; with it come the descriptors of its
standard output and error, and one that is told the exit code. Where nobody listens there any more, the call is killed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

import opsrunner.app
import opsrunner.cli.log_lines  # noqa: F401 (imported beforehand, as all verbs are)
from opsrunner.cli.main import main
from opsrunner.cli.verbs import VERBS

MOST_BYTES = 200_000


def keep(line: socket.socket) -> None:
    """Answer calls until nobody is there any more to ask. A call itself leaves through `main`, by SystemExit."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, MOST_BYTES, 3)
        if not message:
            return
        if os.fork() == 0:
            line.close()
            answer(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def answer(asked: dict[str, Any], stdout: int, stderr: int, told: int) -> None:
    """Have a process of its own do the call, and tell what becomes of it."""
    child = os.fork()
    if child == 0:
        os.close(told)
        os.umask(asked["umask"])
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        time.tzset()
        for number, descriptor in ((1, stdout), (2, stderr)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.argv = ["opsrunner", *asked["arguments"]]
        main()
    os.close(stdout)
    os.close(stderr)
    watch = select.poll()
    watch.register(os.pidfd_open(child), select.POLLIN)
    watch.register(told, 0)  # an error: who asked has given up waiting
    if told in dict(watch.poll()):
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(BrokenPipeError):
        os.write(told, str(code).encode())
    os._exit(0)


if __name__ == "__main__":
    for verb in VERBS.values():
        importlib.import_module(f"opsrunner.cli.{verb.place.partition(':')[0]}")
    gc.collect()
    gc.freeze()
    keep(socket.socket(fileno=int(sys.argv[1])))
