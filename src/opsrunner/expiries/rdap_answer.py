"""What a registry's answer about a domain says (RFC 9083), whatever it holds besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from opsrunner.expiries.names import BadName, to_ascii
from opsrunner.records import dataclass

MOST_ITEMS = 200
"""Events and states of one domain that are looked at."""
LONGEST_WORD = 60
YEARS = range(1985, 2200)
"""In which a domain can end; registries that know no end write 9999 or 0001."""
_GOING = {
    "redemption period": "it has ended and is in its redemption period",
    "pending restore": "it has ended and is being restored",
    "pending delete": "it has ended and is about to be deleted",
}
"""States of a domain that is lost unless somebody acts (RFC 3915, RFC 8056)."""
_HELD = ("client hold", "server hold")
RENEWED_BY_ITSELF = "auto renew period"
"""The registry has moved the date already, and the registrar may still give the domain back (RFC 3915, 3.1)."""


class Unusable(ValueError):
    """The answer says nothing about the domain; the message completes `SERVER: …`."""


@dataclass(frozen=True, kw_only=True)
class RdapAnswer:
    """What a registry says of one domain."""

    ends_at: datetime | None
    about: str = ""
    wrong: str = ""


def read_answer(body: bytes, name: str) -> RdapAnswer:
    """Return what an answer says of `name`, a domain in its ASCII form. Raises Unusable.

    Of several dates of expiry the earliest counts; a date that cannot be is none.
    """
    domain = _parsed(body)
    if not isinstance(domain, dict) or domain.get("objectClassName", "domain") != "domain":
        raise Unusable("the answer is not about a domain")
    _require_name(domain, name)
    states = {word for item in _list(domain.get("status")) if (word := _word(item))}
    ends = sorted(end for event in _list(domain.get("events")) if (end := _end(event)) is not None)
    wrong = [words for state, words in _GOING.items() if state in states]
    if not wrong and states.intersection(_HELD):
        wrong = ["it is on hold, and does not resolve"]
    return RdapAnswer(
        ends_at=ends[0] if ends else None,
        about=RENEWED_BY_ITSELF if RENEWED_BY_ITSELF in states else "",
        wrong="; ".join(wrong),
    )


def read_moment(text: object) -> datetime | None:
    """Return the UTC moment of an RFC 3339 text, None for what is none or cannot be the end of a domain."""
    if not isinstance(text, str) or len(text) > LONGEST_WORD:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().upper())
        utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc if utc.year in YEARS else None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise Unusable("the answer is not JSON") from exc


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _require_name(domain: Mapping[str, Any], name: str) -> None:
    """Raise Unusable where the answer names another domain."""
    for key in ("ldhName", "unicodeName"):
        told = domain.get(key)
        if told is None:
            continue
        try:
            is_same = isinstance(told, str) and to_ascii(told[:300]) == name
        except BadName:
            is_same = False
        if is_same:
            return
        raise Unusable("the answer is about another domain")


def _end(event: object) -> datetime | None:
    if not isinstance(event, dict) or _word(event.get("eventAction")) != "expiration":
        return None
    return read_moment(event.get("eventDate"))


def _list(value: object) -> list[Any]:
    return value[:MOST_ITEMS] if isinstance(value, list) else []


def _word(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) and len(value) <= LONGEST_WORD else ""
