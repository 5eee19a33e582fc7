"""Forgets what is older than the site keeps, a little at a time: the daemon plans and starts meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from opsrunner.clock import Clock
from opsrunner.engine.digest import DigestWriter
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.ledger.books import Books
from opsrunner.model.site import Site
from opsrunner.work_folder import remove_folder

KEEP_MAIL_TEXTS = timedelta(days=30)
KEEP_REQUESTS = timedelta(days=30)
KEEP_PAGES = timedelta(days=90)
"""The HTML of digests; their texts stay as long as tasks do."""
KEEP_TICKETS = timedelta(days=180)
"""What is remembered of those that ended: one that is opened again later begins anew."""
AT_ONCE_SECONDS = 0.03
"""What one call takes at the most, and one step of it more."""
SWEEP_EVERY = timedelta(days=1)

Step = Callable[[datetime], int]
"""Removes a little of one kind, and returns how much; 0 when nothing is left."""


class Retention:
    """Prunes the ledger and the files of the state folder together."""

    def __init__(
        self,
        *,
        books: Books,
        state: Path,
        site: Callable[[], Site],
        digests: DigestWriter,
        marks: EntryMarks,
        clock: Clock,
    ) -> None:
        self._books, self._state, self._site = books, state, site
        self._digests, self._marks, self._clock = digests, marks, clock
        self._forgetting = books.forgetting
        self._swept_at: datetime | None = None
        self._sweep: Iterator[None] = iter(())

    def prune(self, now: datetime) -> None:
        """Forget some of what is old, for AT_ONCE_SECONDS; what is left comes with the next call.

        A run goes once it ended `limits.keep_runs` ago and every digest that is sent has told of it, a task
        `limits.keep_tasks` after it was closed. Files go before the rows that name them: a crash leaves none.
        """
        until = self._clock.monotonic() + AT_ONCE_SECONDS
        for step in (self._runs, self._tasks, self._mails, self._rest):
            while step(now):
                if self._clock.monotonic() >= until:
                    return
        if self._swept_at is None or not self._swept_at <= now < self._swept_at + SWEEP_EVERY:
            self._swept_at, self._sweep = now, self._sweeping(now)
        for _ in self._sweep:
            if self._clock.monotonic() >= until:
                return

    def _runs(self, now: datetime) -> int:
        gone = self._forgetting.old_runs(before=self._runs_before(now), told_through=self._digests.told_through())
        for run_id in gone:
            remove_folder(self._state / "runs" / str(run_id))
        return self._forgetting.forget_runs(gone) if gone else 0

    def _tasks(self, now: datetime) -> int:
        gone = self._forgetting.old_tasks(before=self._tasks_before(now))
        for task_id in gone:
            shutil.rmtree(self._state / "evidence" / str(task_id), ignore_errors=True)
        return self._forgetting.forget_tasks(gone) if gone else 0

    def _mails(self, now: datetime) -> int:
        return self._forgetting.forget_mail_texts(before=now - KEEP_MAIL_TEXTS) or self._forgetting.forget_mails(
            before=self._runs_before(now)
        )

    def _rest(self, now: datetime) -> int:
        forget, runs, tasks = self._forgetting, self._runs_before(now), self._tasks_before(now)
        return (
            forget.forget_requests(before=now - KEEP_REQUESTS)
            or forget.forget_gaps(before=runs)
            or forget.forget_tickets(before=now - KEEP_TICKETS)
            or forget.forget_findings(before=tasks)
            or forget.forget_notices(before=tasks)
            or forget.forget_downtimes(before=tasks)
            or forget.forget_acceptances(before=tasks)
            or forget.forget_holds(before=runs)
            or forget.forget_digest_pages(before=now - KEEP_PAGES)
            or forget.forget_digests(before=tasks)
            or forget.forget_absences(before=tasks)
            or forget.forget_notes(before=tasks)
            or forget.forget_hosts(before=runs)
            or forget.forget_facts(before=runs)
            or self._books.dates.forget(before=runs)
            or forget.forget_rows(before=runs)
            or forget.forget_routines(before=tasks)
        )

    def _runs_before(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self._site().limits.keep_runs_seconds)

    def _tasks_before(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self._site().limits.keep_tasks_seconds)

    def _sweeping(self, now: datetime) -> Iterator[None]:
        """Go through what no index tells of, once a day, a step at a time."""
        self._marks.forget(but={run.id for run in self._books.runs.active()})
        yield from self._sweep_texts()
        oldest = self._tasks_before(now).date()
        for folder in sorted((self._state / "checklists").glob("*")):
            _forget_checklists(folder, before=oldest)
            yield
        pages = (now - KEEP_PAGES).timestamp()
        for path in (self._state / "digests").glob("*.html"):
            if path.stat().st_mtime < pages:
                path.unlink(missing_ok=True)
        yield

    def _sweep_texts(self) -> Iterator[None]:
        """Empty the frozen texts that were replaced and that no run has any more."""
        replaced, seen = self._forgetting.replaced_texts(), self._forgetting.newest_run()
        after: int | None = 0
        while replaced and after is not None:
            used, after = self._forgetting.texts_in_use(after=after)
            replaced -= used
            yield
        if replaced:
            self._forgetting.forget_texts(replaced, seen_through=seen)


def _forget_checklists(folder: Path, *, before: date) -> None:
    """Remove the lists of a routine from before a day; their names begin with their day."""
    oldest = before.isoformat()
    for path in folder.glob("????-??-??-run*.md"):
        if path.name[:10] < oldest:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
