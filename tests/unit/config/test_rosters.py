from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.config.rosters import RosterKeys
from opsrunner.model.person import Cover, Roster, Shift


def test_a_rotation_says_hand_over_first_day_people_and_cover() -> None:
    keys = RosterKeys.model_validate(
        {
            "rotate": "week",
            "handover": "tue 08:30",
            "from": "2026-01-06",
            "people": ["ann", "bob"],
            "cover": [{"from": "2026-12-23", "until": "2026-12-27", "person": "bob", "instead_of": "ann"}],
        }
    )
    assert keys.to_roster("on-call") == Roster(
        id="on-call",
        rotate="week",
        handover_weekday=1,
        handover_at=time(8, 30),
        from_=date(2026, 1, 6),
        people=("ann", "bob"),
        cover=(Cover(from_=date(2026, 12, 23), until=date(2026, 12, 27), person="bob", instead_of="ann"),),
    )


def test_shifts_say_hours_and_person() -> None:
    keys = RosterKeys.model_validate({"shifts": [{"hours": "16:00-24:00", "person": "ann"}]})
    assert keys.to_roster("desk") == Roster(id="desk", shifts=(Shift(start=time(16), end=time(0), person="ann"),))


def test_a_hand_over_is_monday_at_nine_unless_told() -> None:
    roster = RosterKeys.model_validate({"rotate": "week", "people": ["ann"]}).to_roster("on-call")
    assert (roster.handover_weekday, roster.handover_at) == (0, time(9))
    daily = RosterKeys.model_validate({"rotate": "day", "handover": "07:00", "people": ["ann"]}).to_roster("x")
    assert daily.handover_at == time(7)


SHIFT = {"hours": "08:00-16:00", "person": "ann"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "needs `rotate` with `people`, or `shifts`"),
        ({"rotate": "week"}, "needs `rotate` with `people`"),
        ({"people": ["ann"]}, "needs `rotate` with `people`"),
        ({"rotate": "week", "people": ["ann"], "shifts": [SHIFT]}, "not both"),
        ({"people": ["ann"], "shifts": [SHIFT]}, "each shift names its person"),
        ({"rotate": "week", "people": ["ann", "bob"]}, "needs `from`"),
        ({"rotate": "day", "handover": "mon 09:00", "people": ["ann"]}, "hands over every day"),
        ({"rotate": "week", "handover": "09:00", "people": ["ann"]}, "needs the weekday"),
        ({"rotate": "week", "handover": 900, "people": ["ann"]}, "is not a hand-over"),
        ({"rotate": "week", "handover": "noon 09:00", "people": ["ann"]}, "is not a weekday"),
        ({"shifts": [{"hours": "8-16", "person": "ann"}]}, "is not a"),
        (
            {"shifts": [SHIFT], "cover": [{"from": "2026-12-27", "until": "2026-12-23", "person": "bob"}]},
            "lies before",
        ),
    ],
)
def test_a_wrong_roster_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RosterKeys.model_validate(data)
