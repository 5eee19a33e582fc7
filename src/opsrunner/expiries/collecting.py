"""All that is said of when things end: one entry a thing, with every date and who says it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.expiries.names import BadName, to_domain
from opsrunner.model.expiry import DateAnswer
from opsrunner.records import dataclass
from opsrunner.schedules.zones import MIDNIGHT, to_utc

FIRST_YEAR, LAST_YEAR = 1970, 8999
DOMAIN, CERTIFICATE = "domain", "certificate"


@dataclass(frozen=True, slots=True)
class Dated:
    """One date by one place."""

    ends_at: datetime
    """Of a plain date its first moment in the site's zone: the earlier reading."""
    place: str
    """Who says it: the name of a source, `rdap.norid.no`, `by hand`."""
    is_day: bool = False
    answered_at: datetime | None = None
    """When it was asked; None: just now, by reading it."""


class Entry:
    """One thing that ends some day. Made by the hundred thousand, so it has slots and only what is filled."""

    __slots__ = ("about", "dates", "failure", "kind", "name", "row", "wrong")

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        self.dates: tuple[Dated, ...] = ()
        self.row: tuple[Any, ...] | None = None
        """What its first row said beside: see `Collected.columns`."""
        self.about = ""
        self.wrong: tuple[str, ...] = ()
        """What is wrong with it beside its date."""
        self.failure: tuple[str, ...] = ()
        """Why places could not say a date, or not again."""


class Collected:
    """The entries, by kind and name. `columns` are passed on from the rows of sources."""

    def __init__(self, *, zone: ZoneInfo, columns: Sequence[str]) -> None:
        self._zone = zone
        self._midnights: dict[date, datetime] = {}
        self._entries: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self.columns = tuple(columns)

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def __iter__(self) -> Iterator[Entry]:
        return chain.from_iterable(entries.values() for entries in self._entries.values())

    def entry(self, kind: str, name: str) -> Entry:
        """Return the entry of a name, made where there is none; names of domains are one in each spelling."""
        entries, plain = self._entries[kind], _plain(kind, name)
        entry = entries.get(plain)
        if entry is None:
            entry = entries[name if plain == name else plain] = Entry(kind, name)
        return entry

    def of_kind(self, kind: str) -> list[Entry]:
        """Return the entries of a kind."""
        return list(self._entries[kind].values())

    def describe(self, entry: Entry, row: Mapping[str, Any]) -> None:
        """Keep what a row says of an entry; the first that says anything counts."""
        if entry.row is None:
            entry.row = tuple(row.get(column) for column in self.columns)

    def add_date(self, entry: Entry, value: date | datetime | None, *, place: str) -> None:
        """Add what a row or a person says. None is no date, nor is one of a time before there was anything to end."""
        if value is None:
            return
        if value.year < FIRST_YEAR:
            self.fail(entry, f"{place} says {value:%Y-%m-%d}, which is no date")
            return
        if value.year > LAST_YEAR:
            value = date(LAST_YEAR, 12, 31)  # never, for a calendar that has no such word
        is_day = not isinstance(value, datetime)
        ends_at = value if isinstance(value, datetime) else self._midnight(value)
        entry.dates = (*entry.dates, Dated(ends_at, place, is_day))

    def answer(self, entry: Entry, answer: DateAnswer, *, is_trusted: bool) -> None:
        """Add what an asked place said. Without `is_trusted` it is too old to be believed: only its failure stays."""
        if answer.failure:
            entry.failure = (*entry.failure, answer.failure)
        if answer.answered_at is None or not is_trusted:
            return
        if answer.ends_at is not None:
            dated = Dated(answer.ends_at, answer.by or answer.place, answered_at=answer.answered_at)
            entry.dates = (*entry.dates, dated)
        elif not answer.wrong:
            entry.failure = (*entry.failure, f"{answer.by} tells no date")
        if answer.wrong:
            entry.wrong = (*entry.wrong, f"{answer.by}: {answer.wrong}" if answer.place == "rdap" else answer.wrong)
        entry.about = entry.about or answer.about

    def forget(self, entry: Entry, answer: DateAnswer) -> None:
        """Take back what an asked place said before it was asked again."""
        by = answer.by or answer.place
        entry.dates = tuple(
            one
            for one in entry.dates
            if one.answered_at is None or (one.place, one.answered_at) != (by, answer.answered_at)
        )
        entry.wrong = tuple(one for one in entry.wrong if not answer.wrong or not one.endswith(answer.wrong))
        entry.failure = tuple(one for one in entry.failure if one not in (answer.failure, f"{answer.by} tells no date"))
        if entry.about == answer.about:
            entry.about = ""

    def fail(self, entry: Entry, why: str) -> None:
        """Note why a place said nothing of an entry."""
        entry.failure = (*entry.failure, why)

    def _midnight(self, day: date) -> datetime:
        """Return the first moment of a day here. A hundred thousand rows have a few hundred days."""
        moment = self._midnights.get(day)
        if moment is None:
            moment = self._midnights[day] = to_utc(day, MIDNIGHT, self._zone)
        return moment


def _plain(kind: str, name: str) -> str:
    if kind != DOMAIN:
        return name
    if name.isascii():
        return name.strip().lower().removesuffix(".")
    try:
        return to_domain(name)
    except BadName:
        return name.strip().lower()
