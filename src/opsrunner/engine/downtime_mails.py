"""The mails about windows and incidents: the ladder of each, what has changed, what was said, and that it is over.

What a recipient was told is settled by the notices of the ledger, so nobody hears a thing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.engine.affected import recipients
from opsrunner.engine.downtime_ladders import rungs_afterwards, rungs_ahead, sends_posts
from opsrunner.engine.downtime_words import span_said, view_of
from opsrunner.ledger.books import Books
from opsrunner.ledger.notices import NoticeBatch
from opsrunner.mail.calendar_files import Appointment, calendar_file
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.mail.styles import inline_styles
from opsrunner.model.downtime import Downtime, Post
from opsrunner.model.mail import Attachment, NewMail
from opsrunner.model.notice import CANCELLED, Ladder, Occasion, Recipient, Rung
from opsrunner.model.outcome import Row
from opsrunner.model.site import Site
from opsrunner.notices.batch import OVER
from opsrunner.notices.desk import PassDesk
from opsrunner.notices.due import Rules, RungMoment, moments_of
from opsrunner.notices.messages import Message, NoticeSettings
from opsrunner.notices.passing import NoticePass
from opsrunner.records import dataclass
from opsrunner.templates.mail_pages import open_mail_page

POST = "post"
BATCH = 200
"""Recipients that share a commit."""
ICS_NAME = "maintenance.ics"
_END, _POST = ".end", ".post."
"""What stands behind a downtime's number in the keys of what is told of its end, and of a post."""


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How one downtime is told of."""

    row: Downtime
    ladder: Ladder
    template: str
    ics: bool
    per_minute: int | None = None
    """How many of its mails may leave within any minute; None: as fast as the server takes them."""
    to_working_time: Callable[[datetime], datetime] | None = None


@dataclass(frozen=True, kw_only=True)
class Word:
    """Something that customers are told of a downtime, with all who are to hear it."""

    telling: Telling
    ladder: Ladder
    occasion: Occasion
    """As the ledger knows it."""
    said: str = ""
    """What staff posted."""


class DowntimeMails:
    """Tells who has to hear."""

    def __init__(self, books: Books, *, site: Site, folders: Sequence[Path], now: datetime) -> None:
        self._books, self._site, self._folders, self._now = books, site, folders, now
        self._zone = ZoneInfo(site.timezone)

    def moments(self, telling: Telling) -> tuple[RungMoment, ...]:
        """Return when the rungs before and at the beginning are due."""
        rules = self.rules(telling, rungs_ahead(telling.ladder))
        return moments_of(rules, at=telling.row.begins_at, until=telling.row.ends_at, now=self._now)

    def ahead(self, telling: Telling) -> Word:
        """Return what is told before and at the beginning."""
        row = telling.row
        people = recipients(row.people, struck=row.struck)
        occasion = Occasion(notice=row.notice, key=str(row.id), at=row.begins_at, until=row.ends_at, recipients=people)
        return Word(telling=telling, ladder=rungs_ahead(telling.ladder), occasion=occasion)

    def afterwards(self, telling: Telling, *, ended_at: datetime, heard: Sequence[Recipient]) -> Word:
        """Return what those who `heard` are told of its end; where it is the first word, all who may be told."""
        row, people = telling.row, tuple(heard)
        if not rungs_ahead(telling.ladder).rungs:
            is_allowed = row.is_incident or row.approved_at is not None
            people = recipients(row.people, struck=row.struck) if is_allowed else ()
        occasion = Occasion(notice=row.notice, key=f"{row.id}{_END}", at=ended_at, recipients=people)
        return Word(telling=telling, ladder=rungs_afterwards(telling.ladder), occasion=occasion)

    def posted(self, telling: Telling, posts: Sequence[Post], *, heard: Sequence[Recipient]) -> list[Word]:
        """Return what was said, as those who `heard` are told it: nothing where the ladder sends no posts."""
        if not sends_posts(telling.ladder):
            return []
        row, ladder = telling.row, Ladder(rungs=(Rung(name=POST),))
        return [
            Word(
                telling=telling,
                ladder=ladder,
                occasion=Occasion(
                    notice=row.notice, key=f"{row.id}{_POST}{post.id}", at=post.at, recipients=tuple(heard)
                ),
                said=post.text,
            )
            for post in posts
        ]

    def tell(self, telling: Telling) -> int:
        """Tell what is due before and at the beginning, and that its time has changed; return how many mails."""
        return self._take(self.ahead(telling))

    def cancel(self, telling: Telling) -> int:
        """Tell those who had heard that it does not take place; return how many mails."""
        word = self.ahead(telling)
        return self._pass(word, lambda one: one.cancel([word.occasion.key]))

    def end(self, telling: Telling) -> tuple[int, datetime | None]:
        """Tell those who had heard that it is over; return how many mails, and when the last rung of it is due."""
        row = telling.row
        word = self.afterwards(telling, ended_at=row.ended_at or self._now, heard=self.who_heard(row))
        if not word.ladder.rungs:
            return 0, None
        sent = self._take(word)
        moments = moments_of(self.rules(telling, word.ladder), at=word.occasion.at, until=None, now=self._now)
        return sent, max((moment.due_at for moment in moments), default=None)

    def post(self, telling: Telling, posts: Sequence[Post]) -> int:
        """Tell those who had heard what was said, where the ladder says so; return how many mails."""
        if not posts:
            return 0
        return sum(self._take(word) for word in self.posted(telling, posts, heard=self.who_heard(telling.row)))

    def finish(self, row: Downtime) -> None:
        """Write that nothing more is told of a downtime, so that what was told of it is forgotten with the years."""
        notices = self._books.notices
        mine = [key for key in notices.live_keys(row.notice) if key.partition(".")[0] == str(row.id)]
        known = notices.occasions(row.notice, mine).values()
        ended = [one._replace(ended_at=self._now, why=OVER) for one in known]
        notices.write(NoticeBatch(notice=row.notice, ended=ended), at=self._now)

    def sample(self, telling: Telling, *, rung: str) -> NewMail:
        """Return the mail that the first recipient would get. Raises ExpressionError, NotFound."""
        row = telling.row
        people = recipients(row.people)
        occasion = Occasion(notice=row.notice, key=str(row.id), at=row.begins_at, until=row.ends_at)
        message = Message(occasion=occasion, recipient=people[0], rung=rung, due_at=self._now)
        return self._composer(telling, "")(message)

    def templates(self, telling: Telling) -> list[str]:
        """Return the texts of the template. Raises NotFound, ExpressionError."""
        return list(open_mail_page(telling.template, folders=self._folders).sources)

    def heard(self, row: Downtime) -> Collection[str]:
        """Return the addresses that have heard of it."""
        return {one.address for one in self.who_heard(row)}

    def who_heard(self, row: Downtime) -> tuple[Recipient, ...]:
        """Return those who have heard of it, with what of theirs is affected now."""
        known = {person["to"]: person for person in row.people}
        told = self._books.notices.told(row.notice, [str(row.id)]).get(str(row.id), [])
        found = {
            one.recipient: Recipient(
                address=one.recipient, name=one.name, row=known.get(one.recipient) or _nobody(one.recipient, one.name)
            )
            for one in told
            if one.status.reached
        }
        return tuple(found.values())

    def rules(self, telling: Telling, ladder: Ladder) -> Rules:
        """Return how the moments of a ladder are counted."""
        return Rules(ladder=ladder, zone=self._zone, to_working_time=telling.to_working_time)

    def compose(self, word: Word, message: Message) -> NewMail:
        """Return one mail of a word. Raises ExpressionError, NotFound."""
        return self._composer(word.telling, word.said)(message)

    def _take(self, word: Word) -> int:
        """Settle what is due, some recipients a commit: who else writes to the ledger is not kept waiting for long."""
        people = word.occasion.recipients

        def do(one: NoticePass) -> None:
            for start in range(0, max(1, len(people)), BATCH):
                one.take([replace(word.occasion, recipients=people[start : start + BATCH])])

        return self._pass(word, do)

    def _pass(self, word: Word, do: Callable[[NoticePass], None]) -> int:
        row = word.telling.row
        settings = NoticeSettings(
            notice=row.notice,
            rules=self.rules(word.telling, word.ladder),
            contractual=True,
            tells_moves=True,
            has_rows_elsewhere=True,
        )
        desk = PassDesk(
            settings,
            notices=self._books.notices,
            suppressions=self._books.suppressions,
            compose=self._composer(word.telling, word.said),
            now=self._now,
        )
        do(NoticePass(desk))
        if row.announced_at is None and self.who_heard(row):
            self._books.downtimes.announced(row.id, at=self._now)
        return desk.tally.sent

    def _composer(self, telling: Telling, said: str) -> Callable[[Message], NewMail]:
        page = open_mail_page(telling.template, folders=self._folders)
        row = telling.row
        known = {person["to"]: person for person in row.people}
        files = {is_over: self._calendar(row, is_over) for is_over in (False, True)} if telling.ics else {}

        def compose(message: Message) -> NewMail:
            address = message.recipient.address
            person = known.get(address) or _nobody(address, message.recipient.name)
            subject, text, html = page.render(self._context(message, person, row, said))
            wants_file = bool(files) and message.rung not in (POST, "end") and not row.ended_at
            return NewMail(
                to=address,
                subject=clean_line(subject),
                text=text,
                html=inline_styles(html) if html else "",
                about=f"notice {row.notice}",
                bulk=True,
                series=row.notice,
                per_minute=telling.per_minute,
                attachments=(files[message.change == CANCELLED],) if wants_file else (),
            )

        return compose

    def _context(self, message: Message, person: Row, row: Downtime, said: str) -> Mapping[str, Any]:
        was = span_said(message.was_at, None, zone=self._zone) if message.was_at else ""
        if message.change == CANCELLED:  # the time that they have heard, also where it was moved since without a word
            row = replace(row, begins_at=message.occasion.at, ends_at=message.occasion.until)
        return {
            "site": {"name": self._site.name, "timezone": self._site.timezone},
            "row": person,
            "to": message.recipient.address,
            "name": person["name"],
            "services": person["services"],
            "window": view_of(row, zone=self._zone),
            "rung": message.rung,
            "change": message.change,
            "was": was,
            "post": said,
            "reason": row.said if message.change else "",
            "is_over": row.is_over,
            "now": self._now.astimezone(self._zone),
        }

    def _calendar(self, row: Downtime, is_cancelled: bool) -> Attachment:
        appointment = Appointment(
            uid=f"maintenance-{row.id}@{self._books.ledger.id}",
            sequence=row.sequence,
            title=f"{self._site.name}: {row.title}",
            about=row.about,
            begins_at=row.begins_at,
            ends_at=row.ends_at or row.begins_at,
            timezone=self._site.timezone,
            organizer=parse_address(self._site.mail.from_).address,
            stamped_at=self._now,
            is_cancelled=is_cancelled,
        )
        return calendar_file(appointment, name=ICS_NAME)


def _nobody(address: str, name: str) -> Row:
    """Return somebody who heard of it and is not affected any more."""
    return {"to": address, "name": name, "customer": "", "services": []}
