"""Who will hold tasks, remembered for as long as it cannot change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from opsrunner.engine.assignees import Assignees
from opsrunner.engine.desk import Desk
from opsrunner.engine.people import People
from opsrunner.model.person import Absence, Cover, Roster, Shift
from opsrunner.model.site import Site

HOUR = timedelta(hours=1)


class Counting(People):
    """Counts how often it is asked."""

    asked = 0

    def persons(self, name: str, *, at: datetime) -> Any:
        Counting.asked += 1
        return super().persons(name, at=at)


@pytest.fixture
def people(desk: Desk, put_in_force: Callable[..., Site], now: datetime) -> Counting:
    """A team with a rotation, shifts, a cover of the file, leave, a swap and a cover that staff entered."""
    on_call = Roster(
        id="on-call",
        rotate="week",
        handover_at=time(9),
        from_=date(2026, 1, 5),
        people=("ops1", "ops2"),
        cover=(Cover(from_=date(2026, 12, 23), until=date(2026, 12, 27), person="boss"),),
    )
    shifts = (Shift(start=time(8), end=time(16), person="ops1"), Shift(start=time(22), end=time(6), person="ops2"))
    put_in_force(rosters={"on-call": on_call, "desk": Roster(id="desk", shifts=shifts)})
    entered: tuple[tuple[Any, ...], ...] = (
        ("leave", "ops2", None, None, 100, 190),
        ("leave", "ops1", None, None, 150, 160),
        ("cover", "ops1", "boss", "desk", 300, 333),
        ("swap", "ops1", "ops2", "on-call", 400, 480),
        ("leave", "boss", "ops1", None, 500, 510),
        ("leave", "ops1", None, None, -5, 7),
    )
    for kind, person, other, roster, from_, until in entered:
        absence = Absence(
            id=0,
            kind=kind,
            person=person,
            other=other,
            roster=roster,
            from_=now + from_ * HOUR,
            until=now + until * HOUR,
        )
        desk.books.absences.enter(absence, at=now)
    Counting.asked = 0
    return Counting(desk)


@pytest.mark.parametrize("name", ["on-call", "desk", "sysadmin", "support", "owner", "ops1", "ops2", "boss", "gone"])
def test_it_names_who_people_name_at_every_moment(desk: Desk, people: Counting, now: datetime, name: str) -> None:
    """Every half hour of 40 days, and a moment before and after each."""
    assignees, plain = Assignees(people), People(desk)
    for half_hours in range(40 * 48):
        for away in (-1, 0, 1):
            at = now + half_hours * HOUR / 2 + timedelta(microseconds=away)
            persons = plain.persons(name, at=at)
            assert assignees.name(name, at=at) == (persons[0].name if len(persons) == 1 else name), at


@pytest.mark.parametrize(("name", "most"), [("on-call", 25), ("desk", 40 * 4 + 15), ("support", 15), ("ops1", 15)])
def test_it_asks_once_for_each_stretch(people: Counting, now: datetime, name: str, most: int) -> None:
    assignees = Assignees(people)
    for minutes in range(0, 40 * 1440, 15):
        assignees.name(name, at=now + timedelta(minutes=minutes))
    assert 0 < people.asked <= most


def test_it_is_right_also_where_it_is_asked_to_and_fro(desk: Desk, people: Counting, now: datetime) -> None:
    assignees, plain = Assignees(people), People(desk)
    for hours in (500, 20, 340, 100, 99, 505, 0, 159, 160):
        at = now + hours * HOUR
        persons = plain.persons("support", at=at)
        assert assignees.name("support", at=at) == (persons[0].name if len(persons) == 1 else "support")
