"""What a company offers to install, against the releases that there are: what has ended, ends soon, or is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from enum import StrEnum

from opsrunner.audits.releases import Release, releases
from opsrunner.records import dataclass

LEAST_LIFE = timedelta(days=365)
"""A release is missed in an offer only where it gets security updates for so long yet: interim ones are no loss."""


class OfferState(StrEnum):
    """How one system of the offer stands."""

    FINE = "fine"
    ENDS_SOON = "ends soon"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """Nobody knows when its updates end."""
    MISSING = "missing"
    """It is the newest release of a system that is offered, and is not."""

    @property
    def is_fine(self) -> bool:
        """Tell whether nobody has to act."""
        return self is OfferState.FINE


@dataclass(frozen=True, kw_only=True)
class Offered:
    """One system, offered or missing."""

    system: str
    """As the offer names it; as the release is called where it is missing."""
    state: OfferState
    ends: date | None = None
    """The last day of its security updates."""

    def words(self, today: date) -> str:
        """Say it in one line."""
        match self.state:
            case OfferState.UNKNOWN:
                return f"{self.system}: nobody here knows until when it gets security updates"
            case OfferState.MISSING:
                return f"{self.system} is not offered yet; it gets security updates until {self.ends}"
            case OfferState.ENDED:
                return f"{self.system}: security updates ended on {self.ends}"
            case _:
                days = "" if self.ends is None else f", in {(self.ends - today).days} days"
                return f"{self.system}: security updates end on {self.ends}{days}"


def judge_offer(names: Iterable[str], *, today: date, ends_within: timedelta) -> list[Offered]:
    """Judge each name of an offer once, and add the newest releases of the same systems that it lacks."""
    offered = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    found = [_judge(name, today=today, ends_within=ends_within) for name in offered]
    return [*found, *_missing(offered, today=today)]


def _judge(name: str, *, today: date, ends_within: timedelta) -> Offered:
    known = _release_of(name)
    if known is None:
        return Offered(system=name, state=OfferState.UNKNOWN)
    ends = known[1].ends
    if ends < today:
        return Offered(system=name, state=OfferState.ENDED, ends=ends)
    state = OfferState.ENDS_SOON if ends - today <= ends_within else OfferState.FINE
    return Offered(system=name, state=state, ends=ends)


def _release_of(name: str) -> tuple[tuple[str, str], Release] | None:
    """Return the release that a name of the offer means: `Debian 12`, `Ubuntu 24.04 LTS`, `AlmaLinux 9.4 minimal`."""
    words = _plain(name)
    best: tuple[tuple[str, str], Release] | None = None
    for key, release in releases().items():
        wanted = _plain(release.name)
        has_it = re.match(rf"{re.escape(wanted)}(?:[ .]|$)", words) is not None
        if has_it and (best is None or len(wanted) > len(_plain(best[1].name))):
            best = (key, release)
    return best


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _missing(offered: Iterable[str], *, today: date) -> Iterator[Offered]:
    known = [found[0] for name in offered if (found := _release_of(name)) is not None]
    for system in sorted({system for system, _ in known}):
        newest = max(
            (
                version
                for one, version in releases()
                if one == system and releases()[one, version].ends - today >= LEAST_LIFE
            ),
            key=_number,
            default=None,
        )
        if newest is not None and (system, newest) not in known:
            release = releases()[system, newest]
            yield Offered(system=release.name, state=OfferState.MISSING, ends=release.ends)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
