"""What an abuse report is about: the addresses and domains that it names, and what kind it is. Pure.

Reports come as ARF (RFC 5965), as X-ARF (YAML or JSON beside the text) and as plain letters. All of them are written
by strangers: what is found here is looked up among our own hosts and customers, and believed no further.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from email.message import Message
from itertools import islice, pairwise
from typing import Any

from opsrunner.mail.received import parse_received
from opsrunner.records import dataclass
from opsrunner.sources.mail_headers import header_text
from opsrunner.sources.plain_text import text_of_html

MOST_FOUND = 50
_MOST_PARTS = 50
_MOST_DEPTH = 10
_MOST_TEXT = 60_000
_IPV4 = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){3})(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])([0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]{2,38}(?:\d{1,3}(?:\.\d{1,3}){3})?)(?![\w:])")
_DOMAIN = re.compile(r"(?<![\w@.-])((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z][a-z0-9-]{1,62})(?![\w-])")
_NAME = re.compile(r"[A-Za-z][A-Za-z-]{1,40}")
_VALUE = re.compile(r"['\"]?(.{1,500}?)['\"]?")
_FANGS = (
    (re.compile(r"\[(?:\.|dot)\]|\((?:\.|dot)\)", re.IGNORECASE), "."),
    (re.compile(r"\bhxxp", re.IGNORECASE), "http"),
)
_NO_DOMAINS = frozenset(
    {"eml", "gif", "htm", "html", "jpg", "js", "json", "log", "pdf", "php", "png", "txt", "xml", "yaml"}
)
"""Endings of files, which look like domains."""
_OF_ADDRESS = ("source-ip", "source", "sourceip", "source_identifier", "ip", "src-ip", "source-ips")
_OF_DOMAIN = ("reported-domain", "reported-uri", "domain", "source", "uri", "url", "source_identifier", "source-uri")
_OF_KIND = ("feedback-type", "report-type", "category", "reporttype", "type", "reportclass")
_KINDS = (
    ("phishing", ("phish", "fraud", "scam")),
    ("malware", ("malware", "virus", "trojan", "ransom", "webshell", "web shell", "exploit")),
    ("copyright", ("copyright", "dmca", "trademark", "infring")),
    ("botnet", ("botnet", "command and control", "c&c", "c2 server")),
    ("attack", ("attack", "brute", "login attempt", "scan", "intrusion", "ddos", "fail2ban", "ssh", "hack")),
    ("spam", ("spam", "abuse", "unsolicited", "bulk mail", "messaging", "complaint", "junk", "dnsbl", "blacklist")),
)
OTHER = "other"
_LENGTH_OF_KIND = 2_000
"""Of a letter, where its kind is guessed from its words."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a mail reports, the most certain of each first."""

    addresses: tuple[str, ...]
    domains: tuple[str, ...]
    kind: str
    """`phishing malware copyright botnet attack spam other`."""


def read_report(data: bytes) -> Report:
    """Return what the mail `data`, whole or its begin, is about; anything may be missing."""
    message = parse_received(data.replace(b"\0", b""))
    subject = header_text(message, "Subject")
    said = _Said(texts=[subject])
    for part in islice(_parts(message), _MOST_PARTS):
        _take(part, said)
    fields = said.fields
    text = _without_fangs("\n".join([*said.texts, *said.attached]))[:_MOST_TEXT]
    told_addresses = [found for name in _OF_ADDRESS for found in _addresses(fields.get(name, ""))]
    told_domains = [found for name in _OF_DOMAIN for found in _domains(fields.get(name, ""))]
    return Report(
        addresses=_first([*told_addresses, *_addresses(text)]),
        domains=_first([*told_domains, *_domains(text)]),
        kind=_kind(fields, subject, text),
    )


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What a mail says: its letter, the fields of its report, and last the mail that it reports."""

    texts: list[str]
    fields: dict[str, str] = field(default_factory=dict)
    attached: list[str] = field(default_factory=list)


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Yield the parts of a mail, but not those of a mail in it."""
    yield message
    if message.get_content_maintype() == "multipart" and depth < _MOST_DEPTH:
        for part in _subparts(message):
            yield from _parts(part, depth + 1)


def _take(part: Message, said: _Said) -> None:
    """Add what a part of a mail says."""
    type_, texts, fields = part.get_content_type(), said.texts, said.fields
    if type_ in ("message/rfc822", "text/rfc822-headers"):
        whole = "\n".join(_as_text(sub) for sub in _subparts(part)) or _text(part)
        said.attached.append(whole[:_MOST_TEXT])
        return
    if type_ == "message/feedback-report":
        texts_of_it = [_as_text(sub) for sub in _subparts(part)] or [_text(part)]
        for text in texts_of_it:
            _add(fields, _lines_of(text))
    elif type_ == "application/json" or _file_name(part).endswith(".json"):
        _add(fields, _json_of(_text(part)))
    elif type_ == "text/plain" and _file_name(part) in ("report.txt", "xarf.txt", "report.yaml"):
        _add(fields, _lines_of(_text(part)))
    elif type_ in ("text/plain", "text/html") and "attachment" not in str(part.get("Content-Disposition", "")).lower():
        text = _text(part)
        texts.append(text if type_ == "text/plain" else text_of_html(text, keep_lines=True))


def _file_name(part: Message) -> str:
    """Return what an attachment is called, in small letters; '' where that cannot be made out."""
    try:
        return (part.get_filename() or "").lower()
    except (ValueError, LookupError, TypeError, AttributeError):  # `filename*=idna''x`: the codec raises
        return ""


def _subparts(part: Message) -> list[Message]:
    payload = part.get_payload() if part.is_multipart() else ()  # a text would be decoded, as whoever wrote it says
    return [sub for sub in payload if isinstance(sub, Message)]


def _as_text(part: Message) -> str:
    """Return the headers of a mail and of its parts, and what they say."""
    said: list[str] = []
    for sub in islice(part.walk(), _MOST_PARTS):
        said += [f"{name}: {value}" for name, value in sub.raw_items()]
        said += ["", "" if sub.is_multipart() else _text(sub)]
    return "\n".join(said)


def _text(part: Message) -> str:
    try:
        data = part.get_payload(decode=True)
        raw = data if isinstance(data, bytes) else str(part.get_payload() or "").encode("utf-8", "replace")
        charset = part.get_content_charset() or "utf-8"
    except (ValueError, LookupError, AssertionError, TypeError):
        return ""
    try:
        return raw[: 2 * _MOST_TEXT].decode(charset, "replace")
    except (LookupError, ValueError):
        return raw[: 2 * _MOST_TEXT].decode("utf-8", "replace")


def _lines_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the fields `name: value`; a value may stand in quotes, or on the next line, behind a blank."""
    lines = text[:_MOST_TEXT].splitlines()
    for line, following in pairwise([*lines, ""]):
        name, colon, said = line.partition(":")
        if colon and _NAME.fullmatch(name.strip()):
            value = _VALUE.fullmatch(said.strip() or (following.strip() if following[:1].isspace() else ""))
            if value is not None:
                yield name.strip().lower(), value[1]


def _json_of(text: str) -> Iterator[tuple[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    report = found.get("Report") if isinstance(found, dict) else None
    for level in (found, report):
        for name, value in level.items() if isinstance(level, dict) else ():
            if isinstance(value, str):
                yield str(name).lower(), value[:500]


def _add(fields: dict[str, str], found: Iterator[tuple[str, str]]) -> None:
    for name, value in found:
        fields.setdefault(name, value)


def _without_fangs(text: str) -> str:
    """Undo what keeps people from following a bad address by accident: `hxxp://bad[.]example`."""
    for pattern, plain in _FANGS:
        text = pattern.sub(plain, text)
    return text


def _addresses(text: str) -> Iterator[str]:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                found: Any = ipaddress.ip_address(match[1])
            except ValueError:
                continue
            if not (found.is_loopback or found.is_unspecified or found.is_multicast):
                yield str(found)


def _domains(text: str) -> Iterator[str]:
    for match in _DOMAIN.finditer(_without_fangs(text).lower()):
        if match[1].rpartition(".")[2] not in _NO_DOMAINS:
            yield match[1]


def _first(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:MOST_FOUND]


def _kind(fields: Mapping[str, str], subject: str, text: str) -> str:
    for said in (*(fields.get(name, "") for name in _OF_KIND), subject, text[:_LENGTH_OF_KIND]):
        lowered = said.lower()
        for kind, words in _KINDS:
            if any(word in lowered for word in words):
                return kind
    return OTHER
