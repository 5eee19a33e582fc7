"""What people accepted of what audits found: quiet until a day, and listed in each digest until then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.engine.finding_words import hosts_words, until_words
from opsrunner.engine.host_audits import standing_acceptances
from opsrunner.model.finding import Acceptance
from opsrunner.records import dataclass

MOST_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Findings of one cause that one person accepted together."""

    what: str
    """`held:nginx on web1 is`, `4 held on 3 hosts are`."""
    until: datetime
    reason: str
    by: str
    """The name of whoever accepted it."""


def accepted_together(desk: Desk, *, at: datetime) -> list[Accepted]:
    """Return what is accepted at `at` and still there, the first to end first; alike findings are one."""
    alike: dict[tuple[datetime, str, str, str], list[Acceptance]] = defaultdict(list)
    for one in standing_acceptances(desk, at=at):
        alike[(one.until, one.cause, one.reason, one.by)].append(one)
    return [
        Accepted(what=_what(found), until=until, reason=reason.rstrip("."), by=desk.site().name_of(by))
        for (until, _, reason, by), found in sorted(alike.items(), key=lambda item: item[0])
    ]


def accepted_lines(desk: Desk, *, until: datetime) -> Iterator[str]:
    """Yield `held:nginx on web1 is accepted until Sat 12 Dec: waits for the vendor (First technician).`"""
    zone = ZoneInfo(desk.site().timezone)
    found = accepted_together(desk, at=until)
    for one in found[:MOST_LINES]:
        yield f"{one.what} accepted until {until_words(one.until, zone=zone)}: {one.reason} ({one.by})."
    if len(found) > MOST_LINES:
        rest = plural(len(found) - MOST_LINES, "more acceptance")
        yield f"{rest}, the last until {until_words(found[-1].until, zone=zone)}."


def _what(found: Sequence[Acceptance]) -> str:
    hosts = hosts_words(sorted({one.host for one in found}))
    names = {one.name for one in found}
    if len(names) == 1:
        return f"{names.pop()} on {hosts} is"
    return f"{count_words(len(found))} {found[0].cause} on {hosts} are"


def ending_words(one: Accepted) -> str:
    """Return what is said when an acceptance ends soon: `held:nginx on web1 is accepted no longer: …`."""
    return f"{one.what} accepted no longer: {one.reason} ({one.by})"
