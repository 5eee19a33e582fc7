"""When what ends: the dates that places say, and what is known of who was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Literal, TypeAlias

from opsrunner.records import dataclass

AskedPlace: TypeAlias = Literal["rdap", "tls", "file"]
"""Places that are asked, and whose answers are kept: a registry, a server's handshake, a file of this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DateAnswer:
    """What an asked place said of one name when it answered last, and what the last try came to."""

    place: AskedPlace
    name: str
    answered_at: datetime | None = None
    """None: it never did."""
    ends_at: datetime | None = None
    """None with an answer: the place knows the name and tells no date, or knows no such name."""
    by: str = ""
    """Who said it: `rdap.norid.no`."""
    about: str = ""
    """What else it said: the names in a certificate, `auto renew period`."""
    wrong: str = ""
    """What is wrong with it beside its date: `the host's name is not in it`."""
    tried_at: datetime
    failure: str = ""
    """Why the last try came to no answer; '' where it did."""

    def after_failure(self, failure: str, *, at: datetime) -> DateAnswer:
        """Return it after a try without an answer: what was said before still stands."""
        return replace(self, tried_at=at, failure=failure)


@dataclass(frozen=True, kw_only=True)
class Resting:
    """A server that is to be left alone until a moment: it asked for that, or did not answer."""

    server: str
    until: datetime
    why: str
    faults: int = 0
    """How many times in a row it had to be left alone."""


@dataclass(frozen=True, kw_only=True)
class KeptText:
    """A text that was fetched, and when."""

    text: str
    fetched_at: datetime | None
    """None: it never was."""
    tried_at: datetime


IANA_RDAP = "https://data.iana.org/rdap/dns.json"
"""Which registry answers for which top-level domain (RFC 9224)."""


@dataclass(frozen=True, kw_only=True)
class RdapSettings:
    """Whom to ask for the dates of domains."""

    bases: Mapping[str, str | None] = field(default_factory=dict)
    """By top-level domain (or a longer suffix): the address that questions begin with; None: nobody is asked."""
    bootstrap: str = IANA_RDAP
    """Where the list of all registries is fetched; '': it is not, and the packaged one holds."""
