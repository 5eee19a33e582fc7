"""Collects a digest from the ledger: what is open, what went as planned, what comes."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_coming import coming_lines, muted_lines
from opsrunner.engine.digest_days import last_days
from opsrunner.engine.digest_house import house_figures
from opsrunner.engine.digest_items import Open, open_items
from opsrunner.engine.digest_planned import DONE, PlannedWords, ran_partly
from opsrunner.engine.digest_rows import baseline_lines, unlooked_lines
from opsrunner.engine.digest_runs import count_runs, stands_alone
from opsrunner.engine.digest_unseen import look_for_unseen
from opsrunner.engine.digest_view import COMING_DAYS
from opsrunner.engine.digest_words import (
    Rest,
    compose_footer,
    compose_headline,
    compose_preheader,
    compose_subject,
    count_words,
    plural,
)
from opsrunner.engine.unplanned import unplanned
from opsrunner.ledger.ends import Tally
from opsrunner.ledger.tasks import ClosedTasks
from opsrunner.model.digest import Coming, Digest, Series
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import moment_words
from opsrunner.version import VERSION

NOT_STARTED = (RunStatus.SKIPPED, RunStatus.MISSED)
INSTANT = timedelta(microseconds=1)
"""The ledger's grain: a period takes its last moment in, and leaves its first one to the digest before."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """What one digest tells of: the time (from_, until], and the ends of runs numbered (after, through]."""

    series: Series
    from_: datetime
    until: datetime
    after: int
    through: int


def collect(desk: Desk, span: Span, *, loaded: Loaded) -> Digest:
    """Return the digest of a span: it accounts for every run whose end is in it."""
    site, books, until = desk.site(), desk.books, span.until
    ended = _by_routine(books.ends.tallies(span.series, after=span.after, through=span.through))
    opened = books.tasks.opened()
    closed = books.tasks.closed_counts(since=span.from_ + INSTANT, until=until + INSTANT)
    undone = _undone(desk, from_=span.from_, until=until)
    items = open_items(desk, ended, opened=opened, undone=undone, from_=span.from_, until=until, loaded=loaded)
    untroubled = {name: own for name, own in ended.items() if name not in items.routines}
    words = PlannedWords(desk, until=until, opened=opened, closed=closed)
    fine = sum(words.is_done(name, own) for name, own in untroubled.items())
    unseen = look_for_unseen(desk, from_=span.from_, until=until)
    rest = Rest(
        was_due=bool(ended or unseen.routines or books.runs.planned(after=span.from_, until=until)),
        partly=sum(map(ran_partly, untroubled.values())),
        unseen=unseen.routines if unseen.line else 0,
    )
    planned = words.lines(untroubled)
    ahead = until + timedelta(days=COMING_DAYS[span.series])
    coming = coming_lines(desk, from_=until, until=ahead, tasks=items.coming)
    return Digest(
        series=span.series,
        site=site.name,
        zone=site.timezone,
        from_=span.from_,
        until=until,
        headline=compose_headline(len(items.needs_you), len(items.in_hand), fine, rest=rest),
        subject=_subject(items, span, fine=fine, zone=site.timezone, rest=rest),
        preheader=_preheader(items, coming, all_ran=bool(fine) and not (rest.partly or unseen.routines)),
        needs_you=items.needs_you,
        in_hand=items.in_hand,
        house=house_figures(desk, from_=span.from_, until=until),
        counts=_counts(desk, ended, fine=fine, opened=opened, closed=closed),
        planned=planned,
        planned_left_out=len(untroubled) - len(planned),
        coming=coming,
        muted=(*muted_lines(desk, until=until), *baseline_lines(desk, from_=span.from_, until=until)),
        gaps=(
            *_gaps(desk, since=span.from_, until=until),
            *([unseen.line] if unseen.line else []),
            *unlooked_lines(desk),
        ),
        days=last_days(desk, until=until),
        footer=_footer(desk, loaded),
        runs=sum(map(count_runs, ended.values())),
        through=span.through,
    )


def _undone(desk: Desk, *, from_: datetime, until: datetime) -> list[Task]:
    """Return the tasks closed in (from_, until] that could not be done, those left out that a run's end tells of."""
    tasks = desk.books.tasks.closed(since=from_ + INSTANT, until=until + INSTANT, status=TaskStatus.COULD_NOT)
    return [task for task in tasks if stands_alone(task)]


def _by_routine(tallies: Sequence[Tally]) -> Mapping[str, list[Tally]]:
    found: dict[str, list[Tally]] = defaultdict(list)
    for tally in tallies:
        found[tally.routine].append(tally)
    return found


def _subject(items: Open, span: Span, *, fine: int, zone: str, rest: Rest) -> str:
    return compose_subject(
        [item.short or item.title for item in items.needs_you],
        in_hand=len(items.in_hand),
        fine=fine,
        day=span.until.astimezone(ZoneInfo(zone)).date(),
        series=span.series,
        rest=rest,
    )


def _footer(desk: Desk, loaded: Loaded) -> str:
    return compose_footer(
        version=VERSION,
        host=socket.gethostname(),
        routines=len(desk.site().routines),
        broken=loaded.broken_files,
        queued_mails=desk.books.outbox.waiting(),
    )


def _preheader(items: Open, coming: Sequence[Coming], *, all_ran: bool) -> str:
    needs = [item.title for item in items.needs_you]
    first = f"{coming[0].when}, {coming[0].text}" if coming else ""
    return compose_preheader(needs, [item.title for item in items.in_hand], coming=first, all_ran=all_ran)


def _counts(
    desk: Desk, ended: Mapping[str, Sequence[Tally]], *, fine: int, opened: Sequence[Task], closed: ClosedTasks
) -> str:
    """Return `36 of 37 routines fine, 214 runs, 3 skipped, 17 of 18 tasks done.`"""
    still_open = sum(task.kind is TaskKind.ROUTINE for task in opened)
    total = still_open + sum(closed.of_routines.values())
    done = sum(count for (_, status), count in closed.of_routines.items() if status in DONE)
    all_ends = [one for own in ended.values() for one in own]
    left = {status: count_runs([one for one in all_ends if one.status is status]) for status in NOT_STARTED}
    runs = count_runs(all_ends) - sum(left.values())
    words = [f"{count_words(fine)} of {plural(len(ended), 'routine')} fine", plural(runs, "run")]
    words = words if runs else ["Nothing ran"]
    words += [f"{count_words(count)} {status.value}" for status, count in left.items() if count]
    if total:
        words.append(f"{count_words(done)} of {plural(total, 'task')} done")
    waiting = desk.books.runs.count_waiting()
    if waiting:
        words.append(f"{plural(waiting, 'run')} {'waits' if waiting == 1 else 'wait'} for people")
    return f"{', '.join(words)}."


def _gaps(desk: Desk, *, since: datetime, until: datetime) -> tuple[str, ...]:
    """Return when nothing was planned; gaps that follow on one another are one."""
    zone = ZoneInfo(desk.site().timezone)
    spans = unplanned(desk.books, since=since, until=until)
    return tuple(_gap_words(span.from_, span.until, zone=zone) for span in spans)


def _gap_words(start: datetime, end: datetime, *, zone: ZoneInfo) -> str:
    first, last = start.astimezone(zone), end.astimezone(zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else moment_words(end, zone=zone)
    return f"The scheduler did not run from {moment_words(start, zone=zone)} to {until}."
