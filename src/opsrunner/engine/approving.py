"""Has the list and the text of a window's announcement approved before anything goes."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.downtime_mails import DowntimeMails, Telling
from opsrunner.engine.downtime_tasks import DowntimeTasks
from opsrunner.engine.downtime_words import person_row
from opsrunner.engine.downtimes import expand_hosts
from opsrunner.engine.source_words import source_words
from opsrunner.errors import NotFound
from opsrunner.model.downtime import Downtime
from opsrunner.model.task import Task, TaskStatus
from opsrunner.model.window import Window
from opsrunner.notices.composing import fingerprint
from opsrunner.records import dataclass

IN_TRIAL = "opsrunner try"


@dataclass(frozen=True, kw_only=True)
class Given:
    """An approval that was given."""

    counts_at: datetime
    """From when on it holds: an answer may still be taken back before."""
    by: str
    struck: tuple[str, ...]
    """The addresses that it leaves out."""


class Approving:
    """Asks, and reads the answer. Changed words, hosts or audiences are asked about anew."""

    def __init__(self, desk: Desk, tasks: DowntimeTasks, mails: DowntimeMails, *, is_trial: bool) -> None:
        self._desk, self._tasks, self._mails, self._is_trial = desk, tasks, mails, is_trial
        self._books = desk.books.downtimes

    def is_approved(self, telling: Telling, window: Window, *, now: datetime) -> bool:
        """Tell whether customers may hear of a window's time as it stands; ask where nobody has been asked yet.

        Raises NotFound, ExpressionError where its template does not do.
        """
        row = telling.row
        if self._is_trial:
            if row.approved_at is None:
                self._books.approve(row.id, by=IN_TRIAL, struck=(), at=now)
            return True
        if not row.people:
            return False
        wanted = self._fingerprint(telling, window)
        if row.approval is None or row.fingerprint != wanted:
            self._ask(telling, window, wanted, now=now)
            return False
        return row.approved_at is not None or self._has_been_approved(row, now=now)

    def given(self, telling: Telling, window: Window, *, now: datetime) -> Given | None:
        """Return the approval of a window's time as it stands, None where nobody has given it. Writes nothing.

        Raises NotFound, ExpressionError where its template does not do.
        """
        row = telling.row
        if self._is_trial:
            return Given(counts_at=now, by=IN_TRIAL, struck=row.struck)
        if row.approval is None or row.fingerprint != self._fingerprint(telling, window):
            return None
        if row.approved_at is not None:
            return Given(counts_at=row.approved_at, by=row.approved_by, struck=row.struck)
        return self._answer(row, now=now)

    def asked(self, telling: Telling, window: Window) -> Task | None:
        """Return the task by which a window's time was laid before somebody as it stands, None where none was."""
        row = telling.row
        if row.approval is None or row.fingerprint != self._fingerprint(telling, window):
            return None
        return self._task(row)

    def again_at(self, row: Downtime) -> datetime | None:
        """Return when an answer that was given counts; None where none was."""
        task = self._task(row)
        return None if task is None or task.is_open or row.approved_at is not None else task.settles_at

    def _has_been_approved(self, row: Downtime, *, now: datetime) -> bool:
        given = self._answer(row, now=now)
        if given is None or given.counts_at > now:
            return False
        self._books.approve(row.id, by=given.by, struck=given.struck, at=now)
        return True

    def _answer(self, row: Downtime, *, now: datetime) -> Given | None:
        """Return what whoever was asked has answered, None where that was no yes."""
        task = self._task(row)
        if task is None or task.is_open or task.status is not TaskStatus.DONE:
            return None
        struck = tuple(str(task.rows[position]["to"]) for position in task.struck)
        return Given(counts_at=task.settles_at or now, by=task.closed_by, struck=struck)

    def _ask(self, telling: Telling, window: Window, wanted: str, *, now: datetime) -> None:
        row = replace(
            telling.row,
            title=window.name,
            about=window.about,
            hosts=expand_hosts(window.hosts, self._desk.site()),
        )
        telling = replace(telling, row=row)
        moments = self._mails.moments(telling)
        due_at = next((moment.due_at for moment in moments if moment.due_at > now), row.begins_at)
        sample = self._mails.sample(telling, rung=moments[0].name if moments else "start")
        text = f"Subject: {sample.subject}\n\n{sample.text}"
        with self._desk.books.transaction():
            self._tasks.close(row.approval, "it has changed and is asked for anew", at=now)
            rows = [person_row(person) for person in row.people]
            task = self._tasks.approve(row, window, rows, sample=text, due_at=due_at, at=now)
            self._books.ask(row, downtime_id=row.id, task=task.id, fingerprint=wanted, people=row.people)

    def _fingerprint(self, telling: Telling, window: Window) -> str:
        site = self._desk.site()
        audience = [[asdict(one), source_words(site, one.source)] for one in window.audience]
        about = [window.name, window.about, window.hours, expand_hosts(window.hosts, site), audience]
        return fingerprint(templates=self._mails.templates(telling), ladder=telling.ladder, audience=about)

    def _task(self, row: Downtime) -> Task | None:
        try:
            return None if row.approval is None else self._desk.books.tasks.get(row.approval)
        except NotFound:  # long done, and forgotten
            return None
