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
from opsrunner.engine.digest_planned import PlannedWords
from opsrunner.engine.digest_view import COMING_DAYS
from opsrunner.engine.digest_words import (
    compose_footer,
    compose_headline,
    compose_preheader,
    compose_subject,
    count_words,
    day_words,
    plural,
)
from opsrunner.model.digest import Coming, Digest, Series
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.version import VERSION

INSTANT = timedelta(microseconds=1)
"""The ledger's grain: a period takes its last moment in, and leaves its first one to the digest before."""
ONE_GAP = timedelta(minutes=1)
"""Gaps with less than this between them are told as one: it came up and went down again."""


def collect(desk: Desk, series: Series, *, from_: datetime, until: datetime, loaded: Loaded) -> Digest:
    """Return the digest of a series for (from_, until].

    It accounts for every run that ended by `until` and that no digest of the series has told of.
    """
    site, books = desk.site(), desk.books
    runs = [run for run in books.runs.unreported(series) if run.finished_at is not None and run.finished_at <= until]
    items = open_items(desk, runs, from_=from_, until=until, loaded=loaded)
    opened, closed = books.tasks.opened(), books.tasks.closed(since=from_ + INSTANT, until=until + INSTANT)
    by_routine = _by_routine(runs)
    untroubled = {name: own for name, own in by_routine.items() if name not in items.routines}
    words = PlannedWords(desk, until=until, opened=opened, closed=closed)
    fine = sum(words.is_done(name, own) for name, own in untroubled.items())
    planned = words.lines(untroubled)
    coming = coming_lines(desk, from_=until, until=until + timedelta(days=COMING_DAYS[series]), tasks=items.coming)
    return Digest(
        series=series,
        site=site.name,
        zone=site.timezone,
        from_=from_,
        until=until,
        headline=compose_headline(len(items.needs_you), len(items.in_hand), fine, was_due=bool(runs)),
        subject=compose_subject(
            [item.short or item.title for item in items.needs_you],
            in_hand=len(items.in_hand),
            fine=fine,
            day=until.astimezone(ZoneInfo(site.timezone)).date(),
            series=series,
            was_due=bool(runs),
        ),
        preheader=_preheader(items, coming),
        needs_you=items.needs_you,
        in_hand=items.in_hand,
        house=house_figures(desk, from_=from_, until=until),
        counts=_counts(desk, by_routine, fine=fine, tasks=(*opened, *closed)),
        planned=planned,
        planned_left_out=len(untroubled) - len(planned),
        coming=coming,
        muted=muted_lines(desk, until=until),
        gaps=_gaps(desk, since=from_, until=until),
        days=last_days(desk, until=until),
        footer=compose_footer(
            version=VERSION,
            host=socket.gethostname(),
            routines=len(site.routines),
            broken=len({problem.file for problem in loaded.problems}),
            queued_mails=len(books.outbox.queued()),
        ),
        run_ids=tuple(run.id for run in runs),
    )


def _by_routine(runs: Sequence[Run]) -> Mapping[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.routine].append(run)
    return found


def _preheader(items: Open, coming: Sequence[Coming]) -> str:
    needs = [item.title for item in items.needs_you]
    first = f"{coming[0].when}, {coming[0].text}" if coming else ""
    return compose_preheader(needs, [item.title for item in items.in_hand], coming=first)


def _counts(desk: Desk, by_routine: Mapping[str, Sequence[Run]], *, fine: int, tasks: Sequence[Task]) -> str:
    """Return `36 of 37 routines fine, 214 runs, 17 of 18 tasks done.`"""
    of_routines = [task for task in tasks if task.kind is TaskKind.ROUTINE]
    done = sum(task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE) for task in of_routines)
    runs = sum(map(len, by_routine.values()))
    words = [f"{count_words(fine)} of {plural(len(by_routine), 'routine')} fine", plural(runs, "run")]
    words = words if runs else ["Nothing ran"]
    if of_routines:
        words.append(f"{count_words(done)} of {plural(len(of_routines), 'task')} done")
    waiting = sum(run.status is RunStatus.WAITING for run in desk.books.runs.active())
    if waiting:
        words.append(f"{plural(waiting, 'run')} {'waits' if waiting == 1 else 'wait'} for people")
    return f"{', '.join(words)}."


def _gaps(desk: Desk, *, since: datetime, until: datetime) -> tuple[str, ...]:
    """Return when nothing was planned; gaps that follow on one another are one."""
    spans: list[tuple[datetime, datetime]] = []
    for gap in sorted(desk.books.service.gaps(since=since), key=lambda gap: gap.from_):
        if gap.from_ >= until:
            continue
        if spans and gap.from_ <= spans[-1][1] + ONE_GAP:
            spans[-1] = (spans[-1][0], max(spans[-1][1], gap.until))
        else:
            spans.append((gap.from_, gap.until))
    return tuple(_gap_words(start, end, zone=ZoneInfo(desk.site().timezone)) for start, end in spans)


def _gap_words(start: datetime, end: datetime, *, zone: ZoneInfo) -> str:
    first, last = start.astimezone(zone), end.astimezone(zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else f"{day_words(last.date())} {last:%H:%M}"
    return f"The scheduler did not run from {day_words(first.date())} {first:%H:%M} to {until}."
