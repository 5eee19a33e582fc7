"""Makes the message that goes over the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from opsrunner.mail.headers import MailAddress, clean_line, parse_address, parse_message_id
from opsrunner.model.mail import NewMail, QueuedMail

_LINE_LENGTH = 78
_COLOUR_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_LINE_ENDS = re.compile(r"\r\n|[\r\u0085\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def build(mail: NewMail | QueuedMail, *, from_: str, message_id: str, date: datetime) -> EmailMessage:
    """Make a message with a text part and, where there is HTML, its alternative.

    `date` is when the mail was queued, so that it stays true after days of retries. Whatever the
    texts hold, the message has one recipient, the headers below and lines of legal length.
    `message_id` is a whole Message-ID or what stands before its `@`; the sender's domain completes it.
    Raises MailFailed (permanent) where an address or the Message-ID is not one.
    """
    message = EmailMessage(policy=SMTP)
    sender = parse_address(from_)
    message["From"] = _header_address(sender)
    message["To"] = _header_address(parse_address(mail.to))
    message["Subject"] = _subject(mail.subject)
    message["Date"] = format_datetime(date.astimezone(UTC))
    message["Message-ID"] = parse_message_id(message_id, domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies to a machine
    _set_body(message, clean_text(mail.text), subtype="plain")
    if mail.html:
        message.make_alternative()
        part = EmailMessage(policy=SMTP)
        _set_body(part, clean_text(mail.html), subtype="html")
        del part["MIME-Version"]
        message.attach(part)
    return message


def clean_text(text: str) -> str:
    """Return `text` with plain line ends, without colour codes, controls and lone surrogates."""
    text = _LINE_ENDS.sub("\n", _COLOUR_CODES.sub("", text))
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def _subject(text: str) -> str:
    """Return the subject as one line in which no encoded word (RFC 2047) hides a line break."""
    return clean_line(text.replace("=?", "= ?")) or "(no subject)"


def _header_address(address: MailAddress) -> Address:
    return Address(display_name=address.name, username=address.local_part, domain=address.domain)


def _set_body(message: EmailMessage, text: str, *, subtype: str) -> None:
    body = text if text.endswith("\n") else text + "\n"
    message.set_content(body, subtype=subtype, charset="utf-8", cte=_transfer_encoding(body))


def _transfer_encoding(text: str) -> str:
    """Choose what stays readable on the wire, and base64 where quoting would triple the text."""
    if text.isascii() and all(len(line) <= _LINE_LENGTH for line in text.split("\n")):
        return "7bit"
    foreign = sum(1 for character in text if not character.isascii())
    return "base64" if foreign * 4 > len(text) else "quoted-printable"
