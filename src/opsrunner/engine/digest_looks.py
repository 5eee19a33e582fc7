"""When what feeds a figure was last looked at: no figure is fine by a look that is long ago, or was never made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opsrunner.engine.digest_words import plural
from opsrunner.engine.standing_copies import SLACK, is_in_time
from opsrunner.model.digest import Figure
from opsrunner.model.routine import Routine
from opsrunner.model.spans import span_words
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac

LOOK_WITHIN = timedelta(days=1) + SLACK
"""A look that is older is said to be; a daily one takes its time, and is not always at the same minute."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """When a routine last saw what a figure tells of, None where it never did."""

    routine: Routine
    at: datetime | None


def as_last_seen(figure: Figure, looks: Sequence[Look], *, until: datetime, almanac: Almanac) -> Figure:
    """Return a figure with what its looks lack: one that was never made, else the oldest that is too long ago."""
    lacks = _never(looks) or _too_old(looks, until=until, almanac=almanac)
    return replace(figure, text=f"{figure.text}, {lacks}", tone="look") if lacks else figure


def is_never_seen(looks: Sequence[Look]) -> bool:
    """Tell whether nobody has looked yet."""
    return all(look.at is None for look in looks)


def _never(looks: Sequence[Look]) -> str:
    never = {look.routine.id: look.routine.name for look in looks if look.at is None}
    if not never:
        return ""
    if is_never_seen(looks):
        return "not looked at yet"
    if len(never) > 1:
        return f"{plural(len(never), 'routine')} have not looked yet"
    return f"{next(iter(never.values()))} has not looked yet"


def _too_old(looks: Sequence[Look], *, until: datetime, almanac: Almanac) -> str:
    """Return `looked at 3 days ago by Partner desk`: what asks less often than daily is too old by its schedule.

    Where all are older than a day the newest is, whatever its schedule says.
    """
    old = [(look.at, look.routine) for look in looks if look.at is not None and until - look.at > LOOK_WITHIN]
    due = [(at, routine) for at, routine in old if not is_in_time(routine, at, now=until, almanac=almanac)]
    if not due and len(old) < len(looks):
        return ""
    at, routine = min(due, key=_moment) if due else max(old, key=_moment, default=(until, None))
    if routine is None:
        return ""
    by = f" by {routine.name}" if len({look.routine.id for look in looks}) > 1 else ""
    return f"looked at {span_words(until - at)} ago{by}"


def _moment(look: tuple[datetime, Routine]) -> datetime:
    return look[0]
