"""The program called as on a command line, each time in a process of its own that need not import anything."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Answer = subprocess.CompletedProcess[str]
KEEPER = Path(__file__).with_name("front_door_keeper.py")


class FrontDoor:
    """Where calls go; several may be under way."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def call(self, *arguments: str, folder: Path, environment: Mapping[str, str], seconds: float = 60) -> Answer:
        """Call the program and wait until it has ended and nobody writes to its standard output and error any more.

        Nothing is read from stdin. Like `subprocess.run`, it kills what takes longer and raises `TimeoutExpired`.
        """
        pipes = [os.pipe() for _ in range(3)]
        asked = {"arguments": arguments, "folder": str(folder), "environment": dict(environment), "umask": _umask()}
        socket.send_fds(self._line, [json.dumps(asked).encode()], [writing for _, writing in pipes])
        for _, writing in pipes:
            os.close(writing)
        reading = [descriptor for descriptor, _ in pipes]
        said = {descriptor: bytearray() for descriptor in reading}
        try:
            if not _read(said, until=time.monotonic() + seconds):
                raise subprocess.TimeoutExpired(["opsrunner", *arguments], seconds)
        finally:  # what still runs is killed then
            for descriptor in reading:
                os.close(descriptor)
        stdout, stderr, told = (bytes(said[descriptor]).decode() for descriptor in reading)
        return Answer(arguments, int(told), _with_plain_ends(stdout), _with_plain_ends(stderr))


@contextmanager
def keeping() -> Iterator[FrontDoor]:
    """Keep the program ready to be called."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        keeper = subprocess.Popen(
            [sys.executable, "-P", str(KEEPER), str(its.fileno())],
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # a pipe, as that of each call: what Python makes of it is made here
            stderr=subprocess.PIPE,
            pass_fds=[its.fileno()],
        )
        its.close()
        yield FrontDoor(ours)
        ours.close()
        assert keeper.communicate(timeout=30) == (b"", b"")


def _read(said: Mapping[int, bytearray], *, until: float) -> bool:
    """Read from descriptors to their ends; tell whether that came in time."""
    with selectors.DefaultSelector() as selector:
        for descriptor in said:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(until - time.monotonic())
            if not ready:
                return False
            for key, _ in ready:
                piece = os.read(key.fd, 65_536)
                said[key.fd].extend(piece)
                if not piece:
                    selector.unregister(key.fd)
    return True


def _umask() -> int:
    """Return ours, which the call inherits; it can only be read by setting it."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def _with_plain_ends(text: str) -> str:
    """End lines as `subprocess` does where it is asked for text."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
