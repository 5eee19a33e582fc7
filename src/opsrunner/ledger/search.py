"""Looks for words in what people wrote, newest first and in stretches of so many rows: no search walks over all of it.

What SQLite finds is a first choice, which `is_meant` looks through: LIKE knows the case of ASCII letters only, so that
every other letter stands in a pattern for anything.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from opsrunner.ledger.codec import dumps, optional_moment, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.runs import run_of
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import TaskStatus
from opsrunner.records import dataclass

_NOTE = "coalesce(json_extract(tasks.evidence, '$.note'), '')"
_HITS = (
    'SELECT tasks.id, tasks.title, coalesce(tasks."key", \'\') AS "key", tasks.status, tasks.routine,'  # noqa: S608 (fixed words)
    f" tasks.opened_at, tasks.closed_at, tasks.closed_by, {_NOTE} AS note"
    " FROM json_each(?) AS meant CROSS JOIN tasks ON tasks.id = meant.value ORDER BY meant.key"
)
_TASK_TEXT = f"tasks.title || char(10) || coalesce(tasks.\"key\", '') || char(10) || {_NOTE}"
_RUNS_OF = (
    "SELECT runs.* FROM json_each(?1) AS wanted CROSS JOIN json_each(?2) AS state CROSS JOIN runs ON runs.id IN"
    " (SELECT one.id FROM runs AS one WHERE one.routine = wanted.value AND one.status = state.value AND one.id >= ?3"
    " AND one.id < ?4 ORDER BY one.id DESC LIMIT ?5) ORDER BY runs.id DESC LIMIT ?5"
)
_RUNS_THAT_ARE = (
    "SELECT runs.* FROM json_each(?1) AS state CROSS JOIN runs ON runs.id IN (SELECT one.id FROM runs AS one"
    " WHERE one.status = state.value AND one.id >= ?2 AND one.id < ?3 ORDER BY one.id DESC LIMIT ?4)"
    " ORDER BY runs.id DESC LIMIT ?4"
)
_RUNS = "SELECT * FROM runs WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?"
_CLOSED_IN = "FROM tasks WHERE closed_at >= ? AND (closed_at, id) < (?, ?) ORDER BY closed_at DESC, id DESC"
_NOTES_IN = "FROM notes WHERE at >= ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC"


IsMeant: TypeAlias = Callable[[str], bool]
"""Tells whether a text holds all words, whatever their case."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a look goes on: at what came before a row, by its moment and its number."""

    at: datetime
    id: int


@dataclass(frozen=True, kw_only=True)
class TaskHit:
    """A task with what is looked through of it. `note` is that of its evidence."""

    id: int
    title: str
    key: str
    note: str
    status: TaskStatus
    routine: str | None
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str


@dataclass(frozen=True, kw_only=True)
class NoteHit:
    """A shift note."""

    id: int
    at: datetime
    author: str
    text: str


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Which tasks are meant: each word stands in the title, key or note; '' and () leave a thing open."""

    words: Sequence[str] = ()
    is_meant: IsMeant
    routine: str = ""
    statuses: Sequence[TaskStatus] = ()


class Search:
    """Looks into runs, tasks and notes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def runs(
        self,
        *,
        routines: Sequence[str] | None,
        statuses: Sequence[RunStatus],
        numbers: tuple[int, int],
        limit: int,
    ) -> list[Run]:
        """Return the newest runs with a number from the first of `numbers` up to below the second.

        None as `routines`, and no `statuses`, mean any.
        """
        values: tuple[str | int, ...] = (*numbers, limit)
        if routines is not None:
            sql, values = _RUNS_OF, (dumps(list(routines)), dumps(list(statuses or RunStatus)), *values)
        elif statuses:
            sql, values = _RUNS_THAT_ARE, (dumps(list(statuses)), *values)
        else:
            sql = _RUNS
        return [run_of(row) for row in self._ledger.all(sql, values)]

    def open_tasks(self, wanted: TaskFilter, *, limit: int) -> list[TaskHit]:
        """Return open tasks, the newest first."""
        where, values = _condition(wanted)
        sql = (
            f"SELECT tasks.id, {_TASK_TEXT} AS text FROM tasks WHERE tasks.status = 'open' AND {where}"  # noqa: S608 (fixed words)
            " ORDER BY +tasks.id DESC"
        )
        return self._hits(self._ledger.all(sql, values), wanted, limit)

    def closed_tasks(
        self, wanted: TaskFilter, *, since: datetime, place: Place, rows: int, limit: int
    ) -> list[TaskHit]:
        """Return, of the first `rows` tasks that were closed before a place and not before `since`, those meant."""
        where, values = _condition(wanted)
        sql = (
            f"SELECT tasks.id, {_TASK_TEXT} AS text FROM (SELECT id {_CLOSED_IN} LIMIT ?) AS look"  # noqa: S608 (fixed words)
            f" CROSS JOIN tasks ON tasks.id = look.id WHERE {where} ORDER BY tasks.closed_at DESC, tasks.id DESC"
        )
        bounds = (to_text(since), to_text(place.at), place.id, rows)
        return self._hits(self._ledger.all(sql, (*bounds, *values)), wanted, limit)

    def _hits(self, rows: Sequence[sqlite3.Row], wanted: TaskFilter, limit: int) -> list[TaskHit]:
        """Return the first of a first choice that are meant, in its order."""
        meant = islice((row["id"] for row in rows if wanted.is_meant(row["text"])), limit)
        return [_task_hit(row) for row in self._ledger.all(_HITS, (dumps(list(meant)),))]

    def closed_after_rows(self, *, since: datetime, place: Place, rows: int) -> Place | None:
        """Return the last of the first `rows` tasks that were closed before a place; None where there are fewer."""
        sql = f"SELECT closed_at AS at, id {_CLOSED_IN} LIMIT 1 OFFSET ?"
        return _place(self._ledger.one(sql, (to_text(since), to_text(place.at), place.id, rows - 1)))

    def place_of_task(self, task_id: int) -> Place | None:
        """Return where a closed task stands among them."""
        sql = "SELECT closed_at AS at, id FROM tasks WHERE id = ? AND closed_at IS NOT NULL"
        return _place(self._ledger.one(sql, (task_id,)))

    def notes(
        self, words: Sequence[str], is_meant: IsMeant, *, since: datetime, place: Place, rows: int
    ) -> list[NoteHit]:
        """Return, of the first `rows` notes before a place and not before `since`, those with all words."""
        likes, patterns = _likes("notes.text", words)
        sql = (
            f"SELECT notes.* FROM (SELECT id {_NOTES_IN} LIMIT ?) AS look CROSS JOIN notes ON notes.id = look.id"  # noqa: S608 (fixed words)
            f" WHERE {' AND '.join(likes) or 'true'} ORDER BY notes.at DESC, notes.id DESC"
        )
        found = self._ledger.all(sql, (to_text(since), to_text(place.at), place.id, rows, *patterns))
        return [
            NoteHit(id=row["id"], at=to_moment(row["at"]), author=row["author"], text=row["text"])
            for row in found
            if is_meant(row["text"])
        ]

    def notes_after_rows(self, *, since: datetime, place: Place, rows: int) -> Place | None:
        """Return the last of the first `rows` notes before a place; None where there are fewer."""
        sql = f"SELECT at, id {_NOTES_IN} LIMIT 1 OFFSET ?"
        return _place(self._ledger.one(sql, (to_text(since), to_text(place.at), place.id, rows - 1)))

    def place_of_note(self, note_id: int) -> Place | None:
        """Return where a note stands among them."""
        return _place(self._ledger.one("SELECT at, id FROM notes WHERE id = ?", (note_id,)))


def like_pattern(word: str) -> str:
    r"""Return a LIKE pattern (with ESCAPE '\') for all texts that hold a word, whatever the case of its letters.

    What has a case beyond ASCII stands for anything, since LIKE would tell `Å` from `å`: it finds more, never less.
    """
    pattern = ""
    for sign in unicodedata.normalize("NFC", word):
        if sign.isascii() and sign.isprintable():
            pattern += f"\\{sign}" if sign in "%_\\" else sign
        elif not pattern.endswith("%") or pattern.endswith("\\%"):
            pattern += "%"
    return f"%{pattern}%"


def _condition(wanted: TaskFilter) -> tuple[str, list[str]]:
    likes, values = _likes(_TASK_TEXT, wanted.words)
    if wanted.statuses:
        likes.append("tasks.status IN (SELECT value FROM json_each(?))")
        values.append(dumps(list(wanted.statuses)))
    if wanted.routine:
        likes.append("+tasks.routine = ?")
        values.append(wanted.routine)
    return " AND ".join(likes) or "true", values


def _likes(text: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    return [f"{text} LIKE ? ESCAPE '\\'" for _ in words], [like_pattern(word) for word in words]


def _place(row: sqlite3.Row | None) -> Place | None:
    return None if row is None else Place(at=to_moment(row["at"]), id=row["id"])


def _task_hit(row: sqlite3.Row) -> TaskHit:
    return TaskHit(
        id=row["id"],
        title=row["title"],
        key=row["key"],
        note=row["note"],
        status=TaskStatus(row["status"]),
        routine=row["routine"],
        opened_at=to_moment(row["opened_at"]),
        closed_at=optional_moment(row["closed_at"]),
        closed_by=row["closed_by"],
    )
