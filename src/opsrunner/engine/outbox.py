"""Takes mails out of the outbox and hands them over, again and again where it must.

A mail waits in the ledger from the moment that its cause is written. It is handed over with the date
of that moment and one Message-ID for good, so that a reader never sees two of it.

One sender at a time works, by the lock on its journal. What it hands over is noted there mail by mail, and goes into
the ledger batch by batch: killed at any moment, all but the one mail in flight are known to the next.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from opsrunner.clock import Clock
from opsrunner.errors import MailFailed, MailServerUnavailable, StateError
from opsrunner.ledger.outbox import Outbox
from opsrunner.ledger.sent_journal import MOST_RECORDS, SentJournal
from opsrunner.mail.maildir import MaildirTransport
from opsrunner.mail.message import build
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.mail.transport import Transport
from opsrunner.model.mail import MailEnd, QueuedMail
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.secrets import Vault

RETRY_AFTER_SECONDS = (60, 300, 900, 3600)
"""Waits after the first, second … failure; the last one repeats."""
GIVE_UP_AFTER = timedelta(days=5)
"""As mail servers do (RFC 5321, 4.5.4.1); after that the mail is shown as failed."""
FIRST_BATCH = 16
BATCH_SECONDS = 1.0
"""A batch ends then: mails that people wait for go before the next one."""
LONGEST_SECONDS = 60.0
"""A pass over the outbox ends then, so that its caller sees to the clock."""
TAKEN_AS_CHANCE = 3
"""A mail that was cut off so often goes again at once; past it, it may be why."""
CUT_OFF = "opsrunner ended while it was handed over"

_log = logging.getLogger(__name__)


def _ignore(_mail: QueuedMail) -> None:
    """Nobody waits for it."""


def _as_it_is(mail: QueuedMail) -> QueuedMail:
    """It was whole when it was queued."""
    return mail


def _always() -> bool:
    return True


def deliver_due(
    outbox: Outbox,
    transport: Transport,
    *,
    from_: str,
    clock: Clock,
    complete: Callable[[QueuedMail], QueuedMail] = _as_it_is,
    on_sent: Callable[[QueuedMail], None] = _ignore,
    goes_on: Callable[[], bool] = _always,
) -> int:
    """Try the mails that are due, over one connection; return how many were tried. `on_sent` hears of each that went.

    `complete` puts into a mail, at each try, what must not lie in the ledger; it may raise MailFailed. `goes_on`
    is asked between batches.

    When the server cannot be used at all, the rest stays due and untouched: one try tells as much
    as a hundred. So does all of it where another process is at it. Raises StateError, never MailFailed.
    """
    if not outbox.due(clock.now(), 1):
        return 0
    with outbox.journal() as journal:
        if not journal.take():
            return 0
        take_over(outbox, journal, clock=clock)
        sender = _Sender(
            outbox=outbox,
            journal=journal,
            transport=transport,
            from_=from_,
            clock=clock,
            complete=complete,
            on_sent=on_sent,
        )
        try:
            return sender.work(goes_on)
        finally:
            transport.close()


def take_over(outbox: Outbox, journal: SentJournal, *, clock: Clock) -> None:
    """Put into the ledger what a sender before handed over and could not put there any more. Raises StateError.

    The mail that it was about to hand over when it ended may have arrived: it goes again, under the same Message-ID.
    One that was cut off several times waits, so that it holds nothing back should it be the cause.
    """
    left, now = journal.left_behind(), clock.now()
    known = outbox.unsent([*left.sent, left.tried or ""])
    ends = [MailEnd(mail=known[name].id, at=at) for name, at in left.sent.items() if name in known]
    if (cut_off := known.get(left.tried or "")) is not None:
        again_at = now if cut_off.attempts < TAKEN_AS_CHANCE else next_try(cut_off, now=now)
        ends.append(MailEnd(mail=cut_off.id, at=now, error=CUT_OFF, again_at=again_at))
    if ends:
        outbox.settle(ends, read_clock=clock.now)
    journal.settled()


def next_try(mail: QueuedMail, *, now: datetime) -> datetime | None:
    """Return when a mail that just failed is tried again; None: never, its time is over."""
    waiting_since = max(mail.created_at, mail.not_before or mail.created_at)
    if now - waiting_since >= GIVE_UP_AFTER:
        return None
    wait_seconds = RETRY_AFTER_SECONDS[min(mail.attempts, len(RETRY_AFTER_SECONDS) - 1)]
    return now + timedelta(seconds=wait_seconds)


def way_out(site: Site, *, state: Path, vault: Vault, stays: bool = False) -> Transport:
    """Return how mails leave a site; with `stays` none does, and all go into the state's Maildir."""
    settings, folder = site.mail.smtp, site.mail.maildir
    if settings is not None and not stays:
        return SmtpTransport(settings, vault=vault)
    return MaildirTransport(site.root / folder if folder and not stays else state / "maildir")


def reach_mail(site: Site, *, state: Path, vault: Vault) -> str:
    """Reach where mails go, without sending one; return what was reached. Raises MailFailed."""
    settings = site.mail.smtp
    if settings is not None:
        transport = SmtpTransport(settings, vault=vault)
        try:
            transport.reach()
        finally:
            transport.close()
        return f"{settings.host}:{settings.port}, {settings.security}"
    folder = site.root / site.mail.maildir if site.mail.maildir else state / "maildir"
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        raise MailFailed(f"{nearest} cannot be written")
    return f"into the Maildir {folder}; set mail.smtp to reach anybody"


@dataclass(frozen=True, kw_only=True)
class _Sender:
    """Hands over what is due, batch by batch; each batch is one commit of the ledger."""

    outbox: Outbox
    journal: SentJournal
    transport: Transport
    from_: str
    clock: Clock
    complete: Callable[[QueuedMail], QueuedMail]
    on_sent: Callable[[QueuedMail], None]

    def work(self, goes_on: Callable[[], bool]) -> int:
        """Go on until nothing is due, the server cannot be used, or LONGEST_SECONDS have passed; return the tries."""
        began, tried, size = self.clock.monotonic(), 0, FIRST_BATCH
        while mails := self._due(size):
            done, is_usable = self._batch(mails)
            tried += done
            if not is_usable or not goes_on() or self.clock.monotonic() - began > LONGEST_SECONDS:
                break
            size = min(2 * size, MOST_RECORDS) if done == len(mails) else max(size // 2, 1)
        return tried

    def _due(self, size: int) -> Sequence[QueuedMail]:
        """Return what is to leave now, without what its recipient wants no more."""
        while mails := self.outbox.due(now := self.clock.now(), size):
            silenced = self.outbox.silence([mail.id for mail in mails if mail.bulk], at=now)
            if len(silenced) < len(mails):
                return [mail for mail in mails if mail.id not in silenced]
        return []

    def _batch(self, mails: Sequence[QueuedMail]) -> tuple[int, bool]:
        """Try mails for BATCH_SECONDS; return how many were tried, and whether the server can be used."""
        began, is_usable = self.clock.monotonic(), True
        ends: list[MailEnd] = []
        ahead = _Ahead(mails, make=self._message)
        try:
            for mail in mails:
                end, is_usable = self._try(mail, ahead)
                ends.append(end)
                if not end.error:
                    self.journal.note(mail.message_id, end.at)
                if not is_usable or self.clock.monotonic() - began > BATCH_SECONDS:
                    break
        finally:
            self.outbox.settle(ends, read_clock=self.clock.now)
        self.journal.settled()
        for mail, end in zip(mails, ends, strict=False):
            if not end.error:
                self.on_sent(mail)
        return len(ends), is_usable

    def _message(self, mail: QueuedMail) -> EmailMessage:
        return build(self.complete(mail), from_=self.from_, message_id=mail.message_id, date=mail.created_at)

    def _try(self, mail: QueuedMail, ahead: _Ahead) -> tuple[MailEnd, bool]:
        """Try one mail; return what came of it, and False when the server cannot be used at all."""
        now = self.clock.now()
        try:
            message = ahead.take(mail)
            self.journal.begin(mail.message_id, now)
            self.transport.deliver(message, to=mail.to, meanwhile=ahead.make_next)
        except MailFailed as exc:
            return _failure(mail, exc, now=now), not isinstance(exc, MailServerUnavailable)
        except StateError:
            raise  # what was handed over cannot be written down: the mail stays due, like all others
        except Exception as exc:  # noqa: BLE001 - one mail that trips us up must not hold back all others
            _log.error("mail %d (%s) cannot be made: %s", mail.id, mail.about, type(exc).__name__)
            return _failure(mail, MailFailed(f"internal error: {exc!r}"), now=now), True
        return MailEnd(mail=mail.id, at=self.clock.now()), True


class _Ahead:
    """Makes the next mail of a batch while the server takes the one before, where it is one to many.

    Other mails may have something put into them at each try, which is not done before its time.
    """

    def __init__(self, mails: Sequence[QueuedMail], *, make: Callable[[QueuedMail], EmailMessage]) -> None:
        self._following = dict(zip((mail.id for mail in mails), mails[1:], strict=False))
        self._make = make
        self._next: QueuedMail | None = None
        self._made: EmailMessage | None = None

    def take(self, mail: QueuedMail) -> EmailMessage:
        """Return the message of a mail, made by now or made before. Raises what making it does."""
        made = self._made if self._next is mail else None
        self._next, self._made = self._following.get(mail.id), None
        return self._make(mail) if made is None else made

    def make_next(self) -> None:
        """Make what follows the mail that was taken last; where that does not work, it is made when its turn comes."""
        if self._next is not None and self._next.bulk:
            with suppress(Exception):
                self._made = self._make(self._next)


def _failure(mail: QueuedMail, failure: MailFailed, *, now: datetime) -> MailEnd:
    again_at = None if failure.permanent else next_try(mail, now=now)
    if again_at is None:
        _log.error(
            "mail %d (%s) cannot be delivered: %s",
            mail.id,
            mail.about,
            failure.message,
            extra={"action": "mail-failed", "mail": mail.id},
        )
    return MailEnd(mail=mail.id, at=now, error=failure.message, again_at=again_at)
