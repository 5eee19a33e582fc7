"""The table of hosts: what each column says, in which order the rows come, and which of them are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field

from opsrunner.engine.host_audits import REBOOT, HostAudit
from opsrunner.engine.hosts import HostStanding
from opsrunner.engine.matching import has_all, words_of
from opsrunner.engine.status_words import WORST_FIRST
from opsrunner.errors import UsageError
from opsrunner.model.digest import Tone
from opsrunner.model.finding import Severity
from opsrunner.model.site import Host
from opsrunner.records import dataclass
from opsrunner.web.visit import Fields

HERE = "/hosts"
LONGEST = 200
WORDS: dict[Tone, str] = {"failed": "failed", "look": "look", "live": "running", "fine": "fine", "nothing": "not asked"}
"""What stands for a tone where hosts are listed."""
_DIGITS = re.compile(r"(\d+)")


class Asked(Fields):
    """What the address asks for."""

    q: Annotated[str, Field(max_length=LONGEST)] = ""
    group: str = ""
    stands: Literal["", "failed", "look", "live", "fine", "nothing"] = ""
    cause: Annotated[str, Field(max_length=LONGEST)] = ""
    sort: str = ""
    """The key of a column, with a `-` before it the other way round; '' is as the page comes."""

    @property
    def is_narrowed(self) -> bool:
        """Tell whether hosts are left out."""
        return bool(self.q.strip() or self.group or self.stands or self.cause)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that the table can be sorted by."""

    key: str
    label: str
    value: Callable[[HostStanding], Any]
    """What its rows are ordered by; None: not known, which comes last either way."""
    falls: bool = False
    """Whether the largest comes first: of findings, updates and room that is used it is what wants a look."""


def known_number(facts: Mapping[str, Any], name: str) -> float | None:
    """Return a fact that is a number; None where the host did not tell it, or told something else."""
    value = facts.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def known_text(facts: Mapping[str, Any], name: str) -> str:
    """Return a fact that is text; '' where it is not known."""
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def needs_reboot(audit: HostAudit) -> bool | None:
    """Tell whether a host has to be restarted, accepted or not; None where nobody knows."""
    if REBOOT in audit.causes:
        return True
    said = audit.facts.get(REBOOT)
    return None if said is None else bool(said)


def _by_name(one: HostStanding) -> Any:
    """Order `web2` before `web10`."""
    return [int(part) if part.isdecimal() else part for part in _DIGITS.split(one.host.name)]


def _by_findings(one: HostStanding) -> Any:
    if not one.audit.left and not one.audit.is_whole:
        return None
    counts = one.audit.severities
    return tuple(counts.get(severity, 0) for severity in Severity)


def _by_updates(one: HostStanding) -> Any:
    updates, security = (known_number(one.audit.facts, name) for name in ("updates", "security"))
    return None if updates is None and security is None else (security or 0, updates or 0)


def _by_reboot(one: HostStanding) -> Any:
    """Order by how long a restart waits: those that wait, then those where it is accepted, then those without."""
    needs, since = needs_reboot(one.audit), one.audit.since(REBOOT)
    return None if needs is None else (since is None, not needs, since.timestamp() if since else 0)


COLUMNS: tuple[Column, ...] = (
    Column(key="name", label="Host", value=_by_name),
    Column(key="stands", label="Stands", value=lambda one: (WORST_FIRST[one.tone], one.host.is_local)),
    Column(key="findings", label="Findings", value=_by_findings, falls=True),
    Column(key="updates", label="Updates", value=_by_updates, falls=True),
    Column(key="reboot", label="Reboot", value=_by_reboot),
    Column(key="disk", label="Disk", value=lambda one: known_number(one.audit.facts, "disk_percent"), falls=True),
    Column(key="audited", label="Audited", value=lambda one: one.audit.at),
    Column(key="groups", label="Groups", value=lambda one: ", ".join(one.host.groups) or None),
    Column(key="system", label="System", value=lambda one: known_text(one.audit.facts, "system").casefold() or None),
)
_BY_KEY = {column.key: column for column in COLUMNS}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A column's head: where it leads, and how the rows are ordered now."""

    label: str
    to: str
    order: Literal["ascending", "descending", ""]


def in_order(standings: Sequence[HostStanding], asked: Asked) -> list[HostStanding]:
    """Return hosts in the order that is asked for; alike ones by name. Raises UsageError for an unknown column."""
    column, is_turned = _sorting(asked.sort)
    rows = sorted(standings, key=_by_name)
    known = [(value, one) for one in rows if (value := column.value(one)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=column.falls != is_turned)
    found = [one for _, one in known]
    return found + [one for one in rows if column.value(one) is None]


def that_match(standings: Sequence[HostStanding], asked: Asked) -> list[HostStanding]:
    """Return the hosts that are asked for. Raises UsageError for a group that no host is in."""
    if asked.group and all(asked.group not in one.host.groups for one in standings):
        raise UsageError(f"no host is in a group '{asked.group[:60]}'")
    words = words_of(asked.q)
    return [
        one
        for one in standings
        if (not asked.group or asked.group in one.host.groups)
        and (not asked.stands or one.tone == asked.stands)
        and (not asked.cause or asked.cause in one.audit.causes)
        and has_all(words, *_texts(one))
    ]


def headings(asked: Asked) -> list[Heading]:
    """Return the heads of all columns; the one that the rows are sorted by turns them round."""
    now, is_turned = _sorting(asked.sort)
    found: list[Heading] = []
    for column in COLUMNS:
        is_now = column is now
        way = "-" if is_now and not is_turned else ""
        order: Literal["ascending", "descending", ""] = ""
        if is_now:
            order = "descending" if column.falls != is_turned else "ascending"
        found.append(Heading(label=column.label, to=address(asked, sort=f"{way}{column.key}"), order=order))
    return found


def orders(asked: Asked) -> list[tuple[str, str]]:
    """Return the orders that a phone, which shows no heads, can choose from; and the one that is chosen."""
    found = [
        ("", "what wants a look first"),
        *((one.key, f"by {one.label.lower()}") for one in COLUMNS if one.key != "stands"),
    ]
    column, is_turned = _sorting(asked.sort)
    return [*found, (asked.sort, f"by {column.label.lower()}, turned round")] if is_turned else found


def address(asked: Asked, **changes: str) -> str:
    """Return the address of another look at the table."""
    told = {name: value for name, value in {**asked.model_dump(), **changes}.items() if value}
    return f"{HERE}?{urlencode(told)}" if told else HERE


def groups_of(standings: Sequence[HostStanding]) -> list[str]:
    """Return every group that a host is in."""
    return sorted({group for one in standings for group in one.host.groups})


def causes_of(standings: Sequence[HostStanding], asked: Asked) -> list[tuple[str, int]]:
    """Return the causes of what stands, each with how many hosts have it; and the one that is asked for."""
    found = dict.fromkeys([asked.cause] if asked.cause else [], 0)
    for one in standings:
        for cause in one.audit.causes:
            found[cause] = found.get(cause, 0) + 1
    return sorted(found.items())


def place_of(host: Host) -> str:
    """Return where a host is, without the user that signs in there."""
    if host.is_local:
        return "this machine"
    return host.address if host.port == 22 else f"{host.address}, port {host.port}"


def word_of(standing: HostStanding) -> str:
    """Return how a host stands, in a word or three."""
    return "not all asked" if standing.tone == "nothing" and standing.fine else WORDS[standing.tone]


def _sorting(sort: str) -> tuple[Column, bool]:
    column = _BY_KEY.get(sort.removeprefix("-") or "stands")
    if column is None:
        raise UsageError(f"sort: '{sort[:40]}' is no column; there are {', '.join(_BY_KEY)}")
    return column, sort.startswith("-")


def _texts(one: HostStanding) -> tuple[str, ...]:
    facts = one.audit.facts
    told = (known_text(facts, name) for name in ("system", "kernel", "panel"))
    said = (reach.last.message for reach in one.wrong if reach.last is not None)
    return (one.host.name, place_of(one.host), *one.host.groups, *told, *said)
