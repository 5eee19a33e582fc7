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
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.cli.screen import CellLike
    from opsrunner.engine.calendar_lines import Line
    from opsrunner.engine.forecast import Forecast

EXAMPLE = """
opsrunner calendar
opsrunner calendar --from 2026-12-20 --until 2027-01-05 --json
"""
LONGEST_DAYS = 400
ONE_MICROSECOND = timedelta(microseconds=1)


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
    from opsrunner.engine.calendar_downtimes import downtime_forecasts
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
        windows = downtime_forecasts(app.desk, from_=start - ONE_MICROSECOND, until=end - ONE_MICROSECOND, now=now)
        found = sorted([*found, *windows], key=lambda item: (item.planned_at, item.routine, item.nominal_at))
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
        "row_key": item.row_key,
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
    from opsrunner.engine.calendar_lines import lines_of_day

    return [_row(line, zone=zone) for line in lines_of_day(items)]


def _row(line: Line, *, zone: ZoneInfo) -> Sequence[CellLike]:
    from opsrunner.cli.screen import Cell
    from opsrunner.cli.statuses import status_cell
    from opsrunner.engine.status_words import reason_words

    item = line.first
    status = Cell(text="") if item.status == "due" else status_cell(item.status)
    times = f"{line.times} times that day" if line.times > 1 else ""
    row = f"for {item.row_key}" if item.row_key is not None and line.times == 1 else ""
    facts = (times, row, reason_words(item.reason), item.shift, line.people)
    clock = f"{item.planned_at.astimezone(zone):%H:%M}"
    return (clock, item.name, status, Cell(text=" · ".join(fact for fact in facts if fact), dim=True))
