"""What may stand in a mail's headers: cleaned text, and addresses read strictly.

Names, subjects and rows of customers come from outside. A line break in one of them must not become
a header, nor a comma a second recipient. The mail library of Python 3.11 folds some such headers
wrongly (CVE-2024-6923, CVE-2025-1795), so nothing of the kind ever reaches it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from opsrunner.errors import MailFailed
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from email.policy import EmailPolicy

SUBJECT_LENGTH = 200
NAME_LENGTH = 60
ADDRESS_LENGTH = 254
LOCAL_PART_LENGTH = 64
_READ_AHEAD = 8
"""How many times the wanted length is looked at: a line of a megabyte costs no more than a short one."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
_MESSAGE_ID = re.compile(rf"<{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*>")
_LEAVE = re.compile(r"(?:https?://|mailto:)[A-Za-z0-9._~:/?#@!$&'()*+;=%-]+")
_LEAVE_LENGTH = 900
_ENCODED = "=?"
"""Where an encoded word (RFC 2047) begins: the mail library unpacks one even in an address, line breaks and all."""
_UNWANTED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Format characters that Persian words and emoji cannot do without."""
_NAME_CHARACTERS = frozenset(" &'+-_")


@dataclass(frozen=True, kw_only=True)
class MailAddress:
    """One address: a plain display name, possibly empty, and an ASCII `local@domain`."""

    name: str
    address: str

    @property
    def local_part(self) -> str:
        """What stands before the `@`."""
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """What stands after the `@`."""
        return self.address.rpartition("@")[2]


class WholeLine(str):
    """A header's checked value that is never folded: the mail library would make encoded words of a long address."""

    name: str

    def __new__(cls, name: str, value: str) -> WholeLine:
        """Make the value of the header `name`; it is ASCII without line breaks."""
        line = super().__new__(cls, value)
        line.name = name
        return line

    def fold(self, *, policy: EmailPolicy) -> str:
        """Return the header as it goes over the wire, as the mail library asks for it."""
        return f"{self.name}: {self}{policy.linesep}"


def clean_line(text: str, *, length: int = SUBJECT_LENGTH) -> str:
    """Return `text` as one line without controls, line separators, direction overrides or lone surrogates.

    Longer than `length` characters it ends in an ellipsis.
    """
    start = text[: _READ_AHEAD * length]
    seen = start if start.isprintable() else "".join(map(_visible, start))  # which changes nothing in what is printable
    line = " ".join(seen.split())
    if len(line) <= length and len(start) == len(text):
        return line
    return line[: length - 1].rstrip() + "…"


@lru_cache(maxsize=1024)
def parse_address(text: str) -> MailAddress:
    """Read `local@domain` or `Name <local@domain>`: one address, or none at all.

    A domain in other letters than ASCII becomes its IDNA form. Raises MailFailed (permanent) for
    everything else: two addresses, quoted local parts, control characters, a bare user name.
    """
    name, address = _split_name(text.strip())
    match = _ADDRESS.fullmatch(_with_ascii_domain(address))
    is_long = match is not None and (len(match[0]) > ADDRESS_LENGTH or len(match[1]) > LOCAL_PART_LENGTH)
    if match is None or is_long or _ENCODED in address:
        raise MailFailed(f"not a mail address: {clean_line(text, length=80)!r}", permanent=True)
    return MailAddress(name=_plain_name(name), address=match[0])


def parse_message_id(text: str, *, domain: str) -> str:
    """Return `text` as a Message-ID, completed with `domain` where it is only what stands before the `@`.

    Raises MailFailed (permanent) where that makes none (RFC 5322, 3.6.4).
    """
    whole = text if "@" in text else f"<{text}@{domain}>"
    if _MESSAGE_ID.fullmatch(whole) is None or len(whole) > ADDRESS_LENGTH or _ENCODED in whole:
        raise MailFailed(f"not a Message-ID: {clean_line(text, length=80)!r}", permanent=True)
    return whole


def parse_leave(text: str) -> str:
    """Return `text`, where it is one web or mail address at which to leave a list (RFC 2369).

    Raises MailFailed (permanent) for everything else.
    """
    if _LEAVE.fullmatch(text) is None or len(text) > _LEAVE_LENGTH or _ENCODED in text:
        raise MailFailed(f"not an address to leave at: {clean_line(text, length=80)!r}", permanent=True)
    return text


def _visible(character: str) -> str:
    if character == "\ufffd" or character in _JOINERS:
        return character
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    return " " if category in _UNWANTED else character


def _split_name(text: str) -> tuple[str, str]:
    if not text.endswith(">"):
        return "", text
    name, _, address = text[:-1].rpartition("<")
    return name, address


def _with_ascii_domain(address: str) -> str:
    local_part, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    if len(domain) > ADDRESS_LENGTH:  # before the codec looks at it: it takes its time
        return ""
    try:
        return f"{local_part}{at}{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return ""


def _plain_name(name: str) -> str:
    """Keep letters, digits and harmless signs: no character that would need quoting in a header."""
    line = clean_line(name, length=4 * NAME_LENGTH)
    kept = "".join(sign if _may_stand_in_name(sign) else " " for sign in line)
    return " ".join(kept.split())[:NAME_LENGTH].strip()


def _may_stand_in_name(character: str) -> bool:
    return character in _NAME_CHARACTERS or unicodedata.category(character)[0] in "LMN"
