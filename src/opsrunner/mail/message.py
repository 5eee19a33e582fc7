"""Makes the message that goes over the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from opsrunner.errors import MailFailed
from opsrunner.mail.headers import MailAddress, WholeLine, clean_line, parse_address, parse_leave, parse_message_id
from opsrunner.model.mail import Attachment, NewMail, QueuedMail

_LINE_LENGTH = 78
_COLOUR_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_LINE_ENDS = re.compile(r"\r\n|[\r\u0085\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_CONTENT_TYPE = re.compile(r"([a-z]+)/([a-z0-9][a-z0-9.+-]*)((?:; ?[a-z]+=[A-Za-z0-9_-]+)*)")
_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_FILE_NAME_LENGTH = 60


def build(mail: NewMail | QueuedMail, *, from_: str, message_id: str, date: datetime) -> EmailMessage:
    """Make a message with a text part and, where there is HTML, its alternative.

    `date` is when the mail was queued, so that it stays true after days of retries. Whatever the
    texts hold, the message has one recipient, the headers below and lines of legal length.
    `message_id` is a whole Message-ID or what stands before its `@`; the sender's domain completes it.
    Raises MailFailed (permanent) where an address, the Message-ID or the type of a file is not one.
    """
    message = EmailMessage(policy=SMTP)
    sender = parse_address(from_)
    message["From"] = _header_address(sender)
    message["To"] = _header_address(parse_address(mail.to))
    message["Subject"] = _subject(mail.subject)
    message["Date"] = format_datetime(date.astimezone(UTC))
    message["Message-ID"] = parse_message_id(message_id, domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies to a machine
    if mail.reply_to:
        message["Reply-To"] = _header_address(parse_address(mail.reply_to))
    if mail.list_unsubscribe:
        message["List-Unsubscribe"] = WholeLine("List-Unsubscribe", f"<{parse_leave(mail.list_unsubscribe)}>")
        if mail.list_unsubscribe.startswith("https://"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058: by POST, and at once
    _set_body(message, clean_text(mail.text), subtype="plain")
    if mail.html:
        message.make_alternative()
        part = EmailMessage(policy=SMTP)
        _set_body(part, clean_text(mail.html), subtype="html")
        del part["MIME-Version"]
        message.attach(part)
    for attachment in mail.attachments:
        _attach(message, attachment)
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


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    """Add a file. Raises MailFailed (permanent) where its type is none."""
    match = _CONTENT_TYPE.fullmatch(attachment.content_type)
    if match is None or match[1] in {"multipart", "message"}:
        raise MailFailed(f"not a type of a file: {clean_line(attachment.content_type, length=80)!r}", permanent=True)
    parameters = dict(item.strip().split("=", 1) for item in match[3].split(";") if item)
    if match[1] == "text":
        parameters.setdefault("charset", "utf-8")
    name = _NOT_IN_FILE_NAMES.sub("-", attachment.name).strip(".-")[:_FILE_NAME_LENGTH] or "attachment"
    message.add_attachment(
        attachment.data, maintype=match[1], subtype=match[2], cte="base64", filename=name, params=parameters
    )


def _transfer_encoding(text: str) -> str:
    """Choose what stays readable on the wire, and base64 where quoting would triple the text."""
    if text.isascii() and all(len(line) <= _LINE_LENGTH for line in text.split("\n")):
        return "7bit"
    foreign = sum(1 for character in text if not character.isascii())
    return "base64" if foreign * 4 > len(text) else "quoted-printable"
