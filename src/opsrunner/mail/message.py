"""Makes the message that goes over the wire."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from opsrunner.errors import MailFailed
from opsrunner.mail.headers import MailAddress, clean_line, parse_address, parse_leave, parse_message_id
from opsrunner.mail.letter import Letter, file_part, parts_together, text_part
from opsrunner.model.mail import Attachment, NewMail, QueuedMail

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
    sender = parse_address(from_)
    identity = parse_message_id(message_id, domain=sender.domain)
    letter = Letter()
    _add_address(letter, "From", sender)
    _add_address(letter, "To", parse_address(mail.to))
    subject = _subject(mail.subject)
    (letter.add_line if subject.isascii() else letter.add_encoded)("Subject", subject)
    letter.add_line("Date", format_datetime(date.astimezone(UTC)))
    letter.add_line("Message-ID", identity)
    letter.add_line("Auto-Submitted", "auto-generated")  # RFC 3834: no holiday replies to a machine
    if mail.reply_to:
        _add_address(letter, "Reply-To", parse_address(mail.reply_to))
    if mail.list_unsubscribe:
        letter.add_line("List-Unsubscribe", f"<{parse_leave(mail.list_unsubscribe)}>")
        if mail.list_unsubscribe.startswith("https://"):
            letter.add_line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")  # RFC 8058: by POST, and at once
    letter.add_line("MIME-Version", "1.0")
    letter.take(_content(mail, boundary=hashlib.sha256(identity.encode("ascii")).hexdigest()[:24]))
    return letter


def _content(mail: NewMail | QueuedMail, *, boundary: str) -> Letter:
    """Return what the mail says: its text, with its alternative and its files where it has them.

    `boundary` comes of the Message-ID, which nobody knows before; it grows until it stands in no text.
    """
    while boundary in mail.text or boundary in mail.html:
        boundary += "x"
    content = text_part(clean_text(mail.text), subtype="plain")
    if mail.html:
        html = text_part(clean_text(mail.html), subtype="html")
        content = parts_together([content, html], subtype="alternative", boundary=f"=_a{boundary}")
    if mail.attachments:
        files = [_file(attachment) for attachment in mail.attachments]
        content = parts_together([content, *files], subtype="mixed", boundary=f"=_m{boundary}")
    return content


def clean_text(text: str) -> str:
    """Return `text` with plain line ends, without colour codes, controls and lone surrogates."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text  # as nearly all are: nothing of what is looked for below is printable
    text = _LINE_ENDS.sub("\n", _COLOUR_CODES.sub("", text))
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def _subject(text: str) -> str:
    """Return the subject as one line in which no encoded word (RFC 2047) hides a line break."""
    return clean_line(text.replace("=?", "= ?")) or "(no subject)"


def _add_address(letter: Letter, name: str, address: MailAddress) -> None:
    if not address.name:
        letter.add_line(name, address.address)
    elif address.name.isascii():  # nothing that needs quotes is left in it
        letter.add_line(name, f"{address.name} <{address.address}>")
    else:
        whole = Address(display_name=address.name, username=address.local_part, domain=address.domain)
        letter.add_encoded(name, whole)


def _file(attachment: Attachment) -> Letter:
    """Return a file as a part. Raises MailFailed (permanent) where its type is none."""
    match = _CONTENT_TYPE.fullmatch(attachment.content_type)
    if match is None or match[1] in {"multipart", "message"}:
        raise MailFailed(f"not a type of a file: {clean_line(attachment.content_type, length=80)!r}", permanent=True)
    content_type = attachment.content_type
    if match[1] == "text" and "charset=" not in content_type:
        content_type += "; charset=utf-8"
    name = _NOT_IN_FILE_NAMES.sub("-", attachment.name).strip(".-")[:_FILE_NAME_LENGTH] or "attachment"
    return file_part(attachment.data, content_type=content_type, name=name)
