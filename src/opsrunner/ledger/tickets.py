"""What is remembered of customers' tickets from look to look, and how each step last found them."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from opsrunner.ledger.codec import clean, dumps, loads, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.ticket import KnownTickets, TicketLook, TicketState
from opsrunner.records import dataclass

_PUT = (
    "INSERT OR REPLACE INTO ticket_states(routine, step, ticket, round, began_at, answered_at, asked_at, waiting_since,"
    " waits, ended_at, is_backlog) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
_LOOKED = (
    "INSERT OR REPLACE INTO ticket_looks(routine, step, source, at, ours, theirs, over, oldest, oldest_at)"
    " VALUES (?,?,?,?,?,?,?,?,?)"
)


@dataclass(frozen=True, kw_only=True)
class TicketStand:
    """How a step last found the tickets of a source."""

    routine: str
    step: str
    source: str
    at: datetime
    ours: int
    theirs: int
    over: int
    oldest: str
    oldest_at: datetime | None


class Tickets:
    """The tables of tickets."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def known(self, routine: str, step: str) -> KnownTickets:
        """Return what a step remembers of tickets."""
        rows = self._ledger.all("SELECT * FROM ticket_states WHERE routine = ? AND step = ?", (routine, step))
        sql = "SELECT at FROM ticket_looks WHERE routine = ? AND step = ?"
        last = self._ledger.one(sql, (routine, step))
        return KnownTickets(
            states={row["ticket"]: _state(row) for row in rows},
            looked_at=None if last is None else to_moment(last["at"]),
        )

    def stands(self) -> list[TicketStand]:
        """Return how every step last found the tickets that it looks at."""
        rows = self._ledger.all("SELECT * FROM ticket_looks ORDER BY routine, step")
        return [
            TicketStand(**{**dict(row), "at": to_moment(row["at"]), "oldest_at": optional_moment(row["oldest_at"])})
            for row in rows
        ]

    def write(self, look: TicketLook) -> None:
        """Remember what a look came to."""
        of = (look.routine, look.step)
        with self._ledger.transaction():
            if look.changed:
                self._ledger.insert_many(_PUT, [_values(of, state) for state in look.changed])
            found = (look.ours, look.theirs, look.over, clean(look.oldest), optional_text(look.oldest_at))
            self._ledger.change(_LOOKED, (*of, look.source, to_text(look.at), *found))


def _values(of: tuple[str, str], state: TicketState) -> tuple[Any, ...]:
    return (
        *of,
        clean(state.ticket),
        state.round,
        to_text(state.began_at),
        optional_text(state.answered_at),
        optional_text(state.asked_at),
        optional_text(state.waiting_since),
        dumps(state.waits),
        optional_text(state.ended_at),
        state.is_backlog,
    )


def _state(row: sqlite3.Row) -> TicketState:
    return TicketState(
        ticket=row["ticket"],
        round=row["round"],
        began_at=to_moment(row["began_at"]),
        answered_at=optional_moment(row["answered_at"]),
        asked_at=optional_moment(row["asked_at"]),
        waiting_since=optional_moment(row["waiting_since"]),
        waits=tuple((since, until) for since, until in loads(row["waits"])),
        ended_at=optional_moment(row["ended_at"]),
        is_backlog=bool(row["is_backlog"]),
    )
