"""The strip of the last days: the worst of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_runs import COALESCED, LEFT_OUT, OVERLAP
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.model.digest import DayMark
from opsrunner.model.run import RunStatus

DAYS = 14
_BAD = (RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.MISSED)


def last_days(desk: Desk, *, until: datetime) -> tuple[DayMark, ...]:
    """Return a mark for each of the last days on the site's clock, that of `until` last.

    Days before the first run are left out, and a single day makes no strip.
    """
    zone = ZoneInfo(desk.site().timezone)
    today = until.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    bounds = [*(datetime.combine(day, datetime.min.time(), zone) for day in days), until + timedelta(microseconds=1)]
    ends = desk.books.ends.between(bounds)
    first = next((number for number, of_day in enumerate(ends) if of_day), DAYS)
    marks = [_mark(day, of_day) for day, of_day in zip(days, ends, strict=True)][first:]
    return tuple(marks) if len(marks) > 1 else ()


def _mark(day: date, ends: Mapping[tuple[RunStatus, str], int]) -> DayMark:
    ran = {key: count for key, count in ends.items() if key[0] not in LEFT_OUT and key[1] != COALESCED}
    total = sum(ran.values())
    bad = sum(count for (status, _), count in ran.items() if status in _BAD)
    warned = sum(count for (status, _), count in ran.items() if status is RunStatus.WARNING)
    if bad:
        return DayMark(day=day, tone="failed", text=f"{count_words(bad)} of {plural(total, 'run')} failed or missed")
    in_the_way = ends.get((RunStatus.SKIPPED, OVERLAP), 0)
    if in_the_way and not warned:
        return DayMark(
            day=day, tone="look", text=f"{count_words(in_the_way)} of {plural(total + in_the_way, 'run')} skipped"
        )
    if warned:
        return DayMark(day=day, tone="look", text=f"{count_words(warned)} of {plural(total, 'run')} to look at")
    return DayMark(day=day, tone="fine" if total else "nothing", text=plural(total, "run") if total else "nothing ran")
