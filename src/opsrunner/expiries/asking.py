"""Which names a registry is asked for today: few, and those that matter first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsrunner.expiries.collecting import Entry
from opsrunner.expiries.judging import Judge, State
from opsrunner.model.expiry import DateAnswer

NOT_AGAIN_WITHIN = timedelta(hours=1)
"""A name is asked for no sooner, whatever happens: a routine may be run by hand ten times in a row."""
DAILY = timedelta(hours=20)
"""For what was asked yesterday at the same hour, or a little later."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Whom to ask for today, in this order, and how many more would have been."""

    names: tuple[str, ...]
    left: int


def plan_questions(
    entries: Mapping[str, Entry],
    known: Mapping[str, DateAnswer],
    *,
    judge: Judge,
    refresh: timedelta,
    most: int,
) -> Plan:
    """Return whom to ask for: first what nobody knows, then what is near or doubtful, then what is oldest.

    `entries` have the known answers in them already. What is near, past, wrong or doubtful is asked each time (a
    domain that was renewed an hour ago must stop to alarm), all else when its answer is older than `refresh`.
    """
    wanted: list[tuple[int, datetime, str]] = []
    for name, entry in entries.items():
        rank = _rank(entry, known.get(name), judge=judge, refresh=refresh)
        if rank is not None:
            wanted.append((*rank, name))
    wanted.sort()
    return Plan(names=tuple(name for _, _, name in wanted[:most]), left=max(0, len(wanted) - most))


def _rank(entry: Entry, known: DateAnswer | None, *, judge: Judge, refresh: timedelta) -> tuple[int, datetime] | None:
    """Return how soon a name is to be asked for, None where it is not today."""
    never = datetime.min.replace(tzinfo=judge.now.tzinfo)
    state = judge.judge(entry).state
    rank = 0 if state is State.UNKNOWN else 1 if state is not State.LATER else 2
    if known is None:
        return (rank, never)
    since_try = judge.now - known.tried_at
    if since_try < NOT_AGAIN_WITHIN:
        return None
    if state is not State.LATER:
        return (rank, known.tried_at)
    if known.failure:
        return (2, known.tried_at) if since_try > DAILY else None
    answered_at = known.answered_at or never
    return (3, answered_at) if judge.now - answered_at > refresh else None
