"""Notices in the digest: what customers were told, what failed or was missed, and what comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.ledger.notices import OccasionCount
from opsrunner.model.digest import Figure, Tone
from opsrunner.model.notice import ToldStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.notices.due import TOO_LATE, Rules, moments_of
from opsrunner.notices.messages import NOT_SEEN
from opsrunner.notices.words import parse_ladder
from opsrunner.steps.notice_name import notice_name


def notices_figure(desk: Desk, *, from_: datetime, until: datetime) -> Figure | None:
    """Return `12 notices sent, 1 failed, 2 missed`; None where nothing was due and nobody has a notice that goes.

    A rung is sent when its mail is queued; here it is once the mail has left.
    """
    counts: Counter[str] = Counter()
    for (_, status, why), rungs in desk.books.notices.between(since=from_, until=until).items():
        counts[_word(status, why)] += rungs
    counts["waiting"] = desk.books.notices.not_left(since=from_, until=until)
    counts["sent"] -= counts["waiting"]
    shown = [
        word
        for word in ("sent", "seen to go", "waiting", "failed", "missed", "did not go", "suppressed")
        if counts[word]
    ]
    if not shown:
        return None
    first, *others = shown
    words = [f"{plural(counts[first], 'notice')} {first}", *(f"{count_words(counts[word])} {word}" for word in others)]
    went: Tone = "live" if counts["waiting"] else "fine" if counts["sent"] or counts["seen to go"] else "nothing"
    tone: Tone = "failed" if counts["failed"] else "look" if counts["missed"] or counts["did not go"] else went
    return Figure(name="Notices", text=", ".join(words), tone=tone)


def notices_ahead(desk: Desk, *, from_: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield, once a notice, when its first mail is due in a period, and how many things it tells of in all of it.

    It counts by what the last pass knew: no source is asked.
    """
    for routine in desk.site().routines.values():
        for plan in routine.steps:
            if plan.kind == "notice" and (found := _ahead(desk, routine, plan, from_=from_, until=until)):
                yield found


def _word(status: ToldStatus, why: str) -> str:
    """Return how a rung ended, in a word; a rung in whose place a newer one went is no miss."""
    if status is ToldStatus.MISSED:
        return {NOT_SEEN: "did not go", TOO_LATE: "missed"}.get(why, "")
    return "seen to go" if status is ToldStatus.WATCHED else status.value


def _ahead(
    desk: Desk, routine: Routine, plan: StepPlan, *, from_: datetime, until: datetime
) -> tuple[datetime, str] | None:
    ladder = parse_ladder(plan.options["ladder"], has_until=bool(plan.options.get("until")))
    rules = Rules(ladder=ladder, zone=ZoneInfo(desk.site().timezone))
    rungs: Counter[str] = Counter()
    first: datetime | None = None
    for one in desk.books.notices.occasion_counts(notice_name(routine.id, plan.id)):
        for due_at, name in _due(one, rules, from_=from_, until=until):
            rungs[name] += one.count
            first = due_at if first is None else min(first, due_at)
    if first is None:
        return None
    named = ", ".join(f"{name} {count_words(rungs[name])}" for name in ladder.words if rungs[name])
    verb = "watches over" if plan.options.get("mode") == "watch" else "tells of"
    return first, f"{routine.name} {verb} {plural(sum(rungs.values()), 'thing')} ({named})"


def _due(one: OccasionCount, rules: Rules, *, from_: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    for moment in moments_of(rules, at=one.at, until=one.until, now=from_):
        if from_ < moment.due_at <= until:
            yield moment.due_at, moment.rung.name
