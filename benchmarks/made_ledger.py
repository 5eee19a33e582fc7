"""A ledger of many runs, made up from a seed: written straight into the tables, since a million runs are 400 days."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from opsrunner.ledger.codec import to_text
from opsrunner.ledger.migrations import MIGRATIONS

ROUTINES = 300
RUNS_A_DAY = 2_500
SEED = 20260105
_MINUTELY, _HOURLY = 2, 30
"""Of the routines, so many come every two minutes and every hour; all others every day. The first never succeeds."""
_ENDS = ("succeeded",) * 95 + ("failed", "failed", "warning", "missed", "skipped")
_SERIES = (("daily", 1), ("weekly", 7), ("monthly", 30))
_RUN = (
    "INSERT INTO runs(id, routine, nominal_at, planned_at, trigger, status, reason, created_at, started_at,"
    " finished_at, frozen{more}) VALUES (?,?,?,?,?,?,?,?,?,?,?{marks})"
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is made: so many runs, ending at `end`. `form` is that of the tables; form 1 stamps the runs.

    Steps are written for the last `step_days` alone where that is set.
    """

    runs: int
    end: datetime
    form: int = len(MIGRATIONS)
    tasks: int = 50_000
    open_tasks: int = 60
    step_days: int | None = None

    @property
    def begin(self) -> datetime:
        """The moment of the first run."""
        return self.end - timedelta(days=self.runs / RUNS_A_DAY)


def write_ledger(path: Path, made: Made) -> None:
    """Write a ledger; all of it in one transaction, the indices last."""
    dice = random.Random(SEED)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for migration in MIGRATIONS[: made.form]:
            migration(Database(connection))
        connection.execute(f"PRAGMA user_version = {made.form}")
        indices = [
            row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql > ''")
        ]
        drop_indices(connection)
        _fill(connection, made, dice)
        for sql in indices:
            connection.execute(sql)
        connection.execute("COMMIT")


def drop_indices(connection: sqlite3.Connection) -> None:
    """Leave the tables with their primary keys alone."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql > ''")]
    for name in names:
        connection.execute(f"DROP INDEX {name}")


def routine_name(number: int) -> str:
    """Return the id of a routine of the ledger."""
    return f"routine-{number:03}"


def _fill(connection: sqlite3.Connection, made: Made, dice: random.Random) -> None:
    begin, end = to_text(made.begin), to_text(made.end)
    connection.executemany(
        "INSERT INTO meta VALUES (?,?)",
        [("ledger", "benchmark000"), ("planned_at", end), *_digest_marks(made, begin)],
    )
    body = json.dumps({"id": "x", "steps": ["x" * 100] * 20})
    connection.executemany("INSERT INTO frozen VALUES (?,?)", [(f"{n:032x}", body) for n in range(ROUTINES)])
    connection.executemany(
        "INSERT INTO routines(id, name, first_seen_at, watermark_at, frozen) VALUES (?,?,?,?,?)",
        [(routine_name(n), f"Routine {n}", begin, end, f"{n:032x}") for n in range(ROUTINES)],
    )
    digests = list(_digests(made))
    _fill_runs(connection, made, dice, digests)
    through = ", through" if made.form > 1 else ""
    connection.executemany(
        f"INSERT INTO digests(id, series, from_at, until_at, created_at, subject, text, html, runs{through})"
        f" VALUES (?,?,?,?,?,?,?,?,?{',?' if through else ''})",
        [row if through else row[:-1] for row in digests],
    )
    _fill_tasks(connection, made, dice)
    _fill_mails(connection, made, dice)
    _fill_people(connection, made, dice)


def _digest_marks(made: Made, begin: str) -> list[tuple[str, str]]:
    if made.form == 1:
        return [("digests_since", begin)]
    return [(f"{series}_digests_since", begin) for series, _ in _SERIES]


def _digests(made: Made) -> Iterator[list[Any]]:
    """Yield a row for each digest: the last ones of each series are a day, a week and a month less an hour old."""
    number = 0
    for series, days in _SERIES:
        count = int((made.end - made.begin) / timedelta(days=days))
        for back in range(count, 0, -1):
            number += 1
            until = made.end - timedelta(days=days * back) + timedelta(hours=1)
            through = int((until - made.begin) / timedelta(days=1) * RUNS_A_DAY)
            texts = ("36 are fine", "text " * 800, "<p>html</p>" * 1_500)
            row = [number, series, to_text(until - timedelta(days=days)), to_text(until), to_text(until), *texts]
            yield [*row, RUNS_A_DAY * days, through]


def _fill_runs(connection: sqlite3.Connection, made: Made, dice: random.Random, digests: list[list[Any]]) -> None:
    is_stamped = made.form == 1
    more, marks = (", daily, weekly, monthly", ",?,?,?") if is_stamped else (", ended", ",?")
    stamps = {series: [(row[-1], row[0]) for row in digests if row[1] == series] for series, _ in _SERIES}
    connection.executemany(
        _RUN.format(more=more, marks=marks),
        ((*run, *(_stamps(stamps, run[0]) if is_stamped else (run[0],))) for run in _runs(made, dice)),
    )
    first = 1 if made.step_days is None else max(1, made.runs - made.step_days * RUNS_A_DAY)
    connection.executemany(
        "INSERT INTO steps(run, position, id, kind, status, started_at, finished_at, outcome) VALUES (?,?,?,?,?,?,?,?)",
        _steps(made, dice, first=first),
    )
    if not is_stamped:
        _fill_last_seen(connection, made)


def _stamps(stamps: dict[str, list[tuple[int, int]]], run: int) -> Iterator[int | None]:
    """Yield by which digest of each series a run was told of; runs come in order, so told ones fall away in front."""
    for told in stamps.values():
        while told and told[0][0] < run:
            told.pop(0)
        yield told[0][1] if told else None


def _runs(made: Made, dice: random.Random) -> Iterator[tuple[Any, ...]]:
    apart = timedelta(days=1) / RUNS_A_DAY
    for number in range(1, made.runs + 1):
        at = made.begin + apart * number
        routine = _routine_of(number)
        status = "failed" if routine == 0 else dice.choice(_ENDS)
        ran = status not in ("missed", "skipped")
        moment = to_text(at)
        reason = "" if ran else "coalesced" if status == "missed" else "overlap"
        trigger = "manual" if number % 97 == 0 else "schedule"
        nominal = None if trigger == "manual" else moment
        started, finished = moment if ran else None, to_text(at + timedelta(seconds=dice.randrange(60) if ran else 0))
        yield (number, routine_name(routine), nominal, nominal, trigger, status, reason, moment, started, finished,
               f"{routine:032x}")  # fmt: skip


def _routine_of(number: int) -> int:
    """Return which routine a run is of: most runs are of the few that come often."""
    place = number % RUNS_A_DAY
    if place < _MINUTELY * 720:
        return place % _MINUTELY
    if place < _MINUTELY * 720 + _HOURLY * 24:
        return _MINUTELY + place % _HOURLY
    return _MINUTELY + _HOURLY + place % (ROUTINES - _MINUTELY - _HOURLY)


def _steps(made: Made, dice: random.Random, *, first: int) -> Iterator[tuple[Any, ...]]:
    pool = [(kind, *_outcome(dice, kind)) for kind in ("run", "http", "ssh", "query") for _ in range(200)]
    apart = timedelta(days=1) / RUNS_A_DAY
    for run in range(first, made.runs + 1):
        moment = to_text(made.begin + apart * run)
        for position in range(2 + run % 2):
            kind, status, outcome = pool[dice.randrange(len(pool))]
            yield run, position, f"{kind}-{position}", kind, status, moment, moment, outcome


def _outcome(dice: random.Random, kind: str) -> tuple[str, str]:
    """Return the end of a step as the ledger keeps it, 300 to 2,000 bytes long."""
    status = dice.choice(("succeeded",) * 9 + ("failed",))
    is_long = dice.random() < 0.2
    message = "x" * dice.randint(30, 120)
    hosts, count = (range(1, dice.randint(2, 12) if is_long else 2), dice.randint(10, 30) if is_long else 0)
    parts = [{"key": f"web{n}", "status": status, "message": message[:60], "facts": {"exit_code": 0}} for n in hosts]
    rows = [{"number": number, "name": "x" * 20} for number in range(count)]
    attempt = {"number": 1, "status": status, "message": message, "started_at": {"$moment": to_text(datetime.now(UTC))}}
    told = {
        "status": status,
        "reason": "",
        "message": message,
        "rows": rows if kind == "query" else [],
        "facts": {"exit_code": 0, "seconds": 1.5, "tail": "y" * dice.randint(0, 1_200 if is_long else 100)},
        "parts": parts if kind == "ssh" else [],
        "attempts": [{**attempt, "seconds": 1.5}],
    }
    return status, json.dumps(told, separators=(",", ":"))


def _fill_last_seen(connection: sqlite3.Connection, made: Made) -> None:
    rows = [(routine_name(n), step, made.runs, to_text(made.end)) for n in range(1, ROUTINES) for step in ("run-0",)]
    _insert(connection, "last_good", rows)
    hosts = [(f"web{number}", "succeeded", to_text(made.end)) for number in range(1, 13)]
    _insert(connection, "hosts_seen", hosts)


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows that fill the first columns of a table; those that later forms have added take their defaults."""
    columns = [f'"{row[1]}"' for row in connection.execute(f"PRAGMA table_info({table})")][: len(rows[0])]
    marks = ",".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table}({','.join(columns)}) VALUES ({marks})", rows)


def _fill_tasks(connection: sqlite3.Connection, made: Made, dice: random.Random) -> None:
    count = max(1, made.tasks * made.runs // 1_000_000)
    span = made.end - made.begin
    rows = []
    for number in range(1, count + made.open_tasks + 1):
        is_open = number > count
        run = made.runs - dice.randrange(RUNS_A_DAY) if is_open else int(number / count * made.runs)
        at = made.begin + span * (run / made.runs)
        kind = "follow_up" if number % 4 == 0 else "routine"
        closed = None if is_open else to_text(at + timedelta(minutes=30))
        is_failure = kind == "follow_up"
        what = (kind, "open" if is_open else "done", run, routine_name(number % ROUTINES), "run-0", f"item-{number}")
        said = (f"key-{number}" if is_failure else None, f"Look at matter {number}", "1. Look.\n2. Act.\n" * 5, "", "")
        whom = ("sysadmin", None, to_text(at + timedelta(hours=4)), "[]", "[]", None, None, 0, "never", 0, "", 0)
        rest = ("[]", "[]", 1, "it failed" if is_failure else "", "{}", to_text(at), "opsrunner")
        end = (closed, "" if is_open else "ops1", closed, '{"note":"done","outcome":""}')
        rows.append((number, *what, *said, *whom, *rest, *end))
    _insert(connection, "tasks", rows)


def _fill_mails(connection: sqlite3.Connection, made: Made, dice: random.Random) -> None:
    """Write 40 mails a day; those of the last month still have their texts."""
    days = made.runs / RUNS_A_DAY
    rows = []
    for number in range(1, int(days * 40) + 1):
        age_days = days - number / 40
        at = to_text(made.end - timedelta(days=age_days))
        text = "text " * dice.randint(100, 800) if age_days < 30 else ""
        failed = at if number % 200 == 0 else None
        texts = (f"{number}@x", "ops1@example.com", "Failed: x", text, text, "follow_up")
        rows.append((number, *texts, number % 999, f"u {number}", at, at, None if failed else at, failed))
    connection.executemany(
        'INSERT INTO outbox(id, message_id, "to", subject, text, html, about, task, "unique", created_at, next_try_at,'
        " sent_at, failed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        rows,
    )


def _fill_people(connection: sqlite3.Connection, made: Made, dice: random.Random) -> None:
    """Write what people did: 120 acts a day, a note and a gap now and then."""
    days = int(made.runs / RUNS_A_DAY)
    acts = []
    for number in range(days * 120):
        at = to_text(made.begin + timedelta(days=number / 120))
        acts.append((at, "ops1", "192.0.2.7", "tick", f"task {dice.randrange(50_000)}", "done; all is well"))
    connection.executemany("INSERT INTO audit(at, actor, address, action, subject, detail) VALUES (?,?,?,?,?,?)", acts)
    moments = [to_text(made.begin + timedelta(days=day)) for day in range(days)]
    connection.executemany(
        "INSERT INTO notes(at, author, text) VALUES (?,'ops1','web5 was slow')", [(at,) for at in moments]
    )
    connection.executemany(
        "INSERT INTO gaps(from_at, until_at, reason) VALUES (?,?,'not running')", zip(moments, moments, strict=True)
    )
    connection.executemany(
        "INSERT INTO acts(name, run, step, started_at) VALUES (?,?,?,?)",
        [(f"welcome-{number}", number + 1, "mail", moments[number % days]) for number in range(days * 20)],
    )
