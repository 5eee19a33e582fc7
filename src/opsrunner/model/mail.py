"""A mail as it lies in the outbox: one recipient each, so that one refusal stops no other."""

from __future__ import annotations

from datetime import datetime

from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    """As the recipient sees it: `maintenance.ics`."""
    content_type: str
    """With its parameters: `text/calendar; method=PUBLISH`."""
    data: bytes


@dataclass(frozen=True, kw_only=True)
class NewMail:
    """A mail to hand over. Headers are sanitised when it is built, never trusted here."""

    to: str
    subject: str
    text: str
    html: str = ""
    about: str = ""
    """What it reports, for people: `digest daily`, `follow-up 12`."""
    task: int | None = None
    """The open task that it tells of: closed before the mail's `not_before`, it takes the mail back."""
    not_before: datetime | None = None
    """End of the recipient's quiet hours, where it has to wait."""
    unique: str | None = None
    """A second mail with the same word is not queued: `digest-3-boss@example.com`, `remind-12--3600`."""
    bulk: bool = False
    """One of many to customers: it leaves after all that people wait for."""
    series: str = ""
    """What a mail of many belongs to, such as its notice: `per_minute` counts by it."""
    per_minute: int | None = None
    """How many mails of the `series` may leave within any minute; None: as fast as the server takes them."""
    reply_to: str = ""
    """Where answers go; empty: to the sender."""
    list_unsubscribe: str = ""
    """Where the recipient says no to more, `https://…` or `mailto:…` (RFC 2369); empty where mails are part of a
    contract."""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QueuedMail:
    """One row of `outbox`."""

    id: int
    message_id: str
    to: str
    subject: str
    text: str
    html: str
    about: str
    created_at: datetime
    not_before: datetime | None
    attempts: int
    next_try_at: datetime
    unique: str | None = None
    sent_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""
    bulk: bool = False
    series: str = ""
    per_minute: int | None = None
    reply_to: str = ""
    list_unsubscribe: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MailEnd:
    """What came of one try to hand a mail over."""

    mail: int
    at: datetime
    error: str = ""
    """Empty: it was taken."""
    again_at: datetime | None = None
    """With an error: when it is tried again; None gives it up."""
