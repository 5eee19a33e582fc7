"""The means of a step where nobody gives any: what a kind finds in tests, and in a trial of its own."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from opsrunner.errors import NotFound, StepFailed
from opsrunner.model.backup import Copy
from opsrunner.model.finding import Audited, KnownFinding
from opsrunner.model.look import Look
from opsrunner.model.outcome import Outcome, Row
from opsrunner.model.site import Source
from opsrunner.model.ticket import KnownTickets, TicketLook
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.working_time import WorkingTime, time_of
from opsrunner.steps.team import Team
from opsrunner.stores.base import Store


def the_same(routine: str) -> str:
    """Take a routine for one that was not renamed."""
    return routine


def as_it_stands(name: str) -> tuple[str, ...]:
    """Take a name for a mail address."""
    return (name,)


def no_store(name: str) -> Store:
    """Open no store: there is none."""
    raise NotFound(f"there is no store '{name}'")


def nobody_reads(_copy: Copy) -> AbstractContextManager[None]:
    """Hold nothing: nobody else reads copies."""
    return nullcontext()


def nothing_known(_routine: str, _step: str) -> list[KnownFinding]:
    """Know of no finding."""
    return []


def nothing_ended(_routine: str, _step: str) -> list[tuple[datetime, Outcome]]:
    """Know of no earlier end."""
    return []


def nothing_measured(_routine: str, _step: str) -> Mapping[str, Mapping[str, Sequence[tuple[datetime, int, int]]]]:
    """Know of no measurement."""
    return {}


def none_known(_routine: str, _step: str, _digests: Collection[bytes]) -> frozenset[bytes]:
    """Know no row."""
    return frozenset()


def not_kept(_look: Look) -> None:
    """Refuse a look at rows."""
    raise StepFailed("nobody writes down what was looked at", permanent=True)


def no_rows(_source: Source, _options: Mapping[str, Any]) -> Generator[Row]:
    """Yield no row."""
    yield from ()


def not_told(_audited: Audited) -> None:
    """Refuse what an audit found."""
    raise StepFailed("nobody writes down what an audit finds", permanent=True)


def no_tickets(_routine: str, _step: str) -> KnownTickets:
    """Remember no ticket."""
    return KnownTickets()


def not_looked(_look: TicketLook) -> None:
    """Refuse a look at tickets."""
    raise StepFailed("nobody remembers how tickets stand", permanent=True)


def plain_time(name: str) -> WorkingTime:
    """Give the working time of a site without calendars."""
    return time_of(name, almanac=Almanac(), zone="UTC")


def no_team() -> Team:
    """Know of nobody who is there."""
    raise StepFailed("nobody says who is there", permanent=True)


def no_state(to: Path) -> None:
    """Refuse to copy what is not there."""
    raise StepFailed(f"there is no ledger to copy to {to}", permanent=True)
