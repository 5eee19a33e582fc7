"""The calendar: a month or a week with what was, what comes, who holds what and what is held back."""

from __future__ import annotations

from datetime import date
from typing import Literal
from urllib.parse import urlencode

from starlette.responses import Response

from opsrunner.engine.calendar import CalendarMaker
from opsrunner.engine.calendar_span import FIRST_DAY, LAST_DAY, View, span_of
from opsrunner.engine.calendar_view import LONGEST_FOLD
from opsrunner.errors import NotFound, UsageError
from opsrunner.schedules.day_names import WEEKDAY_NAMES, day_words
from opsrunner.web.visit import Fields, Visit, local_day


class _Shown(Fields):
    view: Literal["month", "week"] = "month"
    day: str = ""
    routine: str = ""


async def show(visit: Visit) -> Response:
    """Show the month or week of a day, of all routines or of one; nothing can be changed here."""
    asked = visit.query(_Shown)
    today = visit.now.astimezone(visit.zone).date()
    span = span_of(asked.view, _day(asked.day) if asked.day else today)
    names = visit.names.all()
    if asked.routine and asked.routine not in names:
        raise NotFound(f"there is no routine '{asked.routine[:100]}'")
    only = asked.routine or None
    maker = CalendarMaker(visit.app.desk, visit.app.people, now=visit.now, routine=only)
    found = await visit.look_up(lambda: maker.of(span))

    def link(view: View, day: date) -> str:
        return _address(view, day, asked.routine)

    return visit.page(
        f"calendar_{asked.view}.html",
        title=f"Calendar, {span.title}",
        view=found,
        span=span,
        today=today,
        routine=only,
        routine_name=names.get(asked.routine, ""),
        link=link,
        everything=_address(asked.view, span.first, ""),
        chosen=max(FIRST_DAY, min(today if span.first <= today <= span.last else span.first, LAST_DAY)),
        bounds=(FIRST_DAY, LAST_DAY),
        keep_days=visit.app.site.limits.keep_runs_seconds // 86400,
        longest=LONGEST_FOLD,
        weekdays=WEEKDAY_NAMES,
        day_words=day_words,
    )


def _address(view: View, day: date, routine: str) -> str:
    """Return the address that shows a day; a bound of the calendar for what lies beyond it."""
    shown = max(FIRST_DAY, min(day, LAST_DAY))
    return f"/calendar?{urlencode({'view': view, 'day': shown, **({'routine': routine} if routine else {})})}"


def _day(text: str) -> date:
    """Return a date of the address. Raises UsageError."""
    day = local_day(text)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise UsageError(f"the calendar shows the years {FIRST_DAY.year} to {LAST_DAY.year}, and not {day.year}")
    return day
