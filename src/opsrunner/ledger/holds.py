"""Pauses and skips: what people asked to leave out, until when, and why."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Literal

from opsrunner.ledger.codec import optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A pause (`until`, resumes by itself) or a skip of one nominal time."""

    id: int
    routine: str
    kind: Literal["pause", "skip"]
    nominal_at: datetime | None
    until: datetime | None
    reason: str
    actor: str
    created_at: datetime
    ended_at: datetime | None = None


class Holds:
    """The table of holds."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def pause(self, routine: str, *, until: datetime, reason: str, actor: str, at: datetime) -> None:
        """Leave out what is due from `at` on and before `until`; a pause that stands is replaced."""
        with self._ledger.transaction():
            self.resume(routine, actor=actor, at=at)
            self._add(routine, "pause", nominal_at=None, until=until, reason=reason, actor=actor, at=at)

    def skip(self, routine: str, *, nominal_at: datetime, reason: str, actor: str, at: datetime) -> None:
        """Leave out one occurrence."""
        self._add(routine, "skip", nominal_at=nominal_at, until=None, reason=reason, actor=actor, at=at)

    def resume(self, routine: str, *, actor: str, at: datetime) -> bool:
        """End a pause now; False where none is in force."""
        return (
            self._ledger.change(
                "UPDATE holds SET ended_at = ?, ended_by = ? WHERE routine = ? AND kind = 'pause' AND ended_at IS NULL"
                ' AND "until" > ?',
                (to_text(at), actor, routine, to_text(at)),
            )
            > 0
        )

    def since(self, moment: datetime) -> list[Hold]:
        """Return the holds that concern moments after `moment`: still live, or ended since."""
        sql = "SELECT * FROM holds WHERE ended_at IS NULL OR ended_at > ? ORDER BY id"
        return [_hold(row) for row in self._ledger.all(sql, (to_text(moment),))]

    def live(self, now: datetime) -> list[Hold]:
        """Return the pauses in force and the skips to come."""
        return [
            hold
            for hold in self.since(now)
            if hold.ended_at is None
            and (
                (hold.until is not None and hold.until > now) or (hold.nominal_at is not None and hold.nominal_at > now)
            )
        ]

    def _add(
        self,
        routine: str,
        kind: str,
        *,
        nominal_at: datetime | None,
        until: datetime | None,
        reason: str,
        actor: str,
        at: datetime,
    ) -> None:
        self._ledger.change(
            "INSERT INTO holds(routine, kind, nominal_at, until, reason, actor, created_at) VALUES (?,?,?,?,?,?,?)",
            (routine, kind, optional_text(nominal_at), optional_text(until), reason, actor, to_text(at)),
        )


def _hold(row: sqlite3.Row) -> Hold:
    return Hold(
        id=row["id"],
        routine=row["routine"],
        kind=row["kind"],
        nominal_at=optional_moment(row["nominal_at"]),
        until=optional_moment(row["until"]),
        reason=row["reason"],
        actor=row["actor"],
        created_at=to_moment(row["created_at"]),
        ended_at=optional_moment(row["ended_at"]),
    )
