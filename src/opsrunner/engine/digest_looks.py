"""When what feeds a figure was last looked at: no figure is fine by a look that is long ago, or was never made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import plural
from opsrunner.engine.standing_copies import SLACK, is_in_time
from opsrunner.model.digest import Figure, Tone
from opsrunner.model.routine import Routine
from opsrunner.model.spans import span_words
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import next_to_run

LOOK_WITHIN = timedelta(days=1) + SLACK
"""A look that is older is said to be; a daily one takes its time, and is not always at the same minute."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """When a routine last saw what a figure tells of, None where it never did."""

    routine: Routine
    at: datetime | None
    since: datetime
    """When the routine was first seen: before it was due, it may well not have looked."""


def look_of(desk: Desk, routine: Routine, *, at: datetime | None, until: datetime) -> Look:
    """Return the look of a routine of the site."""
    known = desk.books.routines.all().get(routine.id)
    return Look(routine=routine, at=at, since=until if known is None else known.first_seen_at)


def as_last_seen(figure: Figure, looks: Sequence[Look], *, until: datetime, almanac: Almanac) -> Figure:
    """Return a figure with what its looks lack: one that was due and never made, else the oldest that is too long ago.

    One that was never due is named too, and wants no look. What is run by hand, or has a schedule that is over, is left
    out beside what has one: nothing says when it is to look again.
    """
    expected = [look for look in looks if _is_expected(look, almanac=almanac)] or list(looks)
    never = [look for look in expected if look.at is None]
    is_overdue = any(_was_due(look, until=until, almanac=almanac) for look in never)
    if not is_overdue and (old := _too_old(expected, until=until, almanac=almanac)):
        return replace(figure, text=f"{figure.text}, {old}", tone="look")
    if not never:
        return figure
    words = "not looked at yet" if is_never_seen(looks) else _never_words(never)
    tone: Tone = "look" if is_overdue else "nothing" if figure.tone == "fine" else figure.tone
    return replace(figure, text=f"{figure.text}, {words}", tone=tone)


def is_never_seen(looks: Sequence[Look]) -> bool:
    """Tell whether nobody has looked yet."""
    return all(look.at is None for look in looks)


def _is_expected(look: Look, *, almanac: Almanac) -> bool:
    return next_to_run(look.routine.schedule, after=look.at or look.since, almanac=almanac) is not None


def _was_due(look: Look, *, until: datetime, almanac: Almanac) -> bool:
    is_expected = _is_expected(look, almanac=almanac)
    return is_expected and not is_in_time(look.routine, look.since, now=until, almanac=almanac)


def _never_words(never: Sequence[Look]) -> str:
    names = {look.routine.id: look.routine.name for look in never}
    if len(names) > 1:
        return f"{plural(len(names), 'routine')} have not looked yet"
    return f"{next(iter(names.values()))} has not looked yet"


def _too_old(looks: Sequence[Look], *, until: datetime, almanac: Almanac) -> str:
    """Return `looked at 3 days ago by Partner desk`: what asks less often than daily is too old by its schedule.

    Where all are older than a day the newest is, whatever its schedule says.
    """
    made = [(look.at, look.routine) for look in looks if look.at is not None]
    old = [(at, routine) for at, routine in made if until - at > LOOK_WITHIN]
    due = [(at, routine) for at, routine in old if not is_in_time(routine, at, now=until, almanac=almanac)]
    if not due and len(old) < len(made):
        return ""
    at, routine = min(due, key=_moment) if due else max(old, key=_moment, default=(until, None))
    if routine is None:
        return ""
    by = f" by {routine.name}" if len({look.routine.id for look in looks}) > 1 else ""
    return f"looked at {span_words(until - at)} ago{by}"


def _moment(look: tuple[datetime, Routine]) -> datetime:
    return look[0]
