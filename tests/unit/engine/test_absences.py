"""Days and words of leave, swaps and cover."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.absences import absence_words, whole_days
from opsrunner.errors import UsageError
from opsrunner.model.person import Absence, Person
from opsrunner.model.site import MailSettings, Site

ZONE = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
SITE = Site(
    root=Path("/site"),
    name="Example",
    timezone="Europe/Oslo",
    people={id_: Person(id=id_, name=id_.title(), email=f"{id_}@example.com") for id_ in ("ann", "bob")},
    mail=MailSettings(from_="ops@example.com"),
)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [("2026-11-23", "2026-11-23", 24), ("2026-03-29", "2026-03-29", 23), ("2026-10-24", "2026-10-25", 49)],
    ids=["a day", "into summer time", "out of it"],
)
def test_the_first_and_the_last_day_are_included(first: str, last: str, hours: int) -> None:
    begin, end = whole_days(date.fromisoformat(first), date.fromisoformat(last), ZONE)
    assert begin.astimezone(ZONE).isoformat()[:16] == f"{first}T00:00"
    assert (end - begin).total_seconds() == hours * 3600


@pytest.mark.parametrize("day", [date.min, date(1800, 1, 1), date.max])
def test_a_year_that_no_schedule_knows_is_refused(day: date) -> None:
    for first, last in ((day, date(2026, 11, 23)), (date(2026, 11, 23), day)):
        with pytest.raises(UsageError, match="out of reach"):
            whole_days(first, last, ZONE)


@pytest.mark.parametrize(
    ("kind", "roster", "begin", "end", "words"),
    [
        ("leave", None, "2026-11-23", "2026-11-28", "Ann is away from Mon until the end of Fri 27 Nov"),
        ("leave", None, "2026-11-19", "2026-11-21", "Ann is away until the end of today"),
        ("swap", "on-call", "2026-11-23", "2026-11-24T09:00", "Bob takes on-call from Ann from Mon until Tue 09:00"),
        ("cover", "desk", "2026-11-20T12:00", "2026-11-22",
         "Bob stands in for Ann on desk from today 12:00 until the end of tomorrow"),
        ("cover", None, "2026-11-19", "2026-12-01", "Bob stands in for Ann until the end of Mon 30 Nov"),
    ],
)  # fmt: skip
def test_an_absence_is_said_in_a_sentence(
    kind: Literal["leave", "swap", "cover"], roster: str | None, begin: str, end: str, words: str
) -> None:
    from_, until = (datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC) for text in (begin, end))
    absence = Absence(id=1, kind=kind, person="ann", other="bob", roster=roster, from_=from_, until=until)
    assert absence_words(SITE, absence, now=NOW) == words
