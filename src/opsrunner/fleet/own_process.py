"""What our own process hands down to every program it starts, made the same however we were started.

nohup, a shell's `&`, cron, systemd and container starters leave signals ignored or blocked, and descriptors
closed. Both kinds of signal states outlive exec (signal(7)), and an ignored SIGCHLD throws exit codes away.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from types import FrameType

_LIMITS = {
    "cpu_seconds": resource.RLIMIT_CPU,
    "file_bytes": resource.RLIMIT_FSIZE,
    "memory_bytes": resource.RLIMIT_AS,
    "data_bytes": resource.RLIMIT_DATA,
    "processes": resource.RLIMIT_NPROC,
    "open_files": resource.RLIMIT_NOFILE,
}
_OF_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Ignored by Python itself, which gives children the default again."""


def begin_plainly() -> None:
    """Open the standard streams that are closed, unblock all signals, and let children inherit no ignored one.

    For the main thread, before anything is opened. A signal that we were started to ignore stays without
    effect on us.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        _fill(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in signal.valid_signals() - {*_OF_PYTHON, signal.SIGCHLD}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _pass_over)  # unlike an ignored signal, a handled one is not inherited


def handed_down() -> dict[str, int]:
    """Return what programs get from us beside their environment: niceness, and each limit that there is."""
    limits = {name: resource.getrlimit(number)[0] for name, number in _LIMITS.items()}
    finite = {name: value for name, value in limits.items() if value != resource.RLIM_INFINITY}
    return {"nice": os.getpriority(os.PRIO_PROCESS, 0), **finite}


def _pass_over(number: int, frame: FrameType | None) -> None:
    """Do nothing, as whoever started us wanted."""


def _fill(descriptor: int) -> None:
    """Open what is closed, so that no file of ours takes its number and gets what is printed."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        os.set_inheritable(descriptor, True)
