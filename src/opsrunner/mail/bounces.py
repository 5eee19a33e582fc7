"""What mail servers report of mails that they could not deliver (RFC 3464), read without trust."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from opsrunner.errors import MailFailed
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.mail.received import parse_headers, parse_received
from opsrunner.records import dataclass

MOST_BYTES = 250_000
"""More of a report is not looked at: it has the bounced mail behind it."""
MOST_RECIPIENTS = 100
_MAILS = frozenset({"message/rfc822", "message/global", "message/global-headers"})
"""As which a mail comes back; the last two are those of RFC 6533, for addresses in letters of any language."""
_STATUS = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3}")


@dataclass(frozen=True, kw_only=True)
class Bounce:
    """One recipient of which a report tells."""

    address: str
    """Which the mail did not reach; where the report names none, the one to which it was sent."""
    original: str
    """To which it was sent before it was forwarded; empty where the report does not say."""
    final: str
    """Where it ended: an address, or what else the report calls it; empty where the report does not say."""
    action: str
    """`failed`, `delayed`, `delivered`, `relayed` or `expanded`."""
    status: str
    """`5.1.1`; empty where the report says none."""
    diagnostic: str
    """What the last server said, on one line."""
    reported_at: datetime | None
    message_id: str
    """Of the mail that it is about, as the report quotes it; may be empty."""

    @property
    def is_permanent(self) -> bool:
        """Tell whether another try would end the same way."""
        return self.action == "failed" and not self.status.startswith("4")


def read_bounces(data: bytes) -> tuple[Bounce, ...]:
    """Return the recipients that a mail reports about; none where it is no delivery report."""
    message = parse_received(data[:MOST_BYTES])
    report = next((part for part in message.walk() if part.get_content_type() == "message/delivery-status"), None)
    if report is None:
        return ()
    reported_at, about = _date(message), _quoted_id(message)
    found: list[Bounce] = []
    for block in _blocks(report):
        bounce = _bounce(block, reported_at=reported_at, message_id=about)
        if bounce is not None:
            found.append(bounce)
        if len(found) == MOST_RECIPIENTS:
            break
    return tuple(found)


def _blocks(report: Message) -> Iterator[Message]:
    """Yield the groups of fields: the first is about the mail, each other about one recipient."""
    payload = report.get_payload()
    if isinstance(payload, list):
        yield from (block for block in payload if isinstance(block, Message))


def _bounce(block: Message, *, reported_at: datetime | None, message_id: str) -> Bounce | None:
    original = _address(block, "Original-Recipient")
    final = _address(block, "Final-Recipient")
    address = final or original
    if not address:
        return None
    status = _STATUS.search(_field(block, "Status"))
    return Bounce(
        address=address,
        original=original,
        final=final or _typed(block, "Final-Recipient"),
        action=_field(block, "Action").lower(),
        status=status[0] if status else "",
        diagnostic=clean_line(_field(block, "Diagnostic-Code").partition(";")[2].strip(), length=300),
        reported_at=reported_at,
        message_id=message_id,
    )


def _address(block: Message, name: str) -> str:
    """Return the address that a field holds behind its type, in small letters; '' where it holds none."""
    try:
        return parse_address(_typed(block, name)).address.lower()
    except MailFailed:
        return ""


def _typed(block: Message, name: str) -> str:
    return _field(block, name).rpartition(";")[2].strip()


def _quoted_id(message: Message) -> str:
    """Return the Message-ID of the mail that came back, which a report has behind it, whole or only its head."""
    for part in message.walk():
        if part.get_content_type() in _MAILS:
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            return _field(inner, "Message-ID") if isinstance(inner, Message) else ""
        if part.get_content_type() == "text/rfc822-headers":
            text = part.get_payload(decode=True)
            return _field(parse_headers(text), "Message-ID") if isinstance(text, bytes) else ""
    return ""


def _date(message: Message) -> datetime | None:
    try:
        found = parsedate_to_datetime(_field(message, "Date"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _field(message: Message, name: str) -> str:
    return clean_line(str(message.get(name, "")), length=400)
