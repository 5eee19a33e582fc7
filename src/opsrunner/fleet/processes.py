"""Finding and ending the processes of a step, also those that left its session.

They are found by their marks, as descendants, by the session they stand in, or by the output they hold
open. A mark outlives setsid, double forks and the death of the daemon; see `marks`. For whom it is trusted where
nothing else speaks for it, `owners` tells.
"""

from __future__ import annotations

import os
import pwd
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from opsrunner.fleet.marks import RUN_MARK, TRY_MARK, in_environment, limit_of, run_part, try_limit
from opsrunner.fleet.owners import may_be_ours, ourselves, owner_of
from opsrunner.records import dataclass

GRACE_SECONDS = 4.0
"""Between the polite signal and the one that cannot be refused."""
FREEZE_SECONDS = 1.0
"""How long at most is spent on stopping what keeps starting more, before it is killed."""
KILL_SECONDS = 2.0
LOOK_SECONDS = 0.05
_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One living process: `started` (ticks since boot) tells it from a later one of the same number."""

    pid: int
    started: int
    parent: int = field(compare=False)
    session: int = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What ending processes came to, as process ids."""

    found: list[int]
    left: list[int]
    """Those that live on: we may not signal them, or the kernel holds them."""


def pause(seconds: float) -> None:
    """Wait. Not `time.sleep`: that fails where the clock is stepped under libfaketime."""
    threading.Event().wait(seconds)


def find_marked(*tokens: str) -> list[int]:
    """Return the ids of the living processes that carry the mark of one of these runs, but not our own.

    The variable in the environment of other users' processes is seen only by root. As whom the steps ran is not
    known here: it was as ourselves, or as anybody where we are root.
    """
    our_session, us = os.getsid(0), ourselves()
    variables = {f"{RUN_MARK}={token}".encode() for token in tokens}
    runs = {run_part(try_limit(token, "")) for token in tokens}

    def is_marked(process: Process) -> bool:
        if not variables.isdisjoint(_environment(process.pid).split(b"\0")):
            return True
        has_mark = process.session != our_session and run_part(limit_of(process.pid)) in runs
        return has_mark and may_be_ours(owner_of(process.pid), account_uid=us.uid, us=us)

    return [process.pid for process in _process_table().values() if process.pid != os.getpid() and is_marked(process)]


def end_marked(*tokens: str, grace_seconds: float = GRACE_SECONDS) -> list[int]:
    """End every process of these runs: TERM, and KILL for what is left after `grace_seconds`.

    Returns the ids of those that were found. What a dying process still starts is ended as well. However many runs
    there are, it takes no longer than for one.
    """
    return end_all(lambda: find_marked(*tokens), grace_seconds=grace_seconds).found if tokens else []


def end_all(
    find: Callable[[], list[int]], *, grace_seconds: float, wait: Callable[[float], None] = pause, group: int = 0
) -> Ended:
    """End what `find` finds, looking again until it finds nothing; then the process group `group` as a whole.

    A process that hops from child to child is gone before it is looked at; its group is not. `wait` is
    what is done between two looks.
    """
    seen: set[int] = set()
    deadline = time.monotonic() + grace_seconds
    while (alive := find()) and time.monotonic() < deadline:
        fresh = [pid for pid in alive if pid not in seen]
        send_signal(fresh, signal.SIGTERM)
        send_signal(fresh, signal.SIGCONT)  # what is stopped would never hear of it
        seen.update(alive)
        wait(LOOK_SECONDS)
    if alive:
        alive = _freeze(find)
    last = time.monotonic() + KILL_SECONDS
    while alive and time.monotonic() < last:
        seen.update(alive)
        send_signal(alive, signal.SIGKILL)
        wait(LOOK_SECONDS)
        alive = find()
    if group:
        send_signal([-group], signal.SIGKILL)
    return Ended(found=sorted(seen), left=sorted(alive))


def find_family(leader: int, *, run_token: str, try_mark: str, account_uid: int, known: set[Process]) -> list[int]:
    """Return the living processes of the try whose first process is `leader`, begun as the user `account_uid`.

    They are what carries its mark, stands in its session, or descends from either; `known` keeps what
    was found before, so that an orphan without a mark is not lost.
    """
    table = _process_table()
    known &= set(table.values())
    our_session, us = os.getsid(0), ourselves()
    limit = try_limit(run_token, try_mark)

    def is_ours(process: Process) -> bool:
        if leader in (process.pid, process.session) or process in known:
            return True
        if in_environment(_environment(process.pid), name=TRY_MARK, token=try_mark):
            return True
        has_mark = process.session != our_session and limit_of(process.pid) == limit
        return has_mark and may_be_ours(owner_of(process.pid), account_uid=account_uid, us=us)

    known |= {process for process in table.values() if process.pid != os.getpid() and is_ours(process)}
    _add_descendants(table, known)
    return [process.pid for process in known]


def find_writers(inodes: frozenset[int]) -> list[int]:
    """Return the living processes that have the writing end of one of those pipes open.

    Only the writing end counts: a process that we are just starting still has copies of the other.
    """
    names = {f"pipe:[{inode}]" for inode in inodes}
    return [pid for pid in _all_pids() if pid != os.getpid() and _writes_to(pid, names)]


def send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process, to a group by its number below zero; what is gone or not ours is passed over."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def describe_process(pid: int) -> str:
    """Return a process in words: `4711 (sleep, as nobody)`."""
    try:
        name = (_PROCESSES / str(pid) / "comm").read_text(errors="replace").strip()
        user = pwd.getpwuid((_PROCESSES / str(pid)).stat().st_uid).pw_name
    except (OSError, KeyError):
        return str(pid)
    return f"{pid} ({name}, as {user})"


def _freeze(find: Callable[[], list[int]]) -> list[int]:
    """Stop all of them, until none is found that still runs: what is stopped starts nothing more."""
    stopped: set[int] = set()
    deadline = time.monotonic() + FREEZE_SECONDS
    while fresh := [pid for pid in find() if pid not in stopped]:
        send_signal(fresh, signal.SIGSTOP)
        stopped.update(fresh)
        if time.monotonic() > deadline:
            break
    return sorted(stopped)


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
    """Read proc(5)'s `stat`, whose second field may hold anything; zombies and the gone are None.

    A process whose first thread has ended looks like a zombie, and lives as long as its other threads do.
    """
    try:
        text = (_PROCESSES / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X") and int(fields[17]) <= 1:
        return None
    return Process(pid=pid, parent=int(fields[1]), session=int(fields[3]), started=int(fields[19]))


def _environment(pid: int) -> bytes:
    try:
        return (_PROCESSES / str(pid) / "environ").read_bytes()
    except OSError:
        return b""


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
