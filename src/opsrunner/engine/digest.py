"""Digests: when one is due, what it tells, and that it tells it once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_collect import Span, collect
from opsrunner.engine.digest_render import render_html, render_text
from opsrunner.engine.people import People
from opsrunner.errors import Refused, StateError
from opsrunner.ledger.codec import optional_moment, to_text
from opsrunner.ledger.digests import SentDigest
from opsrunner.model.digest import Digest, Series
from opsrunner.model.mail import NewMail
from opsrunner.model.schedule import Schedule
from opsrunner.records import dataclass
from opsrunner.schedules.due import occurrences

LOGGER = logging.getLogger("opsrunner")
FAULT = "the %s digest cannot be made, and is tried again and again; this is a fault in opsrunner, please report it"
SERIES: tuple[Series, ...] = ("daily", "weekly", "monthly")
ON_TIME = timedelta(minutes=5)
SINCE = "{}_digests_since"
"""What the ledger calls the moment from which on digests of a series are owed."""
AFTER = "{}_digests_after"
"""What it calls the newest end of a run at that moment; 0 where no series had told of any before."""
SET_BACK = timedelta(minutes=30)
"""A digest that ends as little after now is ours: the clock was set back by so much since, and owes no second one."""
_SPANS = {"daily": timedelta(days=1), "weekly": timedelta(days=7), "monthly": timedelta(days=31)}


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A digest with both parts of its mail."""

    digest: Digest
    html: str
    text: str


class DigestWriter:
    """Collects, renders, keeps and queues digests."""

    def __init__(self, desk: Desk, *, loaded: Callable[[], Loaded]) -> None:
        self._desk = desk
        self._books = desk.books
        self._loaded = loaded
        self._faults: dict[Series, str] = {}

    def write_due(self, now: datetime) -> None:
        """Write the digests whose time has come since the last of their series.

        A fault of ours in one is logged, whole where it is news, and keeps back nothing else: its series is tried
        again by the next call. Raises StateError.
        """
        for series in SERIES:
            try:
                if self._due_at(series, now) is not None:
                    self.write(series, now)
                self._faults.pop(series, None)
            except StateError:
                raise
            except Exception as exc:  # noqa: BLE001 (whatever it is, routines are not to stand still for it)
                self._note_fault(series, exc)

    def _note_fault(self, series: Series, exc: Exception) -> None:
        said = repr(exc)
        if self._faults.get(series) != said:
            LOGGER.error(FAULT, series, exc_info=exc, extra={"action": "digest_failed", "series": series})
        self._faults[series] = said

    def are_healthy(self) -> bool:
        """Tell whether no digest waits for a fault of ours to be mended."""
        return not self._faults

    def preview(self, series: Series, now: datetime, *, from_: datetime | None = None) -> Rendered:
        """Return what a digest would say now. Nothing is stamped."""
        return self._render(series, from_=from_, until=now)

    def stands(self, now: datetime, *, from_: datetime) -> Digest:
        """Return what a daily digest of the time since `from_` would tell, before it is words. Nothing is stamped."""
        after = self._books.ends.by(from_)  # also what a digest has told of: it is the day that is asked about
        through = self._books.ends.newest(after=after, until=now)
        span = Span(series="daily", from_=from_, until=now, after=after, through=through)
        return collect(self._desk, span, loaded=self._loaded())

    def write(self, series: Series, now: datetime) -> int | None:
        """Keep a digest, stamp its runs and queue its mails in one transaction; return its id.

        None where a digest of the series ends at this very moment already.
        """
        due_at = self._due_at(series, now)
        until = due_at if due_at is not None and now - due_at <= ON_TIME else now
        with self._books.transaction():
            made = self._render(series, from_=None, until=until)
            digest_id = self._books.digests.write(_kept(made, now))
            if digest_id is not None:
                self._books.outbox.put(self._mails(made, digest_id, now), at=now)
        return digest_id

    def send_now(self, series: Series, now: datetime) -> int:
        """Write a digest out of turn. Raises Refused where one ends at this very moment."""
        digest_id = self.write(series, now)
        if digest_id is None:
            raise Refused(f"the {series} digest of this moment was written already")
        return digest_id

    def _due_at(self, series: Series, now: datetime) -> datetime | None:
        """Return the newest due moment of a series that no digest covers."""
        schedule = self._schedule(series)
        if schedule is None:
            return None
        last = self._books.digests.last(series, until=now + SET_BACK)  # a clock further ahead has written none of ours
        since = last.until_at if last is not None else self._since(series, now)
        coming = list(occurrences(schedule, after=since, until=now, almanac=self._desk.almanac()))
        return coming[-1].planned_at if coming else None

    def told_through(self) -> int | None:
        """Return the newest end of a run that every series which is sent has told of; None where none is sent."""
        sent = [series for series in SERIES if self._schedule(series) is not None]
        return min((self._told(series) or 0 for series in sent), default=None)

    def _told(self, series: Series) -> int | None:
        """Return up to which end a series has told, or where it began; None where it was never asked for."""
        told = self._books.digests.through(series)
        if told is not None:
            return told
        began = self._books.service.recall(AFTER.format(series))
        return None if began is None else min(int(began), self._books.ends.newest(after=0))

    def _since(self, series: Series, now: datetime) -> datetime:
        """Return from when on digests of a series are owed: the first time that anybody asked."""
        known = optional_moment(self._books.service.recall(SINCE.format(series)))
        if known is None:
            is_first = not any(self._books.digests.last(other) for other in SERIES)
            after = 0 if is_first else self._books.ends.newest(after=0)
            with self._books.transaction():
                self._books.service.remember(SINCE.format(series), to_text(now))
                self._books.service.remember(AFTER.format(series), str(after))
        return known or now

    def _span(self, series: Series, *, from_: datetime | None, until: datetime) -> Span:
        begins = from_ or self._from(series, until)
        told = self._told(series)
        is_sent = self._schedule(series) is not None
        after = told if told is not None and is_sent else max(told or 0, self._books.ends.by(begins))
        through = self._books.ends.newest(after=after, until=until)
        return Span(series=series, from_=begins, until=until, after=after, through=through)

    def _from(self, series: Series, until: datetime) -> datetime:
        """Return where the digest before ended; the first one begins where the watch began."""
        usual = until - _SPANS[series]
        last = self._books.digests.last(series, until=until)
        if self._schedule(series) is None:
            return usual if last is None else min(until, max(usual, last.until_at))
        if last is not None and last.until_at < until:
            return last.until_at
        known = optional_moment(self._books.service.recall(SINCE.format(series))) if last is None else None
        return known if known is not None and known < until else usual

    def _schedule(self, series: Series) -> Schedule | None:
        times = self._desk.site().digest
        return {"daily": times.daily, "weekly": times.weekly, "monthly": times.monthly}[series]

    def _render(self, series: Series, *, from_: datetime | None, until: datetime) -> Rendered:
        digest = collect(self._desk, self._span(series, from_=from_, until=until), loaded=self._loaded())
        folders = self._desk.reports
        return Rendered(digest=digest, html=render_html(digest, folders), text=render_text(digest, folders))

    def _mails(self, made: Rendered, digest_id: int, now: datetime) -> list[NewMail]:
        people = People(self._desk)
        addresses = [address for name in self._desk.site().digest.to for address in people.addresses(name, at=now)]
        return [
            NewMail(
                to=address,
                subject=made.digest.subject,
                text=made.text,
                html=made.html,
                about=f"digest {made.digest.series}",
                unique=f"digest {digest_id} {address}",
            )
            for address in dict.fromkeys(addresses)
        ]


def _kept(made: Rendered, now: datetime) -> SentDigest:
    return SentDigest(
        id=0,
        series=made.digest.series,
        from_at=made.digest.from_,
        until_at=made.digest.until,
        created_at=now,
        subject=made.digest.subject,
        text=made.text,
        html=made.html,
        runs=made.digest.runs,
        through=made.digest.through,
    )
