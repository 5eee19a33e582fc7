"""When the rungs of an occasion are due, and which of them goes now. Pure: the same for a pass and for a preview.

A rung in days counts on the wall of the zone, so that 30 days before 02:30 is 02:30 in summer as in winter; one in
hours counts elapsed time. Of what is late, the newest useful rung goes, once, and the older ones are missed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from opsrunner.model.notice import Ladder, Rung
from opsrunner.records import dataclass
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, to_utc

USEFUL_AFTER = timedelta(days=7)
"""How long a rung that is not before its anchor still goes: a long weekend, and what broke on it."""
COALESCED = "coalesced"
TOO_LATE = "too_late"
TOLD_BEFORE = "told_before"


class Verdict(Enum):
    """What is to be done about a rung now."""

    WAIT = "wait"
    SEND = "send"
    MISSED = "missed"
    """It was due while the occasion was known, and will not go; the ledger says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RungMoment:
    """A rung of one occasion: when it is due, and until when it is worth sending."""

    rung: Rung
    name: str
    """The rung's own, with the number of the pass where it comes again and again."""
    due_at: datetime
    useful_until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A verdict on one rung."""

    moment: RungMoment
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the moments of a notice are counted."""

    ladder: Ladder
    zone: ZoneInfo
    late_seconds: int | None = None
    """A rung that is later than this does not go; None: as long as it is useful."""
    to_working_time: Callable[[datetime], datetime] | None = None
    """Gives the last working moment up to a moment; None: any time will do."""


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return when a date begins on the wall of `zone`: what a date without a time counts as."""
    return to_utc(day, MIDNIGHT, zone)


def moments_of(rules: Rules, *, at: datetime, until: datetime | None, now: datetime) -> tuple[RungMoment, ...]:
    """Return the moments of all rungs, in their order in time; a rung whose anchor is not known has none.

    Of a rung that comes again and again there are the last pass up to `now` and the next one.
    """
    found: list[tuple[datetime, RungMoment]] = []
    for rung in rules.ladder.rungs:
        anchor = at if rung.anchor == "at" else until
        if rung.every_seconds:
            found += [(moment.due_at, moment) for moment in _passes(rung, at=at, until=until, now=now)]
        elif anchor is not None:
            exact = _offset(anchor, rung, rules.zone)
            found.append((exact, _moment(rung, rules, exact=exact, anchor=anchor, until=until)))
    return tuple(moment for _, moment in sorted(found, key=lambda pair: (pair[1].due_at, pair[0])))


def judge(
    moments: Sequence[RungMoment],
    *,
    now: datetime,
    since: datetime,
    told: Mapping[str, datetime],
    heard: Collection[str] = (),
    late_seconds: int | None = None,
) -> list[Judged]:
    """Return what is to be done about the rungs that are not settled, at most one of them SEND.

    `told` has the rungs that are settled for the recipient in this edition, with the moments that they were due;
    `heard` those of earlier editions that reached them; `since` is when this edition was first seen. What had passed
    by then, and does not go now, was nobody's to tell, and is left out.
    """
    open_ = [moment for moment in moments if moment.name not in told]
    judged = [Judged(moment=moment, verdict=Verdict.WAIT) for moment in open_ if moment.due_at > now]
    newest_told = max(told.values(), default=None)
    passed = [moment for moment in open_ if moment.due_at <= now]
    why = {
        moment.name: _why_not(
            moment, now=now, since=since, newest_told=newest_told, heard=heard, late_seconds=late_seconds
        )
        for moment in passed
    }
    useful = [moment for moment in passed if not why[moment.name]]
    for moment in passed:
        if useful and moment is useful[-1]:
            judged.append(Judged(moment=moment, verdict=Verdict.SEND))
        elif moment.due_at > since:
            judged.append(Judged(moment=moment, verdict=Verdict.MISSED, why=why[moment.name] or COALESCED))
    return judged


def is_settled(moments: Sequence[RungMoment], *, now: datetime, since: datetime, told: Collection[str]) -> bool:
    """Tell fast whether `judge` would say nothing but WAIT.

    So it is where the newest rung that has passed is settled, and every older one that was due in its time.
    """
    for moment in reversed(moments):
        if moment.due_at > now:
            continue
        if moment.name not in told:
            return False
        return all(one.name in told for one in moments if since < one.due_at <= now)
    return True


def _why_not(
    moment: RungMoment,
    *,
    now: datetime,
    since: datetime,
    newest_told: datetime | None,
    heard: Collection[str],
    late_seconds: int | None,
) -> str:
    """Return why a rung that has passed does not go; '' where it may."""
    if moment.name in heard and moment.due_at <= since:
        return TOLD_BEFORE
    if newest_told is not None and moment.due_at <= newest_told:
        return COALESCED
    if now >= moment.useful_until:
        return TOO_LATE
    if late_seconds is not None and now - max(moment.due_at, since) > timedelta(seconds=late_seconds):
        return TOO_LATE
    return ""


def _moment(rung: Rung, rules: Rules, *, exact: datetime, anchor: datetime, until: datetime | None) -> RungMoment:
    useful_until = exact + USEFUL_AFTER
    if rung.is_before:
        useful_until = anchor
    elif not rung.is_after and rung.anchor == "at" and until is not None:
        useful_until = max(until, exact + timedelta(microseconds=1))
    due_at = _at_work(exact, rung, rules, anchor=anchor)
    return RungMoment(rung=rung, name=rung.name, due_at=due_at, useful_until=useful_until)


def _offset(anchor: datetime, rung: Rung, zone: ZoneInfo) -> datetime:
    """Return the moment of a rung: days on the wall, the rest elapsed."""
    moment = anchor
    if rung.offset_days:
        wall = anchor.astimezone(zone)
        moment = to_utc(wall.date() + rung.offset_days * ONE_DAY, wall.time(), zone)
    return moment + timedelta(seconds=rung.offset_seconds)


def _at_work(exact: datetime, rung: Rung, rules: Rules, *, anchor: datetime) -> datetime:
    """Return the last working moment before a rung, where the notice keeps to working hours.

    What begins or ends is told when it does, and what comes after a moment never before it.
    """
    if rules.to_working_time is None or not (rung.is_before or rung.is_after):
        return exact
    earlier = rules.to_working_time(exact)
    return exact if rung.is_after and earlier < anchor else earlier


def _passes(rung: Rung, *, at: datetime, until: datetime | None, now: datetime) -> list[RungMoment]:
    every = timedelta(seconds=rung.every_seconds)
    last = max(0, (now - at) // every)
    found = []
    for number in (last, last + 1):
        due_at = at + number * every
        if number and (until is None or due_at < until):
            useful_until = due_at + every if until is None else min(due_at + every, until)
            name = f"{rung.name} {number}"
            found.append(RungMoment(rung=rung, name=name, due_at=due_at, useful_until=useful_until))
    return found
