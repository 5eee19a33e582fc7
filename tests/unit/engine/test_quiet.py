"""When a mail waits for the end of somebody's quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from opsrunner.engine.quiet import quiet_until
from opsrunner.model.person import Person

NIGHT = (time(22), time(7))
LUNCH = (time(12), time(13))


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "at", "until"),
    [
        (NIGHT, utc(11, 20, 20, 59), None),  # 21:59
        (NIGHT, utc(11, 20, 21, 0), utc(11, 21, 6)),  # 22:00, until tomorrow
        (NIGHT, utc(11, 20, 22, 59), utc(11, 21, 6)),  # 23:59
        (NIGHT, utc(11, 20, 23, 0), utc(11, 21, 6)),  # 00:00, until today
        (NIGHT, utc(11, 20, 5, 59), utc(11, 20, 6)),  # 06:59
        (NIGHT, utc(11, 20, 6, 0), None),  # 07:00 is the end
        (NIGHT, utc(12, 31, 22, 0), datetime(2027, 1, 1, 6, tzinfo=UTC)),  # over the year's end
        (NIGHT, utc(3, 28, 22, 0), utc(3, 29, 5)),  # the night that loses an hour
        (NIGHT, utc(10, 24, 21, 0), utc(10, 25, 6)),  # the night that gains one
        ((time(0), time(2, 30)), utc(3, 29, 0, 30), utc(3, 29, 1)),  # ends in the gap: right after it
        ((time(0), time(2, 30)), utc(10, 25, 1, 10), None),  # the second 02:10: the first 02:30 is over
        (LUNCH, utc(11, 20, 11, 30), utc(11, 20, 12)),  # within a day
        (LUNCH, utc(11, 20, 12, 0), None),
        ((time(7), time(7)), utc(11, 20, 6), None),  # no hours at all
        (None, utc(11, 20, 23), None),
    ],
)
def test_it_waits_for_the_end_of_quiet_hours(
    quiet: tuple[time, time] | None, at: datetime, until: datetime | None
) -> None:
    person = Person(id="ops1", name="First technician", email="ops1@example.com", quiet=quiet)
    assert quiet_until(person, at=at, zone="Europe/Oslo") == until
