"""Finding and ending the processes of a step, also those that left its session.

Every process of a step carries a mark in its environment (`OPS_RUN_TOKEN` for its run, `OPS_TRY` for
the one try). A mark outlives setsid, double forks and the death of the daemon; what cleared its
environment is still found as a descendant, by the session it stands in, or by the output it holds open.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RUN_MARK = "OPS_RUN_TOKEN"
TRY_MARK = "OPS_TRY"
GRACE_SECONDS = 4.0
"""Between the polite signal and the one that cannot be refused."""
LOOK_SECONDS = 0.05
_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One living process: `started` (ticks since boot) tells it from a later one of the same number."""

    pid: int
    started: int
    parent: int = field(compare=False)
    session: int = field(compare=False)


def pause(seconds: float) -> None:
    """Wait. Not `time.sleep`: that fails where the clock is stepped under libfaketime."""
    threading.Event().wait(seconds)


def find_marked(token: str, *, name: str = RUN_MARK) -> list[int]:
    """Return the ids of the living processes whose environment holds ``NAME=TOKEN``, but not our own.

    Those of other users are seen only by root.
    """
    wanted = f"{name}={token}".encode()
    return [pid for pid in _all_pids() if pid != os.getpid() and wanted in _environment(pid)]


def end_marked(token: str, *, name: str = RUN_MARK, grace_seconds: float = GRACE_SECONDS) -> list[int]:
    """End every process with that mark: TERM, and KILL for what is left after `grace_seconds`.

    Returns the ids of those that were found. What a dying process still starts is ended as well.
    """
    return end_all(lambda: find_marked(token, name=name), grace_seconds=grace_seconds)


def end_all(find: Callable[[], list[int]], *, grace_seconds: float, wait: Callable[[float], None] = pause) -> list[int]:
    """End what `find` finds, looking again until it finds nothing. Returns all ids that it found.

    `wait` is what is done between two looks.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + grace_seconds
    while (alive := find()) and time.monotonic() < deadline:
        send_signal([pid for pid in alive if pid not in seen], signal.SIGTERM)
        seen.update(alive)
        wait(LOOK_SECONDS)
    last = time.monotonic() + 2
    while alive and time.monotonic() < last:
        seen.update(alive)
        send_signal(alive, signal.SIGKILL)
        wait(LOOK_SECONDS)
        alive = find()
    return sorted(seen)


def find_family(leader: int, *, try_mark: str, known: set[Process]) -> list[int]:
    """Return the living processes of the try whose first process is `leader`.

    They are what carries its mark, stands in its session, or descends from either; `known` keeps what
    was found before, so that an orphan without a mark is not lost.
    """
    table = _process_table()
    known &= set(table.values())
    wanted = f"{TRY_MARK}={try_mark}".encode()
    for process in table.values():
        is_ours = leader in (process.pid, process.session)
        if process.pid != os.getpid() and (is_ours or wanted in _environment(process.pid)):
            known.add(process)
    _add_descendants(table, known)
    return [process.pid for process in known]


def find_writers(inodes: frozenset[int]) -> list[int]:
    """Return the living processes that have the writing end of one of those pipes open.

    Only the writing end counts: a process that we are just starting still has copies of the other.
    """
    names = {f"pipe:[{inode}]" for inode in inodes}
    return [pid for pid in _all_pids() if pid != os.getpid() and _writes_to(pid, names)]


def send_signal(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each process; those that are gone, or not ours, are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _add_descendants(table: dict[int, Process], known: set[Process]) -> None:
    ours = {process.pid for process in known}
    grown = True
    while grown:
        children = {process for process in table.values() if process.parent in ours and process.pid not in ours}
        known |= children
        ours |= {process.pid for process in children}
        grown = bool(children)


def _process_table() -> dict[int, Process]:
    table = {}
    for pid in _all_pids():
        process = _read_process(pid)
        if process is not None:
            table[pid] = process
    return table


def _read_process(pid: int) -> Process | None:
    """Read proc(5)'s `stat`, whose second field may hold anything; zombies and the gone are None."""
    try:
        text = (_PROCESSES / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return Process(pid=pid, parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROCESSES / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _all_pids() -> list[int]:
    return [int(path.name) for path in _PROCESSES.iterdir() if path.name.isdigit()]


def _writes_to(pid: int, names: set[str]) -> bool:
    """Read proc(5)'s `fd`, whose links carry the mode in which each file was opened."""
    try:
        links = list((_PROCESSES / str(pid) / "fd").iterdir())
    except OSError:
        return False
    return any(_is_writing_link(link, names) for link in links)


def _is_writing_link(link: Path, names: set[str]) -> bool:
    try:
        return str(link.readlink()) in names and bool(link.lstat().st_mode & stat.S_IWUSR)
    except OSError:
        return False
