"""What the headers of a mail from anybody say: decoded, bounded, on one line each; nothing in them can raise."""

from __future__ import annotations

import binascii
import email
import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from opsrunner.mail.headers import clean_line
from opsrunner.records import dataclass

SUBJECT_LENGTH = 200
NAME_LENGTH = 100
ADDRESS_LENGTH = 254
ID_LENGTH = 200
MOST_REFERENCES = 20
"""Ancestors that one mail may name: the first, which began the thread, and the nearest."""
_READ_LENGTH = 4_000
"""Of one header."""
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,1000})>")
_ANGLE = re.compile(r"<([^<>\s]{1,320})>")
_BARE = re.compile(r"[^\s<>()\",;:]{1,64}@[^\s<>()\",;:]{1,255}")
_INTERNAL = re.compile(r"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\s*\Z")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, kw_only=True)
class Heads:
    """The headers of one mail that threads are made of."""

    id: str
    """Its Message-ID, or where it has none a digest of its headers and its place."""
    ancestors: tuple[str, ...]
    """The mails that it answers, the first of all in front."""
    subject: str
    address: str
    """Who wrote it; '' where nobody can be made out."""
    name: str
    is_reply_by_machine: bool
    """It says of itself that a program answered (RFC 3834): an out-of-office note, a receipt."""
    is_by_machine: bool
    """It says of itself that a program wrote it, in answer or unasked."""


def read_heads(data: bytes, *, place: str = "") -> Heads:
    """Return what the headers `data` of a mail say; `place` tells it from others that say the same."""
    message = email.message_from_bytes(data.replace(b"\0", b""))
    sender = header_text(message, "From")
    found = message_ids(_raw(message, "Message-ID"))
    automatic = _raw(message, "Auto-Submitted").strip().lower().partition(";")[0].strip()
    return Heads(
        id=found[0] if found else f"sha256:{hashlib.sha256(data + place.encode()).hexdigest()[:40]}",
        ancestors=_ancestors(message),
        subject=clean_line(header_text(message, "Subject"), length=SUBJECT_LENGTH) or "(no subject)",
        address=address_in(_raw(message, "From")) or address_in(sender),
        name=_name_in(sender),
        is_reply_by_machine=automatic == "auto-replied",
        is_by_machine=automatic.startswith("auto-"),
    )


def message_ids(text: str) -> list[str]:
    """Return the Message-IDs in a header, without their brackets; one of an unwieldy form as a digest of it."""
    return [_short(found) for found in _MESSAGE_ID.findall(text)]


def header_text(message: Message, name: str) -> str:
    """Return a header with its encoded words (RFC 2047) decoded; what cannot be decoded stays as it is."""
    raw = _raw(message, name)
    try:
        pieces = decode_header(raw)
    except (MessageError, binascii.Error, ValueError, LookupError):
        return raw
    return "".join(_decoded(piece, charset) for piece, charset in pieces)


def address_in(text: str) -> str:
    """Return the mail address of a From header in small letters, '' where there is none.

    What stands in angle brackets goes before what stands in the name, which anybody may write there.
    """
    unquoted = re.sub(r'"(?:[^"\\]|\\.){0,2000}"', "", text)
    found = [one for one in _ANGLE.findall(unquoted) if "@" in one] or _BARE.findall(unquoted)
    return clean_line(found[-1], length=ADDRESS_LENGTH).lower() if found else ""


def internal_moment(text: str) -> datetime | None:
    """Return the moment of an INTERNALDATE (RFC 3501): when the server took the mail."""
    match = _INTERNAL.match(text)
    if match is None or match[2].lower() not in MONTHS:
        return None
    month = MONTHS.index(match[2].lower()) + 1
    zone = timedelta(hours=int(match[8]), minutes=int(match[9])) * (-1 if match[7] == "-" else 1)
    try:
        local = datetime(int(match[3]), month, int(match[1]), int(match[4]), int(match[5]), int(match[6]), tzinfo=UTC)
        return local.replace(tzinfo=timezone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _ancestors(message: Message) -> tuple[str, ...]:
    named = [*message_ids(_raw(message, "References", length=64_000)), *message_ids(_raw(message, "In-Reply-To"))]
    once = list(dict.fromkeys(named))
    return tuple(once if len(once) <= MOST_REFERENCES else [once[0], *once[1 - MOST_REFERENCES :]])


def _raw(message: Message, name: str, *, length: int = _READ_LENGTH) -> str:
    """Return the first header of a name as it stands, unfolded; bytes that are not ASCII as UTF-8 or Latin-1."""
    for given, value in message.raw_items():
        if given.lower() == name.lower():
            text = str(value)[:length]
            data = text.encode("ascii", "surrogateescape") if not text.isascii() else b""
            return " ".join((_plain(data) if data else text).split("\n")).replace("\r", "")
    return ""


def _plain(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _decoded(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    for encoding in (charset or "raw-unicode-escape", "utf-8"):  # what stands beside encoded words comes as that
        try:
            return piece.decode(encoding)
        except (LookupError, UnicodeError, ValueError):
            continue
    return piece.decode("latin-1")


def _name_in(sender: str) -> str:
    name = sender.rpartition("<")[0] if "<" in sender else ""
    return clean_line(name.strip().strip('"').strip(), length=NAME_LENGTH)


def _short(given: str) -> str:
    name = given.strip()
    if len(name) <= ID_LENGTH and name.isascii() and name.isprintable():
        return name
    return f"sha256:{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:40]}"
