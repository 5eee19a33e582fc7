"""A house that makes copies: a routine run by hand an hour later, what its step said, and the copies that lie there."""

from __future__ import annotations

from typing import Any

from opsrunner.model.backup import Copy

House = Any


def run(own: House, routine: str = "nightly") -> Any:
    """Let an hour pass, run a routine, and return its run."""
    own.clock.move(hours=1)
    own.app.routine_acts.ask_for_run(routine, actor="boss", at=own.clock.now())
    own.work()
    return own.runs(routine)[-1]


def message(own: House, step: str = "copy", *, routine: str = "nightly") -> str:
    """Return what a step of the last run said."""
    records = own.app.books.steps.of_run(own.runs(routine)[-1].id)
    return str(next(record.outcome.message for record in records if record.id == step))


def copies(own: House) -> list[Copy]:
    """Return what the catalogue knows, the newest first."""
    found: list[Copy] = own.app.books.copies.lying()
    return found
