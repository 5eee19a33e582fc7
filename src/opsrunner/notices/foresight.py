"""What passes to come will send, told by the same words as the passes themselves. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from opsrunner.model.notice import CANCELLED, MOVED, KnownOccasion, Occasion, Recipient, Told
from opsrunner.notices.due import Rules, RungMoment, Verdict, judge, moments_of
from opsrunner.notices.editions import Heard, has_passed, is_moved, is_owed_cancelling
from opsrunner.notices.messages import Message
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """A mail that is to come."""

    message: Message
    goes_at: datetime
    """When the pass is that sends it."""
    state: str = "goes"
    """`goes`; `held` until somebody approves or it is live; `by hand`, when somebody says that it is over;
    `suppressed`; or `watched`: another sends it."""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """The passes to come: at these moments, or, without a schedule, whenever a rung is due."""

    now: datetime
    until: datetime
    passes: Sequence[datetime] | None

    def first_at(self, due_at: datetime) -> datetime | None:
        """Return the first pass that sees a rung which is due at a moment; None where none comes in time."""
        earliest = max(due_at, self.now)
        if self.passes is None:
            return earliest if earliest <= self.until else None
        position = bisect_left(self.passes, earliest)
        return self.passes[position] if position < len(self.passes) else None


def foresee(
    occasion: Occasion,
    recipient: Recipient,
    *,
    edition: KnownOccasion,
    heard: Heard,
    rules: Rules,
    ahead: Ahead,
    tells_moves: bool,
) -> Iterator[Foreseen]:
    """Yield the mails that one recipient gets of an occasion, by the passes to come, in their order."""
    told = dict(heard.told)
    first = ahead.first_at(ahead.now)
    if tells_moves and first is not None and is_moved(edition, heard, now=first):
        moved = Message(
            occasion=occasion,
            recipient=recipient,
            rung=MOVED,
            due_at=first,
            change=MOVED,
            was_at=edition.was_at,
        )
        yield Foreseen(message=moved, goes_at=first)
        told[MOVED] = first
    for at in _passes(occasion, rules, told, ahead):
        moments = moments_of(rules, at=occasion.at, until=occasion.until, now=at)
        judged = judge(
            moments,
            now=at,
            since=edition.since,
            told=told,
            heard=heard.before,
            late_seconds=rules.late_seconds,
        )
        for one in judged:
            if one.verdict is Verdict.WAIT:
                continue
            told[one.moment.name] = one.moment.due_at
            if one.verdict is Verdict.SEND:
                yield Foreseen(message=_message(occasion, recipient, one.moment), goes_at=at)


def foresee_cancelled(
    known: KnownOccasion, told: Sequence[Told], *, notice: str, first: datetime
) -> Iterator[Foreseen]:
    """Yield the mails by which those who had heard learn, at the `first` pass, that an occasion does not take place."""
    if known.ended_at is not None or has_passed(known, now=first):
        return
    occasion = Occasion(notice=notice, key=known.key, at=known.at, until=known.until)
    of: dict[str, list[Told]] = {}
    for one in told:
        of.setdefault(one.recipient, []).append(one)
    for address, mine in of.items():
        if is_owed_cancelling(mine, edition=known):
            recipient = Recipient(address=address, name=mine[-1].name, row=known.rows.get(address, {}))
            message = Message(occasion=occasion, recipient=recipient, rung=CANCELLED, due_at=first, change=CANCELLED)
            yield Foreseen(message=message, goes_at=first)


def _passes(occasion: Occasion, rules: Rules, told: Mapping[str, datetime], ahead: Ahead) -> Collection[datetime]:
    """Return the passes that may have something to do: all of them only where a rung comes again and again."""
    if any(rung.every_seconds for rung in rules.ladder.rungs):
        return _repeated(occasion, rules, ahead)
    moments = moments_of(rules, at=occasion.at, until=occasion.until, now=ahead.now)
    found = {ahead.first_at(moment.due_at) for moment in moments if moment.name not in told}
    return sorted(at for at in found if at is not None)


def _repeated(occasion: Occasion, rules: Rules, ahead: Ahead) -> list[datetime]:
    if ahead.passes is not None:
        return list(ahead.passes)
    found: set[datetime] = set()
    at = ahead.now
    while at <= ahead.until:
        moments = moments_of(rules, at=occasion.at, until=occasion.until, now=at)
        found |= {max(moment.due_at, ahead.now) for moment in moments if moment.due_at <= ahead.until}
        later = [moment.due_at for moment in moments if moment.due_at > at]
        if not later:
            break
        at = min(later)
    return sorted(found)


def _message(occasion: Occasion, recipient: Recipient, moment: RungMoment) -> Message:
    return Message(occasion=occasion, recipient=recipient, rung=moment.name, due_at=moment.due_at)
