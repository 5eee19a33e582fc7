"""What notices are given of the site: approvals, working hours, who is meant, and how recipients leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from opsrunner.engine.affected import ReadSource
from opsrunner.engine.desk import Desk
from opsrunner.engine.leaving import Leave
from opsrunner.engine.notice_tasks import ENDS, NoticeTasks
from opsrunner.engine.source_words import plain_options, source_words
from opsrunner.errors import NotFound
from opsrunner.ledger.codec import dumps
from opsrunner.model.notice import Suppression
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine
from opsrunner.model.site import Source
from opsrunner.model.task import Task, TaskStatus
from opsrunner.notices.means import NoticeMeans
from opsrunner.notices.reporting import NoticeReport
from opsrunner.records import dataclass
from opsrunner.schedules.business import working_moment
from opsrunner.schedules.zones import load_zone


@dataclass(frozen=True, kw_only=True)
class NoticeHouse:
    """Builds the means of notices, and takes what was approved into the ledger."""

    desk: Desk
    leave: Leave
    stream: Callable[[Source, Mapping[str, Any]], Iterator[Row]]
    read: ReadSource
    is_trial: bool
    now: Callable[[], datetime]

    @property
    def tasks(self) -> NoticeTasks:
        """What keeps the tasks about notices."""
        return NoticeTasks(self.desk)

    def means(self, routine: Routine, report: Callable[[NoticeReport], None]) -> NoticeMeans:
        """Return what the notices of one run may use."""
        site, books = self.desk.site(), self.desk.books
        return NoticeMeans(
            notices=books.notices,
            suppressions=books.suppressions,
            site=site.name,
            zone=load_zone(site.timezone),
            to_working_time=self._to_working_time,
            is_trial=self.is_trial,
            approved=lambda notice, fingerprint: self.is_approved(notice, fingerprint, at=self.now()),
            audience_of=lambda name: self._audience(routine, name),
            stream=self.stream,
            leave=self.leave.by,
            report=report,
        )

    def is_approved(self, notice: str, fingerprint: str, *, at: datetime) -> bool:
        """Tell whether a list was approved; one whose task was just ticked is taken over.

        The rows that were struck are suppressed: those recipients hear nothing of these occasions.
        """
        books = self.desk.books
        asked = books.notices.approval(notice, fingerprint)
        if asked is None or asked.at is not None:
            return asked is not None
        try:
            task = books.tasks.get(asked.task)
        except NotFound:
            return False
        if task.status is not TaskStatus.DONE or (task.settles_at is not None and task.settles_at > at):
            return False
        with books.transaction():
            books.suppressions.add(_struck(task, notice, at=at))
            books.notices.approve(notice, fingerprint, by=task.closed_by, at=at)
        return True

    def _to_working_time(self, moment: datetime) -> datetime:
        almanac = self.desk.almanac()
        calendar = almanac.calendar("business")
        return working_moment(moment, calendar=calendar, almanac=almanac, zone=self.desk.site().timezone)

    def _audience(self, routine: Routine, name: str) -> object:
        """Return what a step before is told to look for, with the source that it reads; or what a source is."""
        site = self.desk.site()
        for plan in routine.steps:
            if plan.id == name:
                source = source_words(site, str(plan.options.get("source", "")))
                return [plan.kind, dumps(plain_options(plan.options)), source]
        return source_words(site, name)


def _struck(task: Task, notice: str, *, at: datetime) -> list[Suppression]:
    why = f"struck from the list by {task.closed_by}"
    ends = (task.row or {}).get(ENDS, ())
    return [
        Suppression(
            address=str(row["to"]),
            notice=notice,
            key=str(row["about"]),
            why=why,
            by=task.closed_by,
            at=at,
            until=_moment(ends[position]) if position < len(ends) else None,
        )
        for position, row in ((position, task.rows[position]) for position in task.struck)
    ]


def _moment(end: Any) -> datetime | None:
    return datetime.fromisoformat(end) if isinstance(end, str) else end
