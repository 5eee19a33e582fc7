"""What became of maintenance windows and incidents: each of their times once, and what was said while they lasted."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opsrunner.errors import NotFound
from opsrunner.ledger.codec import clean, dumps, loads, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.downtime import INCIDENT, Downtime, NewDowntime, Past, Post
from opsrunner.model.outcome import Row
from opsrunner.model.window import WindowChange

_INSERT = """
INSERT INTO downtimes(window, nominal_at, title, about, hosts, begins_at, ends_at, made_by, made_at, announced_at)
  VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE downtimes SET begins_at = ?, ends_at = ?, moved_at = ?, before = ?, sequence = sequence + 1,
  said = ?, begun_at = NULL WHERE id = ? AND ended_at IS NULL AND cancelled_at IS NULL
"""
_CANCEL = """
UPDATE downtimes SET cancelled_at = ?, said = ?, sequence = sequence + 1
  WHERE id = ? AND ended_at IS NULL AND cancelled_at IS NULL
"""
_CHANGES = """
SELECT * FROM downtimes WHERE window <> '' AND (closed_at IS NULL OR closed_at > ?)
  AND coalesce(moved_at, cancelled_at, begun_at, started_at, ended_at, announced_at) IS NOT NULL
"""
TASKS = ("approval", "status_task", "overrun_task", "stray_task", "source_task")


class Downtimes:
    """The table of downtimes, and that of their posts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def see(self, new: NewDowntime, *, at: datetime) -> Downtime:
        """Write down one time of a window, or find it: the one of the same window and nominal moment."""
        values = (
            new.window,
            to_text(new.nominal_at),
            clean(new.title),
            clean(new.about),
            dumps(list(new.hosts)),
            to_text(new.begins_at),
            optional_text(new.ends_at),
            new.by,
            to_text(at),
            to_text(at) if new.window == INCIDENT else None,
        )
        with self._ledger.transaction():
            made = self._ledger.insert(_INSERT, values)
            if made is not None:
                self._changed()
                return self.get(made)
            found = self.of_window(new.window, new.nominal_at)
            assert found is not None  # noqa: S101  what it conflicts with
            return found

    def get(self, downtime_id: int) -> Downtime:
        """Return one. Raises NotFound."""
        row = self._ledger.one("SELECT * FROM downtimes WHERE id = ?", (downtime_id,))
        if row is None:
            raise NotFound(f"there is no incident {downtime_id}")
        return _downtime(row)

    def of_window(self, window: str, nominal_at: datetime) -> Downtime | None:
        """Return one time of a window, if it was written down."""
        sql = "SELECT * FROM downtimes WHERE window = ? AND nominal_at = ? AND window <> ''"
        row = self._ledger.one(sql, (window, to_text(nominal_at)))
        return None if row is None else _downtime(row)

    def open_like(self, new: NewDowntime) -> Downtime | None:
        """Return the incident of the same title and hosts that has not ended, if there is one."""
        wanted = (INCIDENT, clean(new.title), set(new.hosts))
        same = [one for one in self.unclosed() if (one.window, one.title, set(one.hosts)) == wanted]
        return next((one for one in same if not one.is_over), None)

    def unclosed(self) -> list[Downtime]:
        """Return those about which something may still be to do, the first to begin first."""
        rows = self._ledger.all("SELECT * FROM downtimes WHERE closed_at IS NULL ORDER BY +begins_at, +id")
        return [_downtime(row) for row in rows]

    def closed(self, *, since: datetime) -> list[Downtime]:
        """Return those that were closed since a moment, the newest first."""
        sql = "SELECT * FROM downtimes WHERE closed_at > ? ORDER BY closed_at DESC, id DESC"
        return [_downtime(row) for row in self._ledger.all(sql, (to_text(since),))]

    def changes(self, *, since: datetime) -> dict[str, dict[datetime, WindowChange]]:
        """Return by window, and by nominal moment, what is known of times that were not closed before `since`."""
        found: dict[str, dict[datetime, WindowChange]] = defaultdict(dict)
        for row in self._ledger.all(_CHANGES, (to_text(since),)):
            one = _downtime(row)
            found[one.window][one.nominal_at] = WindowChange(
                nominal_at=one.nominal_at,
                begins_at=one.begins_at,
                ends_at=one.ends_at or one.begins_at,
                moved_at=one.moved_at,
                cancelled_at=one.cancelled_at,
                ended_at=one.ended_at,
                before=one.before,
            )
        return dict(found)

    def version(self) -> str:
        """Return a word that is another one whenever a time of a window has changed."""
        row = self._ledger.one("SELECT value FROM meta WHERE name = 'downtimes'")
        return "" if row is None else str(row["value"])

    def update_plan(self, new: NewDowntime, *, downtime_id: int) -> None:
        """Give one that nobody has heard of the words and times of the site's file."""
        sql = (
            "UPDATE downtimes SET title = ?, about = ?, hosts = ?, begins_at = ?, ends_at = ?"
            " WHERE id = ? AND announced_at IS NULL AND moved_at IS NULL"
        )
        words = (clean(new.title), clean(new.about), dumps(list(new.hosts)))
        self._ledger.change(sql, (*words, to_text(new.begins_at), optional_text(new.ends_at), downtime_id))

    def move(
        self,
        one: Downtime,
        *,
        begins_at: datetime,
        ends_at: datetime | None,
        before: Past | Sequence[Sequence[datetime]],
        said: str,
        at: datetime,
    ) -> bool:
        """Give one another time; False where it is over."""
        past = dumps([[to_text(first), to_text(last)] for first, last in before])
        values = (to_text(begins_at), optional_text(ends_at), to_text(at), past, clean(said), one.id)
        return self._act(_MOVE, values)

    def cancel(self, downtime_id: int, *, said: str, at: datetime) -> bool:
        """Call one off; False where it is over."""
        return self._act(_CANCEL, (to_text(at), clean(said), downtime_id))

    def start(self, downtime_id: int, *, at: datetime) -> bool:
        """Write that one has begun; False where that is known, or it is over."""
        sql = (
            "UPDATE downtimes SET started_at = ? WHERE id = ? AND started_at IS NULL AND ended_at IS NULL"
            " AND cancelled_at IS NULL"
        )
        return self._act(sql, (to_text(at), downtime_id))

    def begin(self, downtime_id: int, *, at: datetime) -> bool:
        """Write that the clock says that one has begun; False where that is known, or it is over."""
        sql = "UPDATE downtimes SET begun_at = ? WHERE id = ? AND begun_at IS NULL AND cancelled_at IS NULL"
        return self._act(sql, (to_text(at), downtime_id))

    def end(self, downtime_id: int, *, at: datetime) -> bool:
        """Write that one is over; False where it is already."""
        sql = "UPDATE downtimes SET ended_at = ? WHERE id = ? AND ended_at IS NULL AND cancelled_at IS NULL"
        return self._act(sql, (to_text(at), downtime_id))

    def announced(self, downtime_id: int, *, at: datetime) -> None:
        """Write that somebody has heard of it."""
        sql = "UPDATE downtimes SET announced_at = ? WHERE id = ? AND announced_at IS NULL"
        self._act(sql, (to_text(at), downtime_id))

    def close(self, downtime_id: int, *, at: datetime) -> None:
        """Write that nothing more is to be done about it."""
        sql = "UPDATE downtimes SET closed_at = ? WHERE id = ? AND closed_at IS NULL"
        self._act(sql, (to_text(at), downtime_id))

    def drop(self, downtime_id: int) -> bool:
        """Forget one that nobody has heard of and nobody has touched."""
        sql = (
            "DELETE FROM downtimes WHERE id = ? AND announced_at IS NULL AND moved_at IS NULL AND begun_at IS NULL"
            " AND started_at IS NULL AND ended_at IS NULL AND cancelled_at IS NULL"
        )
        return self._act(sql, (downtime_id,))

    def ask(self, new: NewDowntime, *, downtime_id: int, task: int, fingerprint: str, people: Sequence[Row]) -> None:
        """Keep which task asks for the approval of which words, and who would be told.

        What was approved before is void.
        """
        self._ledger.change(
            "UPDATE downtimes SET title = ?, about = ?, hosts = ?, approval = ?, fingerprint = ?, people = ?,"
            " approved_at = NULL, approved_by = '', struck = '[]' WHERE id = ?",
            (
                clean(new.title),
                clean(new.about),
                dumps(list(new.hosts)),
                task,
                fingerprint,
                dumps(list(people)),
                downtime_id,
            ),
        )

    def approve(self, downtime_id: int, *, by: str, struck: Sequence[str], at: datetime) -> None:
        """Keep that its list was approved, and whom the approval left out."""
        sql = "UPDATE downtimes SET approved_at = ?, approved_by = ?, struck = ? WHERE id = ?"
        self._ledger.change(sql, (to_text(at), by, dumps(list(struck)), downtime_id))

    def keep_people(self, downtime_id: int, people: Sequence[Row]) -> None:
        """Keep who is affected, as just read."""
        self._ledger.change("UPDATE downtimes SET people = ? WHERE id = ?", (dumps(list(people)), downtime_id))

    def note_task(self, downtime_id: int, *, purpose: str, task: int | None) -> None:
        """Keep the task that stands for something about it; `purpose` is one of TASKS."""
        if purpose not in TASKS:
            raise ValueError(f"no task of a downtime is called {purpose}")
        sql = f"UPDATE downtimes SET {purpose} = ? WHERE id = ?"  # noqa: S608 (one of TASKS)
        self._ledger.change(sql, (task, downtime_id))

    def post(self, downtime_id: int, text: str, *, by: str, at: datetime) -> int:
        """Keep a status line and return its number."""
        sql = 'INSERT INTO downtime_posts(downtime, at, "by", text) VALUES (?,?,?,?)'
        return int(self._ledger.insert(sql, (downtime_id, to_text(at), by, clean(text))) or 0)

    def posts(self, downtime_ids: Sequence[int]) -> Mapping[int, list[Post]]:
        """Return the status lines of some downtimes, oldest first."""
        found: dict[int, list[Post]] = defaultdict(list)
        sql = "SELECT * FROM downtime_posts WHERE downtime IN (SELECT value FROM json_each(?)) ORDER BY downtime, id"
        for row in self._ledger.all(sql, (dumps(list(downtime_ids)),)):
            at = to_moment(row["at"])
            found[row["downtime"]].append(
                Post(id=row["id"], downtime=row["downtime"], at=at, by=row["by"], text=row["text"])
            )
        return found

    def _act(self, sql: str, values: Sequence[Any]) -> bool:
        with self._ledger.transaction():
            changed = self._ledger.change(sql, values) == 1
            if changed:
                self._changed()
        return changed

    def _changed(self) -> None:
        self._ledger.change(
            "INSERT INTO meta(name, value) VALUES ('downtimes', '1')"
            " ON CONFLICT(name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
        )


def _downtime(row: sqlite3.Row) -> Downtime:
    acts = ("moved_at", "cancelled_at", "begun_at", "started_at", "ended_at", "announced_at", "closed_at")
    plain = ("id", "window", "title", "about", "sequence", "fingerprint", "approved_by", "said", *TASKS)
    moments: dict[str, Any] = {name: optional_moment(row[name]) for name in (*acts, "approved_at", "ends_at")}
    return Downtime(
        **{name: row[name] for name in plain},
        **moments,
        nominal_at=to_moment(row["nominal_at"]),
        begins_at=to_moment(row["begins_at"]),
        made_at=to_moment(row["made_at"]),
        by=row["made_by"],
        hosts=tuple(loads(row["hosts"])),
        struck=tuple(loads(row["struck"])),
        people=tuple(loads(row["people"])),
        before=tuple((to_moment(first), to_moment(last)) for first, last in loads(row["before"])),
    )
