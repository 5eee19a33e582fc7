"""iCalendar files, read back by the library: who reads them is not us."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from opsrunner.mail.calendar_files import Appointment, calendar_file

BEGIN = datetime(2026, 12, 1, 1, tzinfo=UTC)
PLAIN = Appointment(
    uid="maintenance-1@abc",
    sequence=0,
    title="Example Hosting: Kernel",
    about="Websites are away for a few minutes.",
    begins_at=BEGIN,
    ends_at=BEGIN + timedelta(hours=2),
    timezone="Europe/Oslo",
    organizer="ops@example.com",
    stamped_at=BEGIN - timedelta(days=7),
)


def event(appointment: Appointment) -> tuple[Calendar, object]:
    made = calendar_file(appointment, name="maintenance.ics")
    calendar = Calendar.from_ical(made.data)
    (found,) = calendar.walk("VEVENT")
    return calendar, found


def test_it_is_published_with_its_time_on_the_sites_wall() -> None:
    calendar, found = event(PLAIN)

    assert str(calendar["METHOD"]) == "PUBLISH"
    assert str(found["UID"]) == "maintenance-1@abc"  # type: ignore[index]
    assert found["SEQUENCE"] == 0  # type: ignore[index]
    start = found["DTSTART"]  # type: ignore[index]
    assert start.params["TZID"] == "Europe/Oslo"
    assert start.dt.astimezone(UTC) == BEGIN
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Oslo"]
    assert "ATTENDEE" not in found  # type: ignore[operator]  # RFC 5546, 3.2.1: a published event has none


def test_the_type_says_the_method_too() -> None:
    assert calendar_file(PLAIN, name="x.ics").content_type == "text/calendar; method=PUBLISH; charset=UTF-8"


def test_a_cancelled_one_has_the_same_uid_and_a_higher_sequence() -> None:
    calendar, found = event(replace(PLAIN, sequence=2, is_cancelled=True))

    assert str(calendar["METHOD"]) == "CANCEL"
    assert (str(found["UID"]), found["SEQUENCE"], str(found["STATUS"])) == ("maintenance-1@abc", 2, "CANCELLED")  # type: ignore[index]


@pytest.mark.parametrize(
    ("begin", "hours"),
    [
        (datetime(2026, 10, 25, 0, tzinfo=UTC), 2),  # 02:00 summer time, over the hour that comes twice
        (datetime(2027, 3, 28, 0, 30, tzinfo=UTC), 2),  # over the hour that is left out
    ],
)
def test_an_event_over_a_change_of_the_clocks_lasts_as_long_as_it_lasts(begin: datetime, hours: int) -> None:
    _, found = event(replace(PLAIN, begins_at=begin, ends_at=begin + timedelta(hours=hours)))

    first, last = (found[name].dt.astimezone(UTC) for name in ("DTSTART", "DTEND"))  # type: ignore[index]
    assert (first, last) == (begin, begin + timedelta(hours=hours))


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nATTENDEE:mailto:x@evil",
        "a\nEND:VEVENT\nBEGIN:VALARM",
        "a;b,c:d\\n",
        "\u2028x\x00y",
        "{{ 7*7 }}",
        "æ" * 300,
    ],
)
def test_hostile_words_stay_words(text: str) -> None:
    calendar, found = event(replace(PLAIN, title=text, about=text))

    assert [component.name for component in calendar.walk()].count("VEVENT") == 1
    assert not calendar.walk("VALARM")
    assert "ATTENDEE" not in found  # type: ignore[operator]
    assert "49" not in str(found["SUMMARY"])  # type: ignore[index]
