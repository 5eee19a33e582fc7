"""Takes mails out of the outbox and hands them over, again and again where it must.

A mail waits in the ledger from the moment that its cause is written. It is handed over with the date
of that moment and one Message-ID for good, so that a reader never sees two of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from opsrunner.clock import Clock
from opsrunner.errors import MailFailed, MailServerUnavailable, StateError
from opsrunner.ledger.outbox import Outbox
from opsrunner.mail.message import build
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.mail.transport import Transport
from opsrunner.model.mail import QueuedMail
from opsrunner.model.site import Site
from opsrunner.secrets import Vault

RETRY_AFTER_SECONDS = (60, 300, 900, 3600)
"""Waits after the first, second … failure; the last one repeats."""
GIVE_UP_AFTER = timedelta(days=5)
"""As mail servers do (RFC 5321, 4.5.4.1); after that the mail is shown as failed."""
BATCH = 100

_log = logging.getLogger(__name__)


def _ignore(_mail: QueuedMail) -> None:
    """Nobody waits for it."""


def _as_it_is(mail: QueuedMail) -> QueuedMail:
    """It was whole when it was queued."""
    return mail


def deliver_due(
    outbox: Outbox,
    transport: Transport,
    *,
    from_: str,
    clock: Clock,
    complete: Callable[[QueuedMail], QueuedMail] = _as_it_is,
    on_sent: Callable[[QueuedMail], None] = _ignore,
) -> int:
    """Try every mail that is due, over one connection; return how many were tried. `on_sent` hears of each that went.

    `complete` puts into a mail, at each try, what must not lie in the ledger; it may raise MailFailed.

    When the server cannot be used at all, the rest stays due and untouched: one try tells as much
    as a hundred. Never raises MailFailed.
    """
    tried = 0
    try:
        for mail in outbox.due(clock.now(), BATCH):
            if not outbox.claim(mail.id, clock.now()):
                continue
            tried += 1
            goes_on = deliver_one(
                mail,
                outbox=outbox,
                transport=transport,
                from_=from_,
                now=clock.now(),
                complete=complete,
                on_sent=on_sent,
            )
            if not goes_on:
                break
    finally:
        transport.close()
    return tried


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


def deliver_one(
    mail: QueuedMail,
    *,
    outbox: Outbox,
    transport: Transport,
    from_: str,
    now: datetime,
    complete: Callable[[QueuedMail], QueuedMail] = _as_it_is,
    on_sent: Callable[[QueuedMail], None] = _ignore,
) -> bool:
    """Try one claimed mail and record what came of it; False when the server cannot be used at all."""
    try:
        message = build(complete(mail), from_=from_, message_id=mail.message_id, date=mail.created_at)
        transport.deliver(message, to=mail.to)
    except MailFailed as exc:
        _record_failure(mail, exc, outbox=outbox, now=now)
        return not isinstance(exc, MailServerUnavailable)
    except StateError:
        raise  # the ledger cannot be written: the mail stays due, like all others
    except Exception as exc:  # noqa: BLE001 - one mail that trips us up must not hold back all others
        _log.error("mail %d (%s) cannot be made: %s", mail.id, mail.about, type(exc).__name__)
        _record_failure(mail, MailFailed(f"internal error: {exc!r}"), outbox=outbox, now=now)
        return True
    outbox.sent(mail.id, now)
    on_sent(mail)
    return True


def next_try(mail: QueuedMail, *, now: datetime) -> datetime | None:
    """Return when a mail that just failed is tried again; None: never, its time is over."""
    waiting_since = max(mail.created_at, mail.not_before or mail.created_at)
    if now - waiting_since >= GIVE_UP_AFTER:
        return None
    wait_seconds = RETRY_AFTER_SECONDS[min(mail.attempts, len(RETRY_AFTER_SECONDS) - 1)]
    return now + timedelta(seconds=wait_seconds)


def _record_failure(mail: QueuedMail, failure: MailFailed, *, outbox: Outbox, now: datetime) -> None:
    again_at = None if failure.permanent else next_try(mail, now=now)
    if again_at is not None:
        outbox.retry(mail.id, now, again_at, failure.message)
        return
    _log.error(
        "mail %d (%s) cannot be delivered: %s",
        mail.id,
        mail.about,
        failure.message,
        extra={"action": "mail-failed", "mail": mail.id},
    )
    outbox.failed(mail.id, now, failure.message)
