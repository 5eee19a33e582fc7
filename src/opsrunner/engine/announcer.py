"""Keeps windows and incidents: has them approved, tells customers, asks staff for what is theirs to say.

It is called again and again in a thread of its own, since sources may take their time; each look writes only what has
changed, and after a crash the next one goes on.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from opsrunner.engine.affected import ReadOnce, ReadSource, affected, why_unknown
from opsrunner.engine.approving import Approving
from opsrunner.engine.desk import Desk
from opsrunner.engine.downtime_duties import DowntimeDuties
from opsrunner.engine.downtime_mails import DowntimeMails, Telling
from opsrunner.engine.downtime_rules import rules_of
from opsrunner.engine.downtime_tasks import DowntimeTasks
from opsrunner.engine.downtimes import LOOK_BACK, expand_hosts, file_time, plan_of
from opsrunner.errors import OpsrunnerError, StepFailed
from opsrunner.model.downtime import Downtime
from opsrunner.model.window import Audience, Window
from opsrunner.records import dataclass
from opsrunner.schedules.moments import Span
from opsrunner.schedules.windows import window_times

LOGGER = logging.getLogger("opsrunner")
READ_AGAIN = timedelta(hours=1)
TRY_AGAIN = timedelta(minutes=5)
CLOSED_AFTER = timedelta(days=14)
"""What is over is told of for so long at most."""
Settled: TypeAlias = tuple[object, datetime, datetime]
"""What a look was about, when it was, and when there is something to do again."""


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One look at one downtime."""

    row: Downtime
    window: Window | None
    telling: Telling
    audience: tuple[Audience, ...]
    accountable: str
    now: datetime


class Announcer:
    """Looks after all windows and incidents of a site."""

    def __init__(self, desk: Desk, *, read: ReadSource, is_trial: bool = False) -> None:
        """In a trial every list counts as approved: no mail leaves the machine."""
        self._desk, self._read, self._is_trial = desk, read, is_trial
        self._books = desk.books.downtimes
        self._tasks = DowntimeTasks(desk)
        self._duties = DowntimeDuties(desk, self._tasks)
        self._settled: dict[int, Settled] = {}
        self._read_once = ReadOnce(read)

    def work(self, now: datetime) -> int:
        """Do what is due now for every window and incident; return how many mails were queued.

        What fails for one of them does not stop the others.
        """
        if not self._desk.site().maintenance.windows and not self._books.unclosed():
            return 0
        self._see_windows(now)
        sent = 0
        for row in self._books.unclosed():
            try:
                sent += self._look_at(row, now)
            except StepFailed as exc:
                self._postpone(row, now)
                LOGGER.warning("%s: %s", row.notice, exc, extra={"action": "announcement_failed"})
            except OpsrunnerError as exc:
                self._postpone(row, now)
                LOGGER.error("%s: %s", row.notice, exc, extra={"action": "announcement_failed"})  # noqa: TRY400 (a sentence is enough)
        self._read_once = ReadOnce(self._read)
        return sent

    def _see_windows(self, now: datetime) -> None:
        """Write down each time of a window once it is to be approved, or begins."""
        site, almanac = self._desk.site(), self._desk.almanac()
        for window in site.maintenance.windows.values():
            ahead = timedelta(seconds=window.approve_seconds if window.told_in_advance else 0)
            for time in window_times(window.id, Span(now - LOOK_BACK, now + ahead), almanac):
                if time.change is None and time.ends_at > now:
                    known = self._books.of_window(window.id, time.nominal_at)
                    if known is None:
                        self._books.see(plan_of(window, time, site=site), at=now)

    def _look_at(self, row: Downtime, now: datetime) -> int:
        window = self._desk.site().maintenance.windows.get(row.window)
        if not row.is_incident and not self._is_in_file(row, window, now):
            return 0
        row = self._books.get(row.id)
        look = self._look(row, now)
        if not row.is_over and row.begun_at is None and row.begins_at <= now:
            self._books.begin(row.id, at=now)
            look = replace(look, row=self._books.get(row.id))
        self._duties.keep(look.row, look.telling.ladder, accountable=look.accountable, now=now)
        sent = self._announce(look)
        self._duties.overrun(self._books.get(row.id), accountable=look.accountable, now=now)
        return sent

    def _is_in_file(self, row: Downtime, window: Window | None, now: datetime) -> bool:
        """Tell whether to go on with a time of a window; one that nobody has heard of follows its file."""
        time = None if window is None else file_time(row, window, self._desk.almanac())
        if row.is_touched:
            is_same = time is not None and (time.begins_at, time.ends_at) == (row.begins_at, row.ends_at)
            why = "" if is_same or (row.moved_at is not None and time is not None) else _stray_words(time is None)
            self._duties.stray(row, why, accountable=window.accountable if window else "owner", now=now)
            return True
        if time is None or window is None or time.ends_at <= now:
            with self._desk.books.transaction():
                self._tasks.close(row.approval, "maintenance.yaml no longer plans it", at=now)
                self._tasks.close(row.source_task, "maintenance.yaml no longer plans it", at=now)
                self._books.drop(row.id)
            return False
        if (time.begins_at, time.ends_at) != (row.begins_at, row.ends_at):
            self._books.update_plan(plan_of(window, time, site=self._desk.site()), downtime_id=row.id)
        return True

    def _look(self, row: Downtime, now: datetime) -> _Look:
        rules = rules_of(row, self._desk)
        return _Look(
            row=row,
            window=rules.window,
            telling=rules.telling,
            audience=rules.audience,
            accountable=rules.accountable,
            now=now,
        )

    def _announce(self, look: _Look) -> int:
        """Tell what is due of one downtime, where it may be told."""
        row, now = look.row, look.now
        if row.is_over:
            return self._tell_end(look)
        if not look.audience or not self._is_worth_a_look(look):
            return 0
        look = self._with_people(look)
        if look.row.is_incident or self._is_approved(look):
            look = replace(look, row=self._books.get(row.id))
            telling = replace(look.telling, row=look.row)
            mails = self._mails(now)
            sent = mails.tell(telling)
            sent += mails.post(telling, self._desk.books.downtimes.posts([row.id]).get(row.id, []))
            self._settle(look, mails, telling)
            return sent
        return 0

    def _tell_end(self, look: _Look) -> int:
        row, now = look.row, look.now
        telling = replace(look.telling, row=row)
        mails = self._mails(now)
        last: datetime | None = None
        if row.cancelled_at is not None:
            sent = mails.cancel(telling)
        else:
            sent = mails.post(telling, self._desk.books.downtimes.posts([row.id]).get(row.id, []))
            more, last = mails.end(telling)
            sent += more
        over_at = row.ended_at or row.cancelled_at or now
        if last is None or last <= now or now - over_at > CLOSED_AFTER:
            with self._desk.books.transaction():
                mails.finish(row)
                self._duties.over(row, rules=self._desk.site().maintenance.incidents, now=now)
            self._settled.pop(row.id, None)
        return sent

    def _is_worth_a_look(self, look: _Look) -> bool:
        """Tell whether anything may be due: sources are not read again and again for nothing."""
        settled = self._settled.get(look.row.id)
        if settled is None:
            return True
        about, since, again_at = settled
        return about != self._about(look) or look.now < since or look.now >= again_at

    def _about(self, look: _Look) -> object:
        row, task = look.row, None
        if row.approval is not None and row.approved_at is None:
            task = self._desk.books.tasks.get(row.approval)
        posts = len(self._desk.books.downtimes.posts([row.id]).get(row.id, []))
        telling = replace(look.telling, row=look.row, to_working_time=None)
        known = (row.begins_at, row.ends_at, row.title, row.about, row.hosts, row.approved_at, row.fingerprint)
        return known, telling.ladder, telling.template, look.window, task, posts

    def _settle(self, look: _Look, mails: DowntimeMails, telling: Telling) -> None:
        coming = [moment.due_at for moment in mails.moments(telling) if moment.due_at > look.now]
        again = min([*coming, look.now + READ_AGAIN])
        self._settled[look.row.id] = (self._about(look), look.now, again)

    def _postpone(self, row: Downtime, now: datetime) -> None:
        settled = self._settled.get(row.id)
        if settled is not None:
            self._settled[row.id] = (settled[0], now, now + TRY_AGAIN)

    def _with_people(self, look: _Look) -> _Look:
        """Read who is affected now; where that fails, those of the last look are told."""
        row, now = look.row, look.now
        hosts = row.hosts if look.window is None else expand_hosts(look.window.hosts, self._desk.site())
        try:
            found = affected(look.audience, hosts, site=self._desk.site(), read=self._read_once)
        except StepFailed as exc:
            self._duties.unknown(row, f"who is affected cannot be read: {exc}", accountable=look.accountable, now=now)
            if not row.people:
                raise
            return look
        self._duties.unknown(row, why_unknown(found), accountable=look.accountable, now=now)
        if found.people != row.people:
            self._books.keep_people(row.id, found.people)
        return replace(look, row=replace(self._books.get(row.id), people=found.people))

    def _is_approved(self, look: _Look) -> bool:
        assert look.window is not None  # noqa: S101  incidents are told at once
        approving = Approving(self._desk, self._tasks, self._mails(look.now), is_trial=self._is_trial)
        telling = replace(look.telling, row=look.row)
        is_approved = approving.is_approved(telling, look.window, now=look.now)
        if not is_approved:
            fresh = replace(look, row=self._books.get(look.row.id))
            answered_at = approving.again_at(fresh.row)
            is_to_count = answered_at is not None and answered_at > look.now
            again_at = answered_at if answered_at is not None and is_to_count else look.now + READ_AGAIN
            self._settled[look.row.id] = (self._about(fresh), look.now, again_at)
        return is_approved

    def _mails(self, now: datetime) -> DowntimeMails:
        return DowntimeMails(self._desk.books, site=self._desk.site(), folders=self._desk.reports, now=now)


def _stray_words(is_gone: bool) -> str:
    return "no longer plans it" if is_gone else "plans another time"
