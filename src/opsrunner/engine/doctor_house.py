"""The doctor's look at the house itself: its files, its daemon, clock, ledger and disk, and what it is made of."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import datetime, timedelta

from opsrunner.clock import EARLIEST
from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.meanwhile import KEPT, holds_meanwhile
from opsrunner.ledger.database import SOON_READ_BYTES
from opsrunner.model.routine import Routine
from opsrunner.model.rows import LookStanding
from opsrunner.model.sizes import size_words

PLANNED_WITHIN = timedelta(minutes=5)
LOOKED_WITHIN = timedelta(days=1)
"""How long after the next look was due its rows count as looked for."""
LEAST_FREE = 0.05
LEAST_FREE_BYTES = 200_000_000
_SET_THE_CLOCK = "set the machine's clock; look after NTP"


def check_files(patient: Patient) -> Iterator[Finding]:
    """Say each mistake in the site's files, and what stands until it is mended."""
    for problem in patient.problems:
        holds = holds_meanwhile(patient.site, problem.file) or KEPT
        yield Finding(level="failed", what=str(problem), advice=f"correct it; {holds}")
    for warning in patient.warnings:
        yield Finding(level="look", what=str(warning), advice="see whether it is meant so")
    if not patient.problems:
        count = len(patient.site.routines)
        yield Finding(level="fine", what=f"every file checks: {count} routines in force", where=str(patient.site.root))


def check_daemon(patient: Patient) -> Iterator[Finding]:
    """Say whether the daemon works."""
    planned = patient.books.service.planned_at()
    if not patient.lock.is_held():
        since = f"; nothing was planned since {planned:%Y-%m-%d %H:%M} UTC" if planned else ""
        yield Finding(
            level="look", what=f"no daemon works here{since}", advice="opsrunner serve (see docs/operations.md)"
        )
        return
    holder = patient.lock.holder()
    if planned is None or patient.now - planned > PLANNED_WITHIN:
        when = f"{planned:%Y-%m-%d %H:%M} UTC" if planned else "never"
        advice = "its log tells why; restart it"
        yield Finding(level="failed", what=f"process {holder} holds the state but last planned {when}", advice=advice)
        return
    yield Finding(level="fine", what=f"the daemon works: process {holder}")


def check_looks(patient: Patient) -> Iterator[Finding]:
    """Say of which routines the rows cannot be looked at, or were not for long."""
    looking = {routine.id: routine for routine in patient.site.for_rows}
    if not looking:
        return
    standings = patient.books.known_rows.standings()
    wrong = [
        finding
        for name, routine in looking.items()
        if (finding := _wrong_with_looks(routine, standings.get(name), now=patient.now)) is not None
    ]
    yield from wrong
    if not wrong:
        yield Finding(level="fine", what=f"the rows of {len(looking)} of {len(looking)} routines were looked at")


def _wrong_with_looks(routine: Routine, standing: LookStanding | None, *, now: datetime) -> Finding | None:
    if standing is not None and standing.error:
        since = f" since {standing.failing_since:%Y-%m-%d %H:%M} UTC" if standing.failing_since else ""
        source = routine.on_rows.source if routine.on_rows else ""
        return Finding(
            level="failed" if standing.is_blind else "look",
            what=f"{routine.id} {'cannot look for its rows' if standing.is_blind else 'leaves rows out'}{since}:"
            f" {standing.error}",
            where=routine.file,
            advice=f"put right the source {source}, or on_rows in that file; nothing is lost meanwhile",
        )
    looked_at = None if standing is None else standing.looked_at
    every = timedelta(seconds=routine.on_rows.every_seconds if routine.on_rows else 0)
    if looked_at is not None and now - looked_at <= LOOKED_WITHIN + every:
        return None
    when = (
        "not been looked for yet" if looked_at is None else f"not been looked for since {looked_at:%Y-%m-%d %H:%M} UTC"
    )
    advice = "the daemon looks for them; while a routine is paused or frozen, they wait"
    return Finding(level="look", what=f"the rows of {routine.id} have {when}", where=routine.file, advice=advice)


def check_clock(patient: Patient) -> Iterator[Finding]:
    """Say whether the clock can be believed."""
    if patient.now < EARLIEST:
        said = f"the clock says {patient.now:%Y-%m-%d}"
        yield Finding(level="failed", what=said, advice=_SET_THE_CLOCK)
        return
    doubt = patient.books.service.clock_doubt()
    if doubt and patient.lock.is_held():
        yield Finding(level="failed", what=f"the daemon holds everything: {doubt}", advice=_SET_THE_CLOCK)
        return
    planned = patient.books.service.planned_at()
    if planned is not None and planned - patient.now > PLANNED_WITHIN:
        what = f"the clock was set back: the last pass was at {planned:%Y-%m-%d %H:%M} UTC"
        yield Finding(level="failed", what=what, advice=_SET_THE_CLOCK)
        return
    yield Finding(level="fine", what=f"the clock is plausible, the site's zone is {patient.site.timezone}")


def check_ledger(patient: Patient) -> Iterator[Finding]:
    """Say whether the ledger is whole; a long one is read from end to end only when asked."""
    ledger, path = patient.books.ledger, patient.books.ledger.path
    size_bytes = path.stat().st_size
    is_long = (size_bytes > SOON_READ_BYTES or patient.brief) and not patient.every_page
    if is_long and ledger.is_readable():
        size = size_words(size_bytes)
        what = f"the ledger can be read; all of its {size} was checked when the daemon started, or by --every-page"
        yield Finding(level="fine", what=what, where=str(path))
    elif not is_long and ledger.is_intact():
        yield Finding(level="fine", what="the ledger is intact", where=str(path))
    else:
        advice = "stop opsrunner and restore the ledger from a copy"
        yield Finding(level="failed", what="the ledger is damaged", where=str(path), advice=advice)


def check_disk(patient: Patient) -> Iterator[Finding]:
    """Say whether there is room for the state."""
    found = os.statvfs(patient.state)
    free_bytes, all_bytes = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    said = f"{free_bytes / 1e9:.1f} GB free of {all_bytes / 1e9:.0f} GB"
    if free_bytes < LEAST_FREE_BYTES:
        yield Finding(level="failed", what=said, where=str(patient.state), advice="make room: nothing can be recorded")
    elif free_bytes < LEAST_FREE * all_bytes:
        yield Finding(level="look", what=said, where=str(patient.state), advice="make room soon")
    elif found.f_files and found.f_favail < LEAST_FREE * found.f_files:
        advice = "remove small files that nobody needs"
        yield Finding(level="look", what="few inodes are left", where=str(patient.state), advice=advice)
    else:
        yield Finding(level="fine", what=said, where=str(patient.state))


def check_programs(patient: Patient) -> Iterator[Finding]:
    """Say what opsrunner runs on."""
    row = patient.books.ledger.one("SELECT sqlite_version()")
    sqlite = row[0] if row is not None else "unknown"
    yield Finding(level="fine", what=f"Python {platform.python_version()}, SQLite {sqlite}")
