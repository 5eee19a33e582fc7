"""The offset that a zone has all through a date: it is there only where every wall-clock time of the date has it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.schedules.zones import load_zone, to_utc, whole_day_offset

DAYS = [
    ("Europe/Oslo", date(2026, 3, 28), 1.0),
    ("Europe/Oslo", date(2026, 3, 29), None),  # 02:00 becomes 03:00
    ("Europe/Oslo", date(2026, 3, 30), 2.0),
    ("Europe/Oslo", date(2026, 10, 25), None),  # 03:00 becomes 02:00
    ("Asia/Beirut", date(2026, 3, 29), None),  # midnight itself is left out
    ("Asia/Beirut", date(2026, 3, 28), None),  # and ends the date before
    ("America/Havana", date(2026, 11, 1), None),  # 01:00 becomes 00:00
    ("Asia/Beirut", date(2026, 10, 24), None),  # midnight becomes 23:00
    ("Pacific/Apia", date(2011, 12, 30), None),  # never was
    ("Asia/Kathmandu", date(2026, 6, 1), 5.75),
]


@pytest.mark.parametrize(("name", "day", "hours"), DAYS)
def test_a_date_on_which_clocks_change_has_no_offset_of_its_own(name: str, day: date, hours: float | None) -> None:
    assert whole_day_offset(day, load_zone(name)) == (None if hours is None else timedelta(hours=hours))


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(available_timezones())),
    st.dates(date(1950, 1, 1), date(2037, 12, 31)),
    st.times().map(lambda clock: clock.replace(microsecond=0)),
)
def test_every_time_of_such_a_date_lies_that_far_from_utc(name: str, day: date, clock: time) -> None:
    zone = load_zone(name)
    offset = whole_day_offset(day, zone)
    if offset is None:
        return

    moment = to_utc(day, clock, zone)

    assert moment.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, clock)
    assert datetime.combine(day, clock, UTC) - moment == offset
