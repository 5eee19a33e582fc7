"""Writing to a ledger, and what the daemon asks of one in a pass.

Durable starts and ends are done turn by turn with bare `sqlite3`, which writes the same rows into the same tables with
the same indices. It is used as it comes and as its documentation shows, `with connection:` around one statement, and
makes the text of moments and of the outcome from the same values, by `isoformat` and `json.dumps`. Ours has to do at
least 0.9 of its rate. Beside it, without a bound, stands the quickest that the module can do under our own pragmas: one
statement that commits itself, with all texts made before.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.ledger import FEW, KEPT, MANY, made_ledger
from benchmarks.made_ledger import ROUTINES, Made, routine_name, write_ledger
from benchmarks.measure import Figure, percentile

from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus, Trigger

WRITES = 200
OPEN = 5_000


def figures() -> Iterator[Figure]:
    """Yield the rates of writing, what a pass asks, and how long a migration takes."""
    few = made_ledger(FEW)
    yield from _writes(few)
    yield _pass(few)
    yield _migration()


def _writes(few: Path) -> Iterator[Figure]:
    """Durable starts and ends, turn by turn with bare `sqlite3` on a copy of its own."""
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        copies = [Path(folder) / f"{name}.db" for name in ("ours", "bare", "barest")]
        for copy in copies:
            shutil.copyfile(few, copy)
        books = Books.open(copies[0])
        with (
            closing(_bare(copies[1])) as bare,
            closing(_barest(copies[2])) as barest,
        ):
            yield from _turns(books, bare, barest)
        books.ledger.close()


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _barest(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("foreign_keys = ON", "recursive_triggers = ON", "journal_mode = PERSIST", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


_CLAIM = (
    "INSERT INTO runs(routine, nominal_at, planned_at, trigger, status, reason, created_at, started_at, frozen)"
    " VALUES (?,?,?,'schedule','running','',?,?,?)"
)
_START = "INSERT INTO steps(run, position, id, kind, status, started_at) VALUES (?,0,'dump','run','running',?)"
_END = "UPDATE steps SET status = 'succeeded', finished_at = ?, outcome = ? WHERE run = ? AND position = 0"
_FINISH = "UPDATE runs SET status = 'succeeded', finished_at = ?, ended = ? WHERE id = ?"
_PEERS = ("bare sqlite3", "one statement, all else made before")


@dataclass(frozen=True, kw_only=True)
class Act:
    """One write: by our call, and as a statement with what makes its values."""

    name: str
    ours: Callable[[], object]
    sql: str
    values: Callable[[], tuple[object, ...]]


def _turns(books: Books, bare: sqlite3.Connection, barest: sqlite3.Connection) -> Iterator[Figure]:
    """Let all do the same, one after the other, each first every third time."""
    seconds: dict[str, list[tuple[float, ...]]] = {}
    for number in range(WRITES):
        for act in _acts(books, number):
            ways = (
                act.ours,
                partial(_as_documented, bare, act),
                partial(barest.execute, act.sql, act.values()),
            )
            turned = [(number + place) % len(ways) for place in range(len(ways))]
            took = {place: _seconds(ways[place]) for place in turned}
            seconds.setdefault(act.name, []).append(tuple(took[place] for place in range(len(ways))))
    for name, each in seconds.items():
        ours, *theirs = (1 / percentile(values, 0.25) for values in zip(*each, strict=True))  # others use the disk, too
        for peer, rate, least in zip(_PEERS, theirs, (0.9, None), strict=True):
            said = f"{name}, durable, a second"
            yield Figure(name=said, ours=ours, unit="/s", peer=peer, theirs=rate, least=least)


def _as_documented(connection: sqlite3.Connection, act: Act) -> None:
    with connection:
        connection.execute(act.sql, act.values())


def _acts(books: Books, number: int) -> list[Act]:
    """Return what one run of one step writes."""
    plan, at, run = StepPlan(id="dump", kind="run"), datetime.now(UTC), FEW + 1 + number
    routine, frozen = routine_name(number % ROUTINES), f"{number % ROUTINES:032x}"
    outcome = Outcome(
        status=StepStatus.SUCCEEDED,
        message="12 databases dumped",
        rows=tuple({"name": f"database-{n}", "bytes": n * 1000} for n in range(8)),
        facts={"exit_code": 0, "seconds": 1.25},
    )  # tries are kept only where there was more than one
    new = NewRun(
        routine=routine,
        trigger=Trigger.SCHEDULE,
        status=RunStatus.RUNNING,
        nominal_at=at,
        planned_at=at,
        frozen=frozen,
    )
    said = {
        "status": "succeeded",
        "reason": "",
        "message": outcome.message,
        "rows": list(outcome.rows),
        "facts": outcome.facts,
        "parts": [],
        "attempts": [],
    }
    text = at.isoformat
    return [
        Act(
            name="start of a run",
            ours=partial(books.runs.claim, new, at=at),
            sql=_CLAIM,
            values=lambda: (routine, text(), text(), text(), text(), frozen),
        ),
        Act(
            name="start of a step",
            ours=partial(books.steps.start, run, 0, plan, at=at),
            sql=_START,
            values=lambda: (run, text()),
        ),
        Act(
            name="end of a step",
            ours=partial(books.steps.finish, run, 0, plan, outcome=outcome, at=at),
            sql=_END,
            values=lambda: (text(), json.dumps(said), run),
        ),
        Act(
            name="end of a run",
            ours=partial(books.runs.finish, run, status=RunStatus.SUCCEEDED, reason="", at=at),
            sql=_FINISH,
            values=lambda: (text(), run, run),
        ),
    ]


def _pass(few: Path) -> Figure:
    """What the daemon asks in one pass, with 5,000 runs that wait for people and 5,000 open tasks."""
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        path = Path(folder) / "ledger.db"
        shutil.copyfile(few, path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            open_ids = f"id > {FEW - OPEN} AND id <= {FEW}"
            connection.execute(f"UPDATE runs SET status = 'waiting', finished_at = NULL, ended = NULL WHERE {open_ids}")
            connection.execute(
                f"UPDATE tasks SET run = {FEW} - id, status = 'open', closed_at = NULL WHERE id <= {OPEN}"
            )
            connection.commit()
        books, now = Books.open(path), datetime.now(UTC)
        asked = (
            books.active_runs.by_routine,
            books.active_runs.next_queued,
            partial(books.active_runs.ready, now),
            partial(books.runs.active, status=RunStatus.RUNNING),
            partial(books.tasks.overdue, now),
            books.tasks.climbing,
            books.requests.waiting,
            partial(books.outbox.due, now),
            partial(books.holds.since, now),
            books.routines.all,
            partial(books.digests.last, "daily"),
        )
        times = [sum(_seconds(ask) for ask in asked) for _ in range(15)]
        books.ledger.close()
    said = f"what a pass asks, with {OPEN:,} runs and tasks open"
    return Figure(name=said, ours=statistics.median(times) * 1000, unit="ms", most=60)


def _seconds(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


def _migration() -> Figure:
    """How long the first start after an upgrade takes with a million runs of form 1."""
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        path = Path(folder) / "ledger.db"
        write_ledger(path, Made(runs=MANY, end=datetime.now(UTC), form=1, step_days=31))
        began = time.perf_counter()
        Books.open(path).ledger.close()
        seconds = time.perf_counter() - began
    return Figure(name="1,000,000 runs of form 1 brought to today's", ours=seconds, unit="s", most=60)
