"""What staff do about maintenance windows and incidents: start, post, end, cancel, move, open. Each with its record.

Nothing is mailed here: the announcer sees what has changed and tells those who have to hear of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.downtimes import Stand, expand_hosts
from opsrunner.errors import Refused, UsageError
from opsrunner.ledger.downtimes import Downtimes
from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.model.downtime import INCIDENT, Downtime, NewDowntime
from opsrunner.model.outcome import Row
from opsrunner.model.person import Person
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import moment_words
from opsrunner.schedules.windows import MARGIN

TITLE_LENGTH, TEXT_LENGTH = 120, 2_000
EARLIEST_START = timedelta(hours=1)
"""So long before its time a window can be started; what is to begin earlier is moved first."""
LONGEST = timedelta(days=14)
OLDEST_INCIDENT = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class By:
    """Who acts, when and from where."""

    actor: Person
    at: datetime
    address: str = "cli"


class DowntimeActs:
    """Every method writes the act and its record together. Raises NotFound, UsageError or Refused."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def start(self, one: Stand, *, by: By) -> Downtime:
        """Write that a window has begun."""
        if one.plan.begins_at - by.at > EARLIEST_START:
            begins = self._words(one.plan.begins_at)
            raise Refused(f"{one.name} begins {begins}: move it first (opsrunner maintenance move {one.name} --to +5m)")
        return self._act("start", one, lambda row: self._books.start(row.id, at=by.at), by=by)

    def end(self, one: Stand | Downtime, *, by: By) -> Downtime:
        """Write that a window or an incident is over."""
        if _begins(one) > by.at:
            raise Refused(f"{one.name} has not begun; to call it off: opsrunner maintenance cancel {one.name}")
        return self._act("end", one, lambda row: self._books.end(row.id, at=by.at), by=by)

    def cancel(self, one: Stand, *, reason: str, by: By) -> Downtime:
        """Call a window off; those who had heard of it are told."""
        said = clean_line(reason, length=TEXT_LENGTH)
        return self._act("cancel", one, lambda row: self._books.cancel(row.id, said=said, at=by.at), by=by, detail=said)

    def move(
        self,
        one: Stand,
        *,
        begins_at: datetime | None,
        ends_at: datetime | None,
        reason: str,
        by: By,
    ) -> Downtime:
        """Give a window another time; those who had heard of it are told. One that was started only ends otherwise."""
        begin, end = self._new_times(one, begins_at, ends_at, at=by.at)
        said = clean_line(reason, length=TEXT_LENGTH)
        before = list(one.row.before) if one.row is not None else []
        if begin != one.plan.begins_at <= by.at:
            before.append((one.plan.begins_at, by.at + MARGIN))

        def change(known: Downtime) -> bool:
            return self._books.move(known, begins_at=begin, ends_at=end, before=before, said=said, at=by.at)

        detail = f"from {self._words(one.plan.begins_at)} to {self._words(begin)}, until {self._words(end)}"
        return self._act("move", one, change, by=by, detail=f"{detail}: {said}" if said else detail)

    def post(self, one: Stand | Downtime, text: str, *, by: By) -> Downtime:
        """Say how it stands; the open task for it is done with that."""
        said = clean_text(text).strip()[:TEXT_LENGTH]
        if not said:
            raise UsageError("say how it stands, in a sentence or two")
        if _begins(one) > by.at:
            raise Refused(f"{one.name} has not begun; what is to be known before goes with a move, or by mail")

        def change(known: Downtime) -> bool:
            return not known.is_over and self._books.post(known.id, said, by=by.actor.id, at=by.at) > 0

        return self._act("post", one, change, by=by, detail=said)

    def open_incident(
        self,
        hosts: Sequence[str],
        *,
        title: str,
        about: str = "",
        since: datetime | None = None,
        people: Sequence[Row] = (),
        by: By,
    ) -> Downtime:
        """Open an incident on hosts; those whom it affects are told at once. `people` are they, as just read.

        One of the same title and hosts that has not ended is returned as it is: whoever presses twice tells once.
        """
        self._require_staff(by.actor)
        line, began = clean_line(title, length=TITLE_LENGTH), since or by.at
        if not line:
            raise UsageError('say in a few words what is wrong, as customers would: --title "Mail on web5 is slow"')
        if not hosts or any(not clean_line(host) for host in hosts):
            raise UsageError("name the hosts that it is about")
        if not by.at - OLDEST_INCIDENT <= began <= by.at:
            raise UsageError(f"--since must lie in the past, by {OLDEST_INCIDENT.days} days at most")
        new = NewDowntime(
            window=INCIDENT,
            nominal_at=began,
            title=line,
            about=clean_text(about).strip()[:TEXT_LENGTH],
            hosts=expand_hosts(hosts, self._desk.site()),
            begins_at=began,
            ends_at=None,
            by=by.actor.id,
        )
        with self._desk.books.transaction():
            if (open_one := self._books.open_like(new)) is not None:
                return open_one
            row = self._books.see(new, at=by.at)
            self._books.keep_people(row.id, people)
            detail = f"{line} ({', '.join(new.hosts)})"
            self._desk.books.audit.add("open", row.name, actor=by.actor.id, at=by.at, detail=detail, address=by.address)
        return self._books.get(row.id)

    @property
    def _books(self) -> Downtimes:
        return self._desk.books.downtimes

    def _new_times(
        self, one: Stand, begins_at: datetime | None, ends_at: datetime | None, *, at: datetime
    ) -> tuple[datetime, datetime]:
        """Return the begin and end that are wanted. Raises UsageError or Refused."""
        if begins_at is None and ends_at is None:
            raise UsageError("say where to: --to WHEN, or until when it lasts: --until WHEN")
        plan = one.plan
        planned_end = plan.ends_at or plan.begins_at
        if begins_at is not None and one.row is not None and one.row.started_at is not None:
            raise Refused(f"{one.name} has begun: it can be ended, or last longer (--until), and no longer be moved")
        begin = begins_at or plan.begins_at
        end = ends_at or begin + (planned_end - plan.begins_at)
        if begins_at is not None and begin <= at:
            raise UsageError("it can only be moved to a time to come")
        if end <= max(begin, at) or end - begin > LONGEST:
            times = f"from {self._words(begin)} until {self._words(end)}"
            raise UsageError(f"{times}: it must end after it begins and after now, within {LONGEST.days} days")
        if (begin, end) == (plan.begins_at, planned_end):
            raise UsageError(f"{one.name} is at that time already")
        return begin, end

    def _act(
        self, action: str, one: Stand | Downtime, change: Callable[[Downtime], bool], *, by: By, detail: str = ""
    ) -> Downtime:
        self._require_staff(by.actor)
        with self._desk.books.transaction():
            row = one if isinstance(one, Downtime) else self._books.see(one.plan, at=by.at)
            if isinstance(one, Stand) and not row.is_touched:
                self._books.update_plan(one.plan, downtime_id=row.id)
                row = self._books.get(row.id)
            if not change(row):
                raise Refused(f"{row.name} is {self._books.get(row.id).status(by.at).value} already")
            subject = row.name if row.is_incident else f"maintenance {row.window}"
            self._desk.books.audit.add(action, subject, actor=by.actor.id, at=by.at, detail=detail, address=by.address)
        return self._books.get(row.id)

    def _require_staff(self, actor: Person) -> None:
        if not actor.is_staff or actor.is_partner:
            raise Refused(f"{actor.name} may look, but not change windows and incidents")

    def _words(self, moment: datetime) -> str:
        return moment_words(moment, zone=ZoneInfo(self._desk.site().timezone))


def _begins(one: Stand | Downtime) -> datetime:
    """Return when something began, or is to begin."""
    return one.began_at if isinstance(one, Downtime) else one.begins_at
