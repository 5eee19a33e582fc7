"""How fresh the package lists are: with old ones, "nothing pending" means nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opsrunner.audits.seen import Host, Seen
from opsrunner.audits.systems import CLOCK_SECONDS
from opsrunner.model.finding import Severity
from opsrunner.records import dataclass

OLD_DAYS = 3
"""Lists that were refreshed longer ago than this are old; every system's own timer does it daily."""
LONG_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """When the host last heard of updates, and when it last installed any."""

    told_at: int | None
    """By the host's clock; None where there are no lists."""
    expired: tuple[str, ...] = ()
    """Lists that say themselves that they no longer hold."""
    changed_at: int | None = None
    """When a package was last installed or removed."""
    automatic: str = "none"
    """What installs updates by itself."""


def see_lists(host: Host, freshness: Freshness) -> Seen:
    """Return a finding where the lists are old. How old they are is not known where they are of a time to come."""
    facts: dict[str, Any] = {"automatic": freshness.automatic, "lists_at": said_moment(freshness.told_at)}
    facts["updated_at"] = said_moment(freshness.changed_at)
    examined = frozenset({"lists"})
    if freshness.told_at is None:
        detail = "there are no package lists: no update can be known"
        return Seen(examined=examined, findings=(host.finding("lists", "", Severity.HIGH, detail),), facts=facts)
    if freshness.told_at - host.clock > CLOCK_SECONDS:
        when = said_moment(freshness.told_at)[:10]
        problem = f"the age of the package lists is not known: by their date, {when}, they are of a time to come"
        return Seen(facts=facts, problems=(problem,))
    days = (host.clock - freshness.told_at) // 86400
    if days >= OLD_DAYS:
        severity = Severity.HIGH if days >= LONG_DAYS else Severity.MEDIUM
        detail = f"last refreshed on {said_moment(freshness.told_at)[:10]}, {days} days ago"
        return Seen(examined=examined, findings=(host.finding("lists", "", severity, detail),), facts=facts)
    if freshness.expired:
        detail = f"refreshing fails: no longer valid is {', '.join(freshness.expired[:5])}"
        return Seen(examined=examined, findings=(host.finding("lists", "", Severity.MEDIUM, detail),), facts=facts)
    return Seen(examined=examined, facts=facts)


def said_moment(seconds: int | None) -> str:
    """Return a moment as ISO 8601 in UTC, to the minute; '' where it is not known or no moment."""
    if seconds is None or seconds > 99_999_999_999:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
