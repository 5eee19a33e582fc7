"""How an occasion stands beside what the ledger knows of it: new, as it was, moved, or back after its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from opsrunner.model.notice import CANCELLED, MOVED, KnownOccasion, Occasion, Told
from opsrunner.model.outcome import Row
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What one recipient was told of an occasion."""

    told: dict[str, datetime]
    """The rungs settled in this edition, with the moments that they were due."""
    before: frozenset[str]
    """The rungs of earlier editions that reached the recipient, and still hold."""


NOTHING = frozenset[str]()


def edition_of(
    occasion: Occasion, known: KnownOccasion | None, *, now: datetime, rows: Mapping[str, Row]
) -> KnownOccasion:
    """Return the edition that holds: the known one, or a new one where nothing is known or its moments changed.

    `rows`, the recipients' own by their addresses, are kept with a new edition, beside those of whom it moved for.
    """
    if known is None:
        return KnownOccasion(key=occasion.key, edition=1, at=occasion.at, until=occasion.until, since=now, rows=rows)
    is_live, is_same = known.ended_at is None, (known.at, known.until) == (occasion.at, occasion.until)
    if is_live and is_same:
        return known
    edition = known.edition + 1
    return KnownOccasion(
        key=occasion.key,
        edition=edition,
        at=occasion.at,
        until=occasion.until,
        since=now,
        was_at=known.at if is_live else None,
        rows={**known.rows, **rows} if is_live else rows,
        heard_from=known.heard_from if is_live or is_same else edition,
    )


def heard_by(told: Sequence[Told], *, edition: KnownOccasion) -> Heard:
    """Return what one recipient heard; `told` is all that was settled for that recipient, in the order of writing.

    What was told of an edition that was then cancelled holds no longer, nor what was told of one that ended where this
    one is about another time.
    """
    mine: dict[str, datetime] = {}
    before: set[str] = set()
    for one in told:
        if one.edition < edition.heard_from:
            continue
        if one.edition == edition.edition:
            mine[one.rung] = one.due_at
        elif one.rung == CANCELLED:
            before.clear()
        elif one.status.reached:
            before.add(one.rung)
    return Heard(told=mine, before=frozenset(before) if before else NOTHING)


def is_moved(edition: KnownOccasion, heard: Heard, *, now: datetime) -> bool:
    """Tell whether somebody heard of an earlier edition, and not yet that its moments changed."""
    return (
        edition.was_at is not None
        and bool(heard.before)
        and MOVED not in heard.told
        and not has_passed(edition, now=now)
    )


def is_owed_cancelling(told: Sequence[Told], *, edition: KnownOccasion) -> bool:
    """Tell whether somebody has heard of an occasion, and not yet that it is cancelled; `told` is all of that one."""
    heard = heard_by(told, edition=edition)
    has_heard = heard.before or any(one.status.reached for one in told if one.edition == edition.edition)
    return bool(has_heard) and CANCELLED not in heard.told


def has_passed(known: KnownOccasion, *, now: datetime) -> bool:
    """Tell whether all of an occasion is over: nobody is told any more that it moved or was cancelled."""
    return now >= (known.until or known.at)
