"""Rows as occasions, in words: when a routine runs for them, and how the looks for them stand. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.digest_words import plural
from opsrunner.engine.moment_words import when_words
from opsrunner.model.routine import Routine
from opsrunner.model.rows import LookStanding
from opsrunner.schedules.words import duration_in_words, in_words


def occasions_in_words(routine: Routine) -> str:
    """Say when a routine is due: by its schedule, for rows, or both. Raises ConfigurationError for a wrong cron."""
    rows = routine.on_rows
    if rows is None:
        return in_words(routine.schedule)
    every = duration_in_words(rows.every_seconds).removeprefix("1 ")
    said = f"for each new row of {rows.source} (by its {rows.key}), looked for every {every}"
    return f"{in_words(routine.schedule)}; {said}" if routine.schedule.rules else said


def look_words(standing: LookStanding | None, *, now: datetime, zone: ZoneInfo) -> str:
    """Return `Baseline of 240 rows today 07:00; last looked at 07:05, 243 rows.`, and what is wrong."""
    if standing is None:
        return "Nobody has looked yet: the first look is a baseline, and nothing runs for what it finds."
    failed = ""
    if standing.error:
        since = f" since {when_words(standing.failing_since, now=now, zone=zone)}" if standing.failing_since else ""
        failed = f" Not as it should be{since}: {standing.error}."
    if standing.baseline_at is None or standing.looked_at is None:
        return f"There is no baseline yet.{failed}"
    began = when_words(standing.baseline_at, now=now, zone=zone)
    last = when_words(standing.looked_at, now=now, zone=zone)
    base = plural(standing.baseline_rows, "row")
    return f"Baseline of {base} {began}; last looked {last}, {plural(standing.rows, 'row')}.{failed}"
