"""Reads mails out of folders of a mailbox: of each the headers that threads are made of, and never a flag changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.records import dataclass
from opsrunner.sources.imap_session import Mailbox
from opsrunner.sources.mail_headers import MONTHS, internal_moment, read_heads
from opsrunner.sources.threads import Mail

MOST_HEADER_BYTES = 32_768
MOST_BODY_BYTES = 200_000
_AT_ONCE = 200
_BODIES_AT_ONCE = 10
_HEADERS = "MESSAGE-ID IN-REPLY-TO REFERENCES SUBJECT FROM AUTO-SUBMITTED"
_HEADS = f"(UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS ({_HEADERS})]<0.{MOST_HEADER_BYTES}>)"
_WHOLE = f"(UID BODY.PEEK[]<0.{MOST_BODY_BYTES}>)"
_UID = re.compile(rb"\bUID (\d{1,10})\b")
_FLAGS = re.compile(rb"\bFLAGS \(([^()]{0,2000})\)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{0,60})"')
_FLAG = re.compile(r"\\([A-Za-z]{1,20})\Z")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which mails: of `folders`, taken since a moment, `limit` of them at the most."""

    folders: tuple[str, ...]
    since: datetime | None
    limit: int
    ours: tuple[str, ...]
    """Our own addresses, and whole domains as `@example.com`."""
    now: datetime


def read_mails(box: Mailbox, wanted: Wanted) -> tuple[list[Mail], dict[str, str]]:
    """Return the mails, and the UIDVALIDITY of each folder. Raises StepFailed where there are more than the limit."""
    found: list[Mail] = []
    validities: dict[str, str] = {}
    for folder in wanted.folders:
        validities[folder] = box.examine(folder)
        uids = box.uids(_criteria(wanted.since), charset=None)
        if len(found) + len(uids) > wanted.limit:
            raise StepFailed(
                f"there are more than {wanted.limit:,} mails in {', '.join(wanted.folders)}; give the source"
                " `since: 90d` or a higher limit, or file away what is done",
                permanent=True,
            )
        found += [_mail(meta, data, folder, wanted) for meta, data in _fetched(box, uids, _HEADS, _AT_ONCE)]
    return found, validities


def read_bodies(box: Mailbox, uids: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the first MOST_BODY_BYTES of mails of the folder that is open."""
    for meta, data in _fetched(box, [str(uid) for uid in uids], _WHOLE, _BODIES_AT_ONCE):
        yield _uid(meta), data


def _fetched(box: Mailbox, uids: Sequence[str], parts: str, at_once: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is told of each mail, and its piece of text."""
    good = [uid for uid in uids if uid.isascii() and uid.isdigit()]
    for start in range(0, len(good), at_once):
        status, items = box.client.uid("FETCH", ",".join(good[start : start + at_once]), parts)
        if status != "OK":
            raise StepFailed("the mails cannot be fetched")
        yield from _paired(items)


def _paired(items: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Put together what imaplib gives apart: a tuple for what has a text, and bytes for what follows it."""
    meta, data = b"", b""
    for item in [*items, (b"", b"")]:
        if isinstance(item, tuple) and len(item) == 2:
            if _is_mail(meta):
                yield meta, data
            meta, data = bytes(item[0]), bytes(item[1])
        elif isinstance(item, bytes):
            if not (_UID.search(item) and _UID.search(meta)):
                meta += b" " + item
            elif _is_mail(item):  # a mail that has no such header: its text is no piece of its own
                yield meta, data
                meta, data = item, b""
            # else: another client has just changed a mail's flags, and the server says so unasked


def _is_mail(meta: bytes) -> bool:
    return _UID.search(meta) is not None and b"BODY[" in meta.upper()


def _mail(meta: bytes, data: bytes, folder: str, wanted: Wanted) -> Mail:
    date, uid = _DATE.search(meta), _uid(meta)
    heads = read_heads(data, place=f"{folder}/{uid}")
    return Mail(
        heads=heads,
        at=(internal_moment(date[1].decode("ascii", "replace")) if date else None) or wanted.now,
        folder=folder,
        uid=uid,
        flags=_flags(meta),
        is_ours=is_ours(heads.address, wanted.ours),
    )


def is_ours(address: str, ours: Sequence[str]) -> bool:
    """Tell whether an address is one of our own, or of one of our domains."""
    return any(address == own.lower() or (own.startswith("@") and address.endswith(own.lower())) for own in ours)


def _uid(meta: bytes) -> int:
    match = _UID.search(meta)
    return int(match[1]) if match else 0


def _flags(meta: bytes) -> tuple[str, ...]:
    match = _FLAGS.search(meta)
    words = match[1].decode("ascii", "replace").split() if match else []
    named = {found[1].lower() for word in words if (found := _FLAG.match(word))}
    return tuple(sorted(named - {"recent"}))  # which tells of this conversation alone


def _criteria(since: datetime | None) -> str:
    if since is None:
        return "ALL"
    return f"SINCE {since.day}-{MONTHS[since.month - 1].title()}-{since.year}"  # strftime's months are the locale's
