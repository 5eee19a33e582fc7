"""`calendar`: all that is due in a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.engine.moment_words import count_words
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.cli.screen import CellLike
    from opsrunner.engine.forecast import Forecast, ForecastTask

EXAMPLE = """
opsrunner calendar
opsrunner calendar --from 2026-12-20 --until 2027-01-05 --json
"""
LONGEST_DAYS = 400
ONE_MICROSECOND = timedelta(microseconds=1)
MANY = 4
"""A routine that is due oftener than this on a day stands on one line."""


@verb(EXAMPLE)
@click.option("--from", "from_", default="today", show_default=True, metavar="D", help="First day.")
@click.option("--until", metavar="D", help="Last day, included; by default six days after the first.")
@json_option
@site_options
@click.pass_obj
def calendar(session: Session, from_: str, until: str | None) -> int:
    """Show every due time from one day to another, its shift and reason, its tasks and who holds them.

    What the ledger knows of the past stands in the place of what was planned.
    """
    from opsrunner.cli.moments import parse_moment
    from opsrunner.engine.forecast import forecast

    with session.opened() as app:
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        start = parse_moment(from_, now=now, zone=zone)
        end = start + timedelta(days=7) if until is None else parse_moment(until, now=now, zone=zone, edge="end")
        if not start < end <= start + timedelta(days=LONGEST_DAYS):
            raise UsageError(f"--until must come after --from, by {LONGEST_DAYS} days at most")
        found = forecast(
            app.site,
            app.almanac,
            from_=start - ONE_MICROSECOND,
            until=end - ONE_MICROSECOND,
            now=now,
            books=app.books,
            people=app.people,
        )
        if session.as_json:
            session.print_json([_view(item) for item in found])
        else:
            _show(session, found, now=now, zone=zone)
    return 0


def _view(item: Forecast) -> dict[str, object]:
    return {
        "routine": item.routine,
        "name": item.name,
        "at": item.planned_at,
        "nominal_at": item.nominal_at,
        "status": item.status,
        "reason": item.reason,
        "shift": item.shift,
        "run": item.run,
        "tasks": item.tasks,
    }


def _show(session: Session, found: Sequence[Forecast], *, now: datetime, zone: ZoneInfo) -> None:
    from opsrunner.cli.screen import Column
    from opsrunner.engine.moment_words import date_words

    if not found:
        session.screen.line("Nothing is due in that time.")
        return
    today = now.astimezone(zone).date()
    days = groupby(found, key=lambda item: item.planned_at.astimezone(zone).date())
    for number, (day, items) in enumerate(days):
        if number:
            session.screen.line()
        session.screen.heading(date_words(day, today), "today" if day == today else "")
        session.screen.table(
            [Column(), Column(), Column(), Column(grows=True)], _day_rows(list(items), zone=zone), indent=2
        )


def _day_rows(items: Sequence[Forecast], *, zone: ZoneInfo) -> list[Sequence[CellLike]]:
    counts: dict[str, list[Forecast]] = {}
    for item in items:
        counts.setdefault(item.routine, []).append(item)
    rows: list[Sequence[CellLike]] = []
    for item in items:
        same = counts[item.routine]
        if len(same) <= MANY:
            rows.append(_row(item, f"{item.planned_at.astimezone(zone):%H:%M}"))
        elif item is same[0]:
            rows.append(_row(item, f"{item.planned_at.astimezone(zone):%H:%M}", f"{len(same)} times that day"))
    return rows


def _row(item: Forecast, clock: str, times: str = "") -> Sequence[CellLike]:
    from opsrunner.cli.screen import Cell
    from opsrunner.cli.statuses import status_cell
    from opsrunner.engine.status_words import reason_words

    status = Cell(text="") if item.status == "due" else status_cell(item.status)
    facts = (times, reason_words(item.reason), item.shift, _people(item))
    return (clock, item.name, status, Cell(text=" · ".join(fact for fact in facts if fact), dim=True))


def _people(item: Forecast) -> str:
    """Say how many tasks will open and for whom; what opens for each row of a step cannot be counted yet."""
    for_rows = [task for task in item.tasks if "{{" in task.title or "{%" in task.title]
    fixed = [task for task in item.tasks if task not in for_rows]
    parts = (
        f"{count_words(len(fixed), 'task')} for {_names(fixed)}" if fixed else "",
        f"a task a row for {_names(for_rows)}" if for_rows else "",
    )
    return ", ".join(part for part in parts if part)


def _names(tasks: Sequence[ForecastTask]) -> str:
    return ", ".join(dict.fromkeys(task.assignee for task in tasks))
