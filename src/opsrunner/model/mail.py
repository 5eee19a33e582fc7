"""A mail as it lies in the outbox: one recipient each, so that one refusal stops no other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
