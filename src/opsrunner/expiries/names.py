"""Names of domains as registries know them: small letters, ASCII, no dot at the end."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

LONGEST = 253
LONGEST_LABEL = 63
RESERVED = frozenset({"example", "test", "invalid", "localhost", "local", "internal", "onion", "alt", "arpa"})
"""Top-level domains in which nobody registers anything (RFC 2606, 6761, 6762, 7686, 9476; ICANN's `internal`)."""
_PLAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_IN_LABELS = frozenset("-·・ʹ\u200c\u200d")
"""Signs beside letters, marks and digits that IDNA 2008 allows, each in its context (RFC 5892, A)."""


class BadName(ValueError):
    """What stands there is no domain's name; the message says why."""


@lru_cache(maxsize=4096)
def to_ascii(name: str) -> str:
    """Return the name of a domain in its ASCII form: `Blåbær.no.` is `xn--blbr-roah.no`. Raises BadName.

    Small letters and one form of Unicode (RFC 5895), then Punycode label by label (RFC 5891). Unlike Python's codec,
    which is of 2003, `ß` stays a letter of its own: another name would be another domain.
    """
    if name.isascii():
        plain = name.strip().lower()
    else:
        plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).lower())
        plain = plain.replace("\u3002", ".")
    labels = plain.removesuffix(".").split(".")
    done = ".".join(_label(label) for label in labels)
    if len(done) > LONGEST:
        raise BadName("it is longer than a name can be")
    return done


def to_domain(name: str) -> str:
    """Return `to_ascii` of a name that a registry can be asked for. Raises BadName."""
    plain = to_ascii(name)
    if "." not in plain:
        raise BadName("it has no top-level domain")
    top = plain.rpartition(".")[2]
    if top.isdigit():
        raise BadName("it is an address, not a name")
    if top in RESERVED:
        raise BadName(f"nobody registers names in .{top}")
    return plain


def as_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a text is, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _label(label: str) -> str:
    if not label:
        raise BadName("a part of it is empty")
    coded = label if label.isascii() else _punycode(label)
    if len(coded) > LONGEST_LABEL or not _PLAIN.match(coded):
        raise BadName("it holds a sign that no name has")
    return coded


def _punycode(label: str) -> str:
    if not all(sign in _IN_LABELS or unicodedata.category(sign)[0] in "LMN" for sign in label):
        raise BadName("it holds a sign that no name has")
    return f"xn--{label.encode('punycode').decode('ascii')}"
