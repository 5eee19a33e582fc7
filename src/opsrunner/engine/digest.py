"""Digests: when one is due, what it tells, and that it tells it once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_collect import collect
from opsrunner.engine.digest_render import render_html, render_text
from opsrunner.engine.people import People
from opsrunner.errors import Refused
from opsrunner.ledger.codec import optional_moment, to_text
from opsrunner.ledger.digests import SentDigest
from opsrunner.model.digest import Digest, Series
from opsrunner.model.mail import NewMail
from opsrunner.model.schedule import Schedule
from opsrunner.schedules.due import occurrences

SERIES: tuple[Series, ...] = ("daily", "weekly", "monthly")
ON_TIME = timedelta(minutes=5)
SINCE = "digests_since"
"""What the ledger calls the moment from which on digests are owed."""
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

    def due(self, now: datetime) -> list[Series]:
        """Return the series whose time has come since their last digest."""
        return [series for series in SERIES if self._due_at(series, now) is not None]

    def preview(self, series: Series, now: datetime, *, from_: datetime | None = None) -> Rendered:
        """Return what a digest would say now. Nothing is stamped."""
        return self._render(series, from_=from_ or self._from(series, now), until=now)

    def write(self, series: Series, now: datetime) -> int | None:
        """Keep a digest, stamp its runs and queue its mails in one transaction; return its id.

        None where a digest of the series ends at this very moment already.
        """
        due_at = self._due_at(series, now)
        until = due_at if due_at is not None and now - due_at <= ON_TIME else now
        with self._books.transaction():
            made = self._render(series, from_=self._from(series, until), until=until)
            digest_id = self._books.digests.write(_kept(made, now), run_ids=made.digest.run_ids)
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
        last = self._books.digests.last(series, until=now)  # a clock that was ahead has written none of ours
        since = last.until_at if last is not None else self._since(now)
        coming = list(occurrences(schedule, after=since, until=now, almanac=self._desk.almanac()))
        return coming[-1].planned_at if coming else None

    def _since(self, now: datetime) -> datetime:
        """Return from when on digests are owed: the first time that anybody asked."""
        known = optional_moment(self._books.service.recall(SINCE))
        if known is None:
            self._books.service.remember(SINCE, to_text(now))
        return known or now

    def _from(self, series: Series, until: datetime) -> datetime:
        """Return where the digest before ended; the first one begins where the watch began."""
        last = self._books.digests.last(series, until=until)
        if last is not None and last.until_at < until:
            return last.until_at
        known = optional_moment(self._books.service.recall(SINCE)) if last is None else None
        return known if known is not None and known < until else until - _SPANS[series]

    def _schedule(self, series: Series) -> Schedule | None:
        times = self._desk.site().digest
        return {"daily": times.daily, "weekly": times.weekly, "monthly": times.monthly}[series]

    def _render(self, series: Series, *, from_: datetime, until: datetime) -> Rendered:
        digest = collect(self._desk, series, from_=from_, until=until, loaded=self._loaded())
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
        runs=len(made.digest.run_ids),
    )
