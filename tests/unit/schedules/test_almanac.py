from __future__ import annotations

from datetime import date

import pytest

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import Calendar
from opsrunner.schedules.almanac import Almanac, check_calendar


def test_without_a_calendar_monday_to_friday_are_business_days() -> None:
    almanac = Almanac()
    days = [date(2026, 12, 21 + offset) for offset in range(7)]
    assert [almanac.is_business_day(day, "business") for day in days] == [True] * 5 + [False] * 2
    assert almanac.holiday_name(date(2026, 12, 25), "business") == ""


@pytest.mark.parametrize(
    ("day", "name", "works"),
    [
        (date(2026, 5, 17), "Constitution Day", False),  # a Sunday, and a holiday
        (date(2026, 4, 3), "Good Friday", False),
        (date(2026, 4, 4), "", False),  # Easter Saturday is a Saturday
        (date(2026, 4, 7), "", True),
        (date(2026, 12, 24), "Day off", False),
        (date(2026, 12, 25), "Christmas Day", False),  # the holiday's own name wins over the day off
    ],
)
def test_it_knows_holidays_by_their_english_name(day: date, name: str, works: bool) -> None:
    days_off = (date(2026, 12, 24), date(2026, 12, 25))
    almanac = Almanac({"business": Calendar(country="NO", days_off=days_off)})
    assert almanac.holiday_name(day, "business") == name
    assert almanac.is_business_day(day, "business") is works


def test_a_subdivision_has_holidays_of_its_own() -> None:
    epiphany = date(2026, 1, 6)
    almanac = Almanac(
        {"by": Calendar(name="by", country="DE", subdivision="BY"), "de": Calendar(name="de", country="DE")}
    )
    assert almanac.holiday_name(epiphany, "by") == "Epiphany"
    assert almanac.holiday_name(epiphany, "de") == ""


def test_the_business_days_around_easter() -> None:
    almanac = Almanac({"business": Calendar(country="NO")})
    assert almanac.next_business_day(date(2026, 4, 1), "business") == date(2026, 4, 7)
    assert almanac.previous_business_day(date(2026, 4, 7), "business") == date(2026, 4, 1)


def test_a_year_that_the_holidays_do_not_reach_is_quiet() -> None:
    almanac = Almanac({"business": Calendar(country="IN")})
    assert almanac.is_business_day(date(2099, 7, 1), "business")


@pytest.mark.parametrize(
    ("calendar", "message"),
    [
        (Calendar(country="no"), "did you mean 'NO'"),
        (Calendar(country="Norway"), "two capital letters"),
        (Calendar(country="__builtins__"), "two capital letters"),
        (Calendar(country="DE", subdivision="XX"), "BW, BY"),
        (Calendar(subdivision="BY"), "needs its country"),
    ],
)
def test_an_unknown_country_or_part_of_it_is_refused(calendar: Calendar, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_calendar(calendar)
    if calendar.country:
        with pytest.raises(ConfigurationError):
            Almanac({"business": calendar}).is_business_day(date(2026, 1, 5), "business")


def test_known_calendars_pass() -> None:
    for calendar in (Calendar(), Calendar(country="NO"), Calendar(country="DE", subdivision="BY")):
        check_calendar(calendar)
