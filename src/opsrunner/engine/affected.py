"""Who is affected where hosts are down: the rows of audiences that are on them, one person once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from opsrunner.errors import MailFailed, StepFailed, UsageError
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.model.notice import Recipient
from opsrunner.model.outcome import Row
from opsrunner.model.site import Site, Source
from opsrunner.model.window import Audience
from opsrunner.records import dataclass

ReadSource: TypeAlias = Callable[[Source, Mapping[str, Any]], tuple[Row, ...]]
NAME_LENGTH, SERVICE_LENGTH = 120, 200
MOST_SERVICES = 500
"""So many services of one person are named."""
READ_SECONDS = 120
NUMBER = "service"
"""The column with a service's own number: two of one product are two, and one that two audiences have is one."""
_SEPARATORS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, kw_only=True)
class Affected:
    """Who is affected, and the rows of which nobody can be told."""

    people: tuple[Row, ...]
    """`to`, `name`, `customer` and `services`, a list of `service`, `host`, `amount` and `cycle`."""
    nowhere: tuple[Row, ...] = ()
    """`service`, `host`, `customer` and `problem` of rows without an address that is one."""
    hosts: frozenset[str] = frozenset()
    """Every host that the audiences' rows are on."""

    @property
    def services(self) -> int:
        """How many services are affected."""
        return sum(len(one["services"]) for one in self.people) + len(self.nowhere)


class ReadOnce:
    """Reads each source once, with the same options: many windows have one audience. For one look alone."""

    def __init__(self, read: ReadSource) -> None:
        self._read = read
        self._rows: dict[tuple[str, str], tuple[Row, ...]] = {}

    def __call__(self, source: Source, options: Mapping[str, Any]) -> tuple[Row, ...]:
        about = (source.name, repr(options))
        if about not in self._rows:
            self._rows[about] = self._read(source, options)
        return self._rows[about]


def affected(audiences: Sequence[Audience], hosts: Sequence[str], *, site: Site, read: ReadSource) -> Affected:
    """Return who has something on these hosts. Raises StepFailed where a source cannot be read.

    An address that stands in several rows, or in two audiences, is one person; services that stand twice are one.
    """
    wanted = {host.casefold() for host in hosts}
    people: dict[str, dict[str, Any]] = {}
    nowhere: list[Row] = []
    seen: set[str] = set()
    named: set[tuple[str, ...]] = set()
    for audience in audiences:
        for row in _rows(audience, site, read):
            host = _text(row.get(audience.host))
            seen.add(host)
            if host.casefold() not in wanted:
                continue
            addresses, problem = _addresses(_text(row.get(audience.to)))
            service = _service(row, audience, host)
            if problem:
                nowhere.append({**service, "customer": _text(row.get(audience.customer)), "problem": problem})
            for address in addresses:
                person = people.setdefault(address, _person(address, row, audience))
                one = (address, str(service["service"]), _text(row.get(NUMBER)), host)
                if one not in named and len(person["services"]) < MOST_SERVICES:
                    named.add(one)
                    person["services"].append(service)
    ordered = sorted(people.values(), key=lambda one: (str(one["customer"]), str(one["to"])))
    return Affected(people=tuple(ordered), nowhere=tuple(nowhere), hosts=frozenset(seen - {""}))


def require_known(hosts: Sequence[str], found: Affected, site: Site) -> None:
    """Raise UsageError for a host that neither the inventory nor rows of the audiences know: a slip tells nobody."""
    groups = {group for host in site.hosts.values() for group in host.groups}
    known = {name.casefold() for name in (*site.hosts, *found.hosts, *groups)}
    for host in hosts:
        if known and host.casefold() not in known and host != "all":
            near = get_close_matches(host.casefold(), sorted(known), n=1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            said = clean_line(host, length=80)
            raise UsageError(f"neither the inventory nor the customers' data know a host '{said}'{hint}")


def why_unknown(found: Affected) -> str:
    """Return why nobody can be told of some; '' where all is well."""
    if found.people and not found.nowhere:
        return ""
    if not found.people and not found.nowhere:
        some = ", ".join(sorted(found.hosts)[:5])
        return f"no row of its audience is on these hosts{f'; there are rows on {some}' if some else ''}"
    first = found.nowhere[0]
    others = f", and {len(found.nowhere) - 1} more" if len(found.nowhere) > 1 else ""
    return (
        f"nobody can be told of {first['service']} ({first['customer'] or 'no customer'}): {first['problem']}{others}"
    )


def recipients(people: Sequence[Row], *, struck: Sequence[str] = ()) -> tuple[Recipient, ...]:
    """Return people as recipients of a notice, without those who were struck."""
    left_out = {address.lower() for address in struck}
    told = [one for one in people if one["to"].lower() not in left_out]
    return tuple(Recipient(address=one["to"], name=one["name"], row=one) for one in told)


def _rows(audience: Audience, site: Site, read: ReadSource) -> Iterator[Row]:
    source = site.sources.get(audience.source)
    if source is None:
        raise StepFailed(f"there is no source '{audience.source}'", permanent=True)
    rows = read(source, {"where": dict(audience.where), "timeout_seconds": READ_SECONDS})
    needed = (audience.host, audience.to)
    lacking = [name for name in needed if rows and name not in rows[0]]
    if lacking:
        raise StepFailed(f"{audience.source} has no column '{lacking[0]}'", permanent=True)
    yield from rows


def _person(address: str, row: Row, audience: Audience) -> dict[str, Any]:
    return {
        "to": address,
        "name": clean_line(_text(row.get(audience.name)), length=NAME_LENGTH),
        "customer": _text(row.get(audience.customer)),
        "services": [],
    }


def _service(row: Row, audience: Audience, host: str) -> dict[str, Any]:
    parts = [_text(row.get(name)) for name in audience.service]
    words = clean_line(" ".join(part for part in parts if part), length=SERVICE_LENGTH)
    number = clean_line(_text(row.get(NUMBER)), length=SERVICE_LENGTH)
    found: dict[str, Any] = {"service": words or number or host, "host": host}
    for name, column in (("amount", audience.amount), ("cycle", audience.cycle)):
        if row.get(column) is not None:
            found[name] = row[column]
    return found


def _addresses(text: str) -> tuple[list[str], str]:
    """Return the addresses of a cell, and why nobody is reached where that is so."""
    found: list[str] = []
    for word in _SEPARATORS.split(text):
        if not word:
            continue
        try:
            found.append(parse_address(word).address.lower())
        except MailFailed:
            return [], f"'{clean_line(word, length=80)}' is no mail address"
    return list(dict.fromkeys(found)), "" if found else "no mail address"


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
