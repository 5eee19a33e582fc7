"""Rows as occasions, in a digest: baselines that were taken, and rows that nobody could look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import plural
from opsrunner.model.routine import Routine
from opsrunner.model.rows import LookStanding
from opsrunner.schedules.day_names import moment_words


def baseline_lines(desk: Desk, *, from_: datetime, until: datetime) -> list[str]:
    """Return a sentence for each baseline of (from_, until]: nothing ever runs for the rows that it holds."""
    zone = ZoneInfo(desk.site().timezone)
    return [
        f"{routine.name} took {plural(standing.baseline_rows, 'row')} of {_source(routine)} for known "
        f"{moment_words(standing.baseline_at, zone=zone)}: it runs for those that come after it."
        for routine, standing in _looking(desk)
        if standing.baseline_at is not None and from_ < standing.baseline_at <= until
    ]


def unlooked_lines(desk: Desk) -> list[str]:
    """Return a sentence for each routine whose rows cannot be looked at; its follow-up says why."""
    zone = ZoneInfo(desk.site().timezone)
    return [
        f"{routine.name} cannot look for new rows of {_source(routine)} since "
        f"{moment_words(standing.failing_since, zone=zone)}."
        for routine, standing in _looking(desk)
        if standing.is_blind and standing.failing_since is not None
    ]


def _looking(desk: Desk) -> Iterator[tuple[Routine, LookStanding]]:
    routines = desk.site().for_rows
    standings = desk.books.known_rows.standings() if routines else {}
    return ((routine, standings[routine.id]) for routine in routines if routine.id in standings)


def _source(routine: Routine) -> str:
    return routine.on_rows.source if routine.on_rows is not None else ""
