"""Marks that every process of a run carries, so that it is found wherever it goes.

Two stand in its environment: OPS_RUN_TOKEN for the run, OPS_TRY for the one try of a step. A process
can clear its environment, leave its session, lose its parent and close its output; the third mark stays
through all of that. It is the soft limit on file locks, which Linux has not enforced since 2.4
(getrlimit(2), RLIMIT_LOCKS): children inherit it, exec keeps it, everyone may read it in proc(5)'s
`limits`, and nobody has a reason to set it. `ulimit -x` shows it. Who reads it can copy it: see `owners`.
"""

from __future__ import annotations

import hashlib
import os
import resource
from contextlib import suppress

RUN_MARK = "OPS_RUN_TOKEN"
TRY_MARK = "OPS_TRY"
_LIMIT = 10  # RLIMIT_LOCKS; the module `resource` has no name for it
_LINE = b"\nMax file locks "
_OURS = 1 << 62
_TRY_BITS = 24
_RUN_BITS = 38


def in_environment(environment: bytes, *, name: str, token: str) -> bool:
    """Tell whether an environment, as proc(5)'s `environ` shows it, holds ``name=token``."""
    return f"{name}={token}".encode() in environment.split(b"\0")


def try_limit(run_token: str, try_mark: str) -> int:
    """Return the limit that marks one try of a step of a run."""
    return _OURS | _digest(run_token, _RUN_BITS) << _TRY_BITS | _digest(try_mark, _TRY_BITS)


def run_part(limit: int) -> int:
    """Return the part of a mark that all tries of a run share."""
    return limit >> _TRY_BITS


class LimitForChildren:
    """Gives what is started inside the block this mark; hold `children.STARTING`: limits belong to the process.

    Where the system does not allow it, children are marked by their environment alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._before = (0, 0)

    def __enter__(self) -> None:
        self._before = resource.getrlimit(_LIMIT)
        self._set(self._limit)

    def __exit__(self, *_: object) -> None:
        self._set(self._before[0])

    def _set(self, soft: int) -> None:
        with suppress(OSError, ValueError):
            resource.setrlimit(_LIMIT, (soft, self._before[1]))


def limit_of(process_id: int) -> int:
    """Return the mark that a process carries as its limit; 0 for none, or where it is gone."""
    try:
        descriptor = os.open(f"/proc/{process_id}/limits", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        _, _, rest = os.read(descriptor, 4096).partition(_LINE)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    soft = rest.split(maxsplit=1)[:1]
    return int(soft[0]) if soft and soft[0].isdigit() else 0


def _digest(text: str, bits: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) & ((1 << bits) - 1)
