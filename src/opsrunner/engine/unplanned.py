"""When nothing was planned: opsrunner was down, could not write, or did not believe the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.ledger.books import Books
from opsrunner.records import dataclass

ONE_GAP = timedelta(minutes=1)
"""Gaps that are no further apart than this are one."""
_REASONS = {
    "not running": "opsrunner was not running, or could not write",
    "clock": "the clock was not believed",
}


@dataclass(frozen=True, kw_only=True)
class Unplanned:
    """A time without planning."""

    from_: datetime
    until: datetime
    why: str


def unplanned(books: Books, *, since: datetime, until: datetime) -> list[Unplanned]:
    """Return the times without planning that reach past `since` and begin before `until`, oldest first."""
    spans: list[Unplanned] = []
    for gap in sorted(books.service.gaps(since=since), key=lambda gap: gap.from_):
        if gap.from_ >= until:
            continue
        why = _REASONS.get(gap.reason, gap.reason)
        if spans and gap.from_ <= spans[-1].until + ONE_GAP:
            last = spans.pop()
            why = last.why if why in last.why else f"{last.why}; {why}"
            spans.append(Unplanned(from_=last.from_, until=max(last.until, gap.until), why=why))
        else:
            spans.append(Unplanned(from_=gap.from_, until=gap.until, why=why))
    return spans
