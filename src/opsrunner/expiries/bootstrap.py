"""Which server answers for which top-level domain: IANA's list (RFC 9224, once RFC 7484), and a packaged part of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opsrunner.errors import StepFailed
from opsrunner.expiries.names import BadName, as_address, to_ascii

MOST_BYTES = 5_000_000
"""IANA's list has 60,000."""
PACKAGED_OF = "2026-02-13"
"""The day of IANA's list that `rdap_servers.csv` was taken from."""


def read_bootstrap(text: str) -> Mapping[str, str]:
    """Return the address of each top-level domain's server. Raises StepFailed where it is no such list.

    Of several addresses the first with TLS is taken; a registry that offers none is left out.
    """
    try:
        services = json.loads(text)["services"]
        entries = [(entry[0], entry[1]) for entry in services]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as exc:
        raise StepFailed("the list of RDAP servers is not as RFC 9224 has it") from exc
    found: dict[str, str] = {}
    for names, addresses in entries:
        base = next((one for one in _texts(addresses) if is_trusted(one)), None)
        found |= {top: base for name in _texts(names) if base and (top := _top(name))}
    if not found:
        raise StepFailed("the list of RDAP servers is empty")
    return found


@cache
def packaged() -> Mapping[str, str]:
    """Return the servers of the larger top-level domains, as IANA's list had them on the day `PACKAGED_OF`."""
    path = Path(__file__).with_name("rdap_servers.csv")
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        return {top: line["server"] for line in lines for top in line["domains"].split()}


def base_for(name: str, bases: Mapping[str, str | None]) -> str | None:
    """Return the address for a name by the longest suffix that is listed (RFC 9224, 4).

    Raises KeyError where none is; None: the site says that nobody is asked.
    """
    labels = name.split(".")
    for start in range(1, len(labels)):
        suffix = ".".join(labels[start:])
        if suffix in bases:
            return bases[suffix]
    raise KeyError(labels[-1])


def is_trusted(address: str) -> bool:
    """Tell whether an answer from that address can be believed: over TLS, or from this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
        parts.port  # noqa: B018 (raises for what is no port)
    except ValueError:
        return False
    if not host or parts.username:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))


def is_this_machine(host: str) -> bool:
    """Tell whether a name or address is of loopback."""
    address = as_address(host)
    return host == "localhost" if address is None else address.is_loopback


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _top(name: str) -> str:
    try:
        return to_ascii(name)
    except BadName:
        return ""
