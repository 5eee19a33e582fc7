"""What one time of a window, or one incident, will tell customers; written down nowhere.

It goes by the same words, lists and approvals as the announcer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from opsrunner.engine.affected import Affected, why_unknown
from opsrunner.engine.approving import Approving, Given
from opsrunner.engine.downtime_ladders import sends_posts
from opsrunner.engine.downtime_mails import DowntimeMails, Telling, Word
from opsrunner.engine.downtime_rules import rules_of
from opsrunner.engine.downtime_tasks import DowntimeTasks
from opsrunner.engine.downtime_words import span_short
from opsrunner.engine.downtimes import Stand, expand_hosts
from opsrunner.engine.foretold import LIVE, MOST_FORESEEN, WAITS, NoticeForecast
from opsrunner.engine.moment_words import when_words
from opsrunner.engine.notices import NoticeHouse
from opsrunner.errors import OpsrunnerError, StepFailed
from opsrunner.model.downtime import Downtime, NewDowntime
from opsrunner.model.mail import NewMail
from opsrunner.model.site import Site
from opsrunner.model.window import MAINTENANCE
from opsrunner.notices.editions import edition_of, heard_by
from opsrunner.notices.foresight import Ahead, Foreseen, foresee, foresee_cancelled
from opsrunner.notices.silence import silenced, why_silent
from opsrunner.records import dataclass

BY_HAND = "by hand"
UNKNOWN_ROW = 0
"""The number of a time that the ledger does not know yet; no row of it has that one."""


def notice_of(stand: Stand) -> str:
    """Return what the mails of a time of a window, or of an incident, are known by."""
    return stand.row.notice if stand.row is not None else f"{MAINTENANCE}{stand.plan.window}"


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """Mails that are to come, each beside the word that it is made from."""

    word: Word
    mails: tuple[Foreseen, ...]


class Outlook:
    """The forecast of one downtime."""

    def __init__(
        self, house: NoticeHouse, stand: Stand, *, affected: Callable[[Downtime], Affected], until: datetime
    ) -> None:
        """`affected` says who is; it may raise StepFailed."""
        self._house, self._stand, self._affected, self._until = house, stand, affected, until
        self._desk, self._now = house.desk, house.now()
        self._zone = ZoneInfo(self._desk.site().timezone)
        self._row = _row_of(stand, self._desk.site(), now=self._now)
        self._rules = rules_of(self._row, self._desk)
        self._mails = self._mails_at(self._now)

    def has_something_to_tell(self) -> bool:
        """Tell whether anybody is to hear of it in the time that is looked at."""
        row = self._row
        if row.is_over:
            return bool(self._mails.heard(row))
        if not self._rules.audience or not self._rules.telling.ladder.rungs:
            return False
        moments = self._mails.moments(replace(self._rules.telling, row=row))
        first = min([row.begins_at, *(moment.due_at for moment in moments)])
        return first <= self._until

    def made(self) -> NoticeForecast:
        """Return the forecast; what stands in its way is told in it."""
        row, is_incident = self._row, self._row.is_incident
        when = span_short(row.begins_at, row.ends_at, now=self._now, zone=self._zone)
        base = NoticeForecast(
            notice=notice_of(self._stand),
            occasion=self._shown_key(),
            known_as="" if row.id == UNKNOWN_ROW else str(row.id),
            name=f"{row.title}, {when}",
            standing=LIVE if is_incident or row.is_over else WAITS,
        )
        try:
            return self._over(base) if row.is_over else self._to_come(base)
        except OpsrunnerError as exc:
            return replace(base, problem=exc.message)

    def _to_come(self, base: NoticeForecast) -> NoticeForecast:
        base = self._with_people(base)
        given = self._given()
        if given is not None:
            self._row = replace(self._row, struck=given.struck, approved_at=given.counts_at)
            base = replace(base, standing=LIVE)
        state, first = "goes" if base.standing == LIVE else "held", self._first_look(given)
        ahead = self._heard(self._mails.ahead(self._telling()), first=first, state=state)
        end_at = self._row.ends_at if self._row.ends_at is not None and self._row.ends_at > self._now else None
        if end_at is not None:
            ahead = replace(ahead, mails=tuple(one for one in ahead.mails if one.goes_at < end_at))
        found = [ahead, *self._posted(first=first, state=state)]
        if end_at is not None:
            found.append(self._end(ahead, end_at=end_at, first=first, state=BY_HAND if state == "goes" else state))
        base = replace(base, notes=(*self._asked(given), *self._by_hand()), task=self._waiting(given))
        return self._whole(base, found)

    def _over(self, base: NoticeForecast) -> NoticeForecast:
        """Foretell what those who had heard are still to be told of what is over."""
        row, mails, telling = self._row, self._mails, self._telling()
        if row.cancelled_at is not None:
            return self._whole(base, [self._called_off(mails.ahead(telling))])
        after = mails.afterwards(telling, ended_at=row.ended_at or self._now, heard=mails.who_heard(row))
        posted = self._posted(first=self._now, state="goes")
        return self._whole(base, [*posted, self._heard(after, first=self._now, state="goes")])

    def _whole(self, base: NoticeForecast, found: Sequence[_Heard]) -> NoticeForecast:
        """Put the mails in the order in which they go, each with the word that it is made from."""
        words = {(one.message.rung, one.message.due_at): each.word for each in found for one in each.mails}

        def compose(one: Foreseen) -> NewMail:
            return self._mails_at(one.goes_at).compose(words[one.message.rung, one.message.due_at], one.message)

        mails = [one for each in found for one in each.mails]
        if len(mails) > MOST_FORESEEN:
            raise StepFailed(f"more than {MOST_FORESEEN:,} mails; look less far ahead", permanent=True)
        coming = sorted(mails, key=lambda one: (one.goes_at, one.message.due_at))
        return replace(base, coming=tuple(coming), compose=compose)

    def _with_people(self, base: NoticeForecast) -> NoticeForecast:
        """Read who is affected now; where that fails, those of the last look are told."""
        try:
            found = self._affected(self._row)
        except StepFailed as exc:
            if not self._row.people:
                raise
            return replace(base, problem=f"who is affected cannot be read: {exc.message}")
        self._row = replace(self._row, people=found.people)
        if not found.people:
            return replace(base, problem=why_unknown(found))
        return replace(base, unknown=len(found.nowhere), first_problem=why_unknown(found))

    def _given(self) -> Given | None:
        window = self._rules.window
        return None if window is None else self._approving.given(self._telling(), window, now=self._now)

    def _first_look(self, given: Given | None) -> datetime:
        """Return when the announcer first looks at it, and may tell somebody."""
        window = self._rules.window
        if self._row.id != UNKNOWN_ROW or window is None:
            return max(self._now, given.counts_at) if given is not None else self._now
        return max(self._now, self._row.begins_at - timedelta(seconds=window.approve_seconds))

    def _posted(self, *, first: datetime, state: str) -> list[_Heard]:
        row = self._row
        posts = self._desk.books.downtimes.posts([row.id]).get(row.id, [])
        words = self._mails.posted(self._telling(), posts, heard=self._mails.who_heard(row)) if posts else []
        return [self._heard(word, first=first, state=state) for word in words]

    def _end(self, ahead: _Heard, *, end_at: datetime, first: datetime, state: str) -> _Heard:
        """Foretell its end as planned, for those who have heard of it by then."""
        heard = {one.address: one for one in self._mails.who_heard(self._row)}
        for mail in ahead.mails:
            if mail.state != "suppressed":
                heard.setdefault(mail.message.recipient.address, mail.message.recipient)
        row = replace(self._row, ended_at=end_at, approved_at=self._row.approved_at or end_at)
        ended = replace(self._telling(), row=row)
        word = self._mails.afterwards(ended, ended_at=end_at, heard=tuple(heard.values()))
        return self._heard(word, first=max(first, end_at), state=state)

    def _heard(self, word: Word, *, first: datetime, state: str) -> _Heard:
        """Foretell one word for all who are to hear it."""
        occasion, notices = word.occasion, self._desk.books.notices
        known = notices.occasions(occasion.notice, [occasion.key]).get(occasion.key)
        told = sorted(notices.told(occasion.notice, [occasion.key]).get(occasion.key, []), key=attrgetter("recipient"))
        mine = {address: list(of) for address, of in groupby(told, key=attrgetter("recipient"))}
        edition = edition_of(occasion, known, now=first, rows={})
        rules = self._mails.rules(word.telling, word.ladder)
        mails = [
            one
            for recipient in occasion.recipients
            for one in foresee(
                occasion,
                recipient,
                edition=edition,
                heard=heard_by(mine.get(recipient.address, ()), edition=edition),
                rules=rules,
                ahead=Ahead(now=first, until=self._until, passes=None),
                tells_moves=True,
            )
        ]
        return _Heard(word=word, mails=self._settled(word, mails, state=state))

    def _called_off(self, word: Word) -> _Heard:
        """Foretell that it does not take place, for those who had heard."""
        occasion, notices = word.occasion, self._desk.books.notices
        known = notices.occasions(occasion.notice, [occasion.key]).get(occasion.key)
        told = notices.told(occasion.notice, [occasion.key]).get(occasion.key, [])
        mails = foresee_cancelled(known, told, notice=occasion.notice, first=self._now) if known is not None else ()
        return _Heard(word=word, mails=self._settled(word, list(mails), state="goes"))

    def _settled(self, word: Word, mails: Sequence[Foreseen], *, state: str) -> tuple[Foreseen, ...]:
        """Say of each mail whether it goes, under the name by which people know what it is about."""
        suppressions = self._desk.books.suppressions
        addresses = {one.message.recipient.address for one in mails}
        silent = silenced(suppressions, addresses, notice=word.occasion.notice, contractual=True)
        found = []
        for one in mails:
            shown = replace(one.message.occasion, key=self._shown_key(), recipients=())
            why = why_silent(silent.get(one.message.recipient.address, ()), word.occasion, at=one.goes_at)
            own = state if why is None else "suppressed"
            found.append(replace(one, message=replace(one.message, occasion=shown), state=own, why=why or ""))
        return tuple(found)

    def _waiting(self, given: Given | None) -> int | None:
        """Return the task in which its list waits."""
        window = self._rules.window
        if window is None or given is not None:
            return None
        task = self._approving.asked(self._telling(), window)
        return task.id if task is not None and task.is_open else None

    def _asked(self, given: Given | None) -> Iterator[str]:
        """Yield where its approval stands, while it has none."""
        window, row = self._rules.window, self._row
        if window is None or given is not None:
            return
        task, who = self._approving.asked(self._telling(), window), self._approver(window.approve_by)
        if row.id == UNKNOWN_ROW:
            asked_at = self._first_look(None)
            when = when_words(asked_at, now=self._now, zone=self._zone)
            yield f"Its list is laid before {who} {'now' if asked_at <= self._now else when}."
        elif task is None:
            yield f"Its list is laid before {who} now."
        elif task.is_open:
            yield f"Its list waits for {who}: task {task.id}."
        else:
            yield f"Its list was not approved: task {task.id}."

    def _approver(self, name: str) -> str:
        return "the owner" if name == "owner" else self._desk.site().name_of(name)

    def _by_hand(self) -> Iterator[str]:
        """Yield what goes when staff say so."""
        telling = self._telling()
        if self._mails.afterwards(telling, ended_at=self._now, heard=()).ladder.rungs:
            yield "Its end is told when somebody says that it is over."
        if sends_posts(telling.ladder):
            yield "What staff post while it lasts goes by mail to those who have heard of it."

    def _shown_key(self) -> str:
        """Return the name by which people know which time it is."""
        begins = self._row.begins_at.astimezone(self._zone)
        return self._row.name if self._row.is_incident else f"{begins:%Y-%m-%d %H:%M}"

    def _telling(self) -> Telling:
        return replace(self._rules.telling, row=self._row)

    def _mails_at(self, moment: datetime) -> DowntimeMails:
        return DowntimeMails(self._desk.books, site=self._desk.site(), folders=self._desk.reports, now=moment)

    @property
    def _approving(self) -> Approving:
        return Approving(self._desk, DowntimeTasks(self._desk), self._mails, is_trial=self._house.is_trial)


def _row_of(stand: Stand, site: Site, *, now: datetime) -> Downtime:
    """Return a downtime as it is told of: a window in the words of the file, which its approval is asked for."""
    window, plan = stand.window, stand.plan
    known = {one.name: getattr(plan, one.name) for one in fields(NewDowntime)}
    if stand.row is None:
        return Downtime(id=UNKNOWN_ROW, made_at=now, **known)
    if window is None or stand.row.is_over:
        return stand.row
    said = {"title": window.name, "about": window.about, "hosts": expand_hosts(window.hosts, site)}
    return replace(stand.row, **{**known, **said})
