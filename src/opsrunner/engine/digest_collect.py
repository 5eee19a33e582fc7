"""Collects a digest from the ledger: what is open, what went as planned, what comes."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk, routine_names
from opsrunner.engine.digest_coming import coming_lines, muted_lines
from opsrunner.engine.digest_house import house_figures
from opsrunner.engine.digest_items import Open, open_items
from opsrunner.engine.digest_words import (
    compose_footer,
    compose_headline,
    compose_preheader,
    compose_subject,
    count_words,
    day_words,
    plural,
)
from opsrunner.model.digest import DayMark, Digest, Planned, Series, Tone
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import TaskKind, TaskStatus
from opsrunner.version import VERSION

MOST_PLANNED = 40
AHEAD = {"daily": timedelta(days=7), "weekly": timedelta(days=7), "monthly": timedelta(days=31)}
_BAD = (RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.MISSED)
_SEVERITY: tuple[Tone, ...] = ("nothing", "fine", "live", "look", "failed")


def collect(desk: Desk, series: Series, *, from_: datetime, until: datetime, loaded: Loaded) -> Digest:
    """Return the digest of a series for (from_, until], with every run that no digest of it has told of."""
    site, books = desk.site(), desk.books
    runs = books.runs.unreported(series)
    items = open_items(desk, runs, until=until, loaded=loaded)
    by_routine = _by_routine(runs)
    troubled = items.routines
    fine = [name for name, own in by_routine.items() if name not in troubled and _all_fine(own)]
    planned = _planned(desk, by_routine, troubled)
    day = until.astimezone(ZoneInfo(site.timezone)).date()
    coming = coming_lines(desk, from_=until, until=until + AHEAD[series])
    return Digest(
        series=series,
        site=site.name,
        zone=site.timezone,
        from_=from_,
        until=until,
        headline=compose_headline(len(items.needs_you), len(items.in_hand), len(fine)),
        subject=compose_subject(
            [item.short or item.title for item in items.needs_you],
            in_hand=len(items.in_hand),
            fine=len(fine),
            day=day,
            series=series,
        ),
        preheader=_preheader(items, coming[0].text if coming else ""),
        needs_you=items.needs_you,
        in_hand=items.in_hand,
        house=house_figures(desk, runs, from_=from_, until=until),
        counts=_counts(desk, runs, from_=from_, until=until),
        planned=planned[:MOST_PLANNED],
        planned_left_out=max(0, len(planned) - MOST_PLANNED),
        coming=coming,
        muted=muted_lines(desk, until=until),
        gaps=_gaps(desk, since=from_),
        broken=tuple(str(problem) for problem in loaded.problems),
        days=() if series == "daily" else _days(runs, zone=ZoneInfo(site.timezone)),
        footer=compose_footer(
            version=VERSION,
            host=socket.gethostname(),
            routines=len(site.routines),
            broken=len(loaded.broken),
            queued_mails=len(books.outbox.queued()),
        ),
        run_ids=tuple(run.id for run in runs),
    )


def _by_routine(runs: Sequence[Run]) -> Mapping[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        found[run.routine].append(run)
    return found


def _all_fine(runs: Sequence[Run]) -> bool:
    """Tell whether something ran, and nothing that ran was anything but a success."""
    ran = [run for run in runs if run.status not in (RunStatus.SKIPPED, RunStatus.CANCELLED)]
    ran = [run for run in ran if not (run.status is RunStatus.MISSED and run.reason == "coalesced")]
    return bool(ran) and all(run.status is RunStatus.SUCCEEDED for run in ran)


def _preheader(items: Open, coming: str) -> str:
    needs = [item.title for item in items.needs_you]
    return compose_preheader(needs, [item.title for item in items.in_hand], coming=coming)


def _counts(desk: Desk, runs: Sequence[Run], *, from_: datetime, until: datetime) -> str:
    """Return `37 routines, 214 runs, 17 of 18 tasks.`"""
    closed = [task for task in desk.books.tasks.closed(since=from_, until=until) if task.kind is TaskKind.ROUTINE]
    opened = [task for task in desk.books.tasks.opened() if task.kind is TaskKind.ROUTINE]
    done = sum(task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE) for task in closed)
    total = len(closed) + len(opened)
    routines = len({run.routine for run in runs})
    words = [plural(routines, "routine"), plural(len(runs), "run")]
    if total:
        words.append(f"{count_words(done)} of {plural(total, 'task')} done")
    waiting = sum(run.status is RunStatus.WAITING for run in desk.books.runs.active())
    if waiting:
        words.append(f"{plural(waiting, 'run')} waiting for people")
    return f"{', '.join(words)}."


def _planned(desk: Desk, by_routine: Mapping[str, list[Run]], troubled: frozenset[str]) -> tuple[Planned, ...]:
    names = routine_names(desk)
    lines = [
        Planned(name=names.get(routine, routine), text=_told(desk, runs), tone=_tone(runs))
        for routine, runs in by_routine.items()
        if routine not in troubled
    ]
    return tuple(sorted(lines, key=lambda line: (-_SEVERITY.index(line.tone), line.name.lower())))


def _tone(runs: Sequence[Run]) -> Tone:
    if _all_fine(runs):
        return "fine"
    if all(run.status in (RunStatus.SKIPPED, RunStatus.CANCELLED) for run in runs):
        return "nothing"
    return "look"


def _told(desk: Desk, runs: Sequence[Run]) -> str:
    """Return what a routine's runs came to: what its last one said, and what was left out and why."""
    said = _last_words(desk, runs)
    fine = sum(run.status is RunStatus.SUCCEEDED for run in runs)
    words = [said] if said else []
    if fine > 1:
        words.append(f"{count_words(fine)} runs")
    reasons: dict[str, int] = defaultdict(int)
    for run in runs:
        if run.status is not RunStatus.SUCCEEDED:
            reasons[f"{run.status.value} ({run.reason})" if run.reason else run.status.value] += 1
    words += [f"{count_words(count)} {reason}" for reason, count in reasons.items()]
    return ", ".join(words) or "done"


def _last_words(desk: Desk, runs: Sequence[Run]) -> str:
    """Return what the newest successful run's automated steps said, where they said something."""
    done = [run for run in runs if run.status is RunStatus.SUCCEEDED]
    if not done:
        return ""
    records = desk.books.steps.of_run(done[-1].id)
    said = [record.outcome.message for record in records if record.outcome and record.kind not in ("task", "checklist")]
    return next((message for message in reversed(said) if message), "")


def _gaps(desk: Desk, *, since: datetime) -> tuple[str, ...]:
    zone = ZoneInfo(desk.site().timezone)
    lines: list[str] = []
    for gap in desk.books.service.gaps(since=since):
        start, end = gap.from_.astimezone(zone), gap.until.astimezone(zone)
        last = f"{end:%H:%M}" if start.date() == end.date() else f"{day_words(end.date())} {end:%H:%M}"
        lines.append(f"The scheduler did not run from {day_words(start.date())} {start:%H:%M} to {last}.")
    return tuple(lines)


def _days(runs: Sequence[Run], *, zone: ZoneInfo) -> tuple[DayMark, ...]:
    """Return the worst of each day, for the longer digests."""
    worst: dict[date, Tone] = {}
    for run in runs:
        if run.finished_at is None:
            continue
        day = run.finished_at.astimezone(zone).date()
        tone = _run_tone(run)
        if day not in worst or _SEVERITY.index(tone) > _SEVERITY.index(worst[day]):
            worst[day] = tone
    words = {"failed": "failed", "look": "look", "fine": "fine", "live": "running", "nothing": "nothing ran"}
    return tuple(DayMark(day=day, tone=tone, text=words[tone]) for day, tone in sorted(worst.items()))


def _run_tone(run: Run) -> Tone:
    if run.status in _BAD and run.reason != "coalesced":
        return "failed"
    if run.status is RunStatus.WARNING:
        return "look"
    return "fine" if run.status is RunStatus.SUCCEEDED else "nothing"
