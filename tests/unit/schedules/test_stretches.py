"""Who holds a roster from when to when, hand-over by hand-over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.errors import NotFound
from opsrunner.model.person import Absence, Cover, Person, Roster, Shift
from opsrunner.model.site import MailSettings, Site
from opsrunner.schedules.holding import LOOK_AHEAD, Stretch, holder, stretches

ZONE = ZoneInfo("Europe/Oslo")
NAMES = {"ann": "Ann", "bob": "Bob", "cec": "Cec"}
ON_CALL = Roster(id="on-call", rotate="week", handover_at=time(9), from_=date(2026, 1, 5), people=("ann", "bob", "cec"))
DESK = Roster(
    id="desk",
    shifts=(Shift(start=time(8), end=time(16), person="ann"), Shift(start=time(16), end=time(0), person="bob")),
)
NIGHT = Roster(id="night", shifts=(Shift(start=time(22), end=time(6), person="bob"),))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def site(*rosters: Roster) -> Site:
    people = {id_: Person(id=id_, name=name, email=f"{id_}@example.com") for id_, name in NAMES.items()}
    return Site(
        root=Path("/site"),
        name="Example",
        timezone="Europe/Oslo",
        people=people,
        rosters={roster.id: roster for roster in rosters},
        mail=MailSettings(from_="ops@example.com"),
    )


def absence(kind: str, who: str, other: str | None, begin: str, end: str, id_: int = 1) -> Absence:
    from_, until = local(begin).astimezone(UTC), local(end).astimezone(UTC)
    return Absence(id=id_, kind=kind, person=who, other=other, roster=None, from_=from_, until=until)  # type: ignore[arg-type]


def told(roster: Roster, begin: str, end: str, *absences: Absence) -> list[tuple[str, str | None, str | None]]:
    """Return begin and end on the wall, with who holds it."""

    def wall(moment: datetime | None) -> str | None:
        return None if moment is None else f"{moment.astimezone(ZONE):%d %b %H:%M}"

    found = stretches(roster.id, from_=local(begin), until=local(end), site=site(roster), absences=absences)
    return [(wall(one.from_) or "", wall(one.until), one.person) for one in found]


def test_a_rotation_is_told_hand_over_by_hand_over() -> None:
    assert told(ON_CALL, "2026-01-07T12:00", "2026-01-20T00:00") == [
        ("07 Jan 12:00", "12 Jan 09:00", "ann"),
        ("12 Jan 09:00", "19 Jan 09:00", "bob"),
        ("19 Jan 09:00", None, "cec"),
    ]


def test_who_holds_it_alone_has_one_stretch_without_an_end() -> None:
    assert told(replace(ON_CALL, people=("ann",)), "2026-01-07T12:00", "2026-03-20T00:00") == [
        ("07 Jan 12:00", None, "ann")
    ]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        # the hand-over stays at 09:00 on the wall, and a week is an hour shorter, or longer
        ("2026-03-23T09:00", "2026-03-31T00:00", [("23 Mar 09:00", "30 Mar 09:00"), ("30 Mar 09:00", None)]),
        ("2026-10-19T09:00", "2026-10-27T00:00", [("19 Oct 09:00", "26 Oct 09:00"), ("26 Oct 09:00", None)]),
    ],
    ids=["spring", "autumn"],
)
def test_daylight_saving_moves_no_hand_over(begin: str, end: str, expected: list[tuple[str, str | None]]) -> None:
    assert [(start, stop) for start, stop, _ in told(ON_CALL, begin, end)] == expected


@pytest.mark.parametrize(("night", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-01", 8)])
def test_a_night_in_which_the_clock_moves_is_shorter_or_longer(night: str, hours: int) -> None:
    found = stretches(
        "night", from_=local(f"{night}T22:00"), until=local(f"{night}T22:00") + timedelta(days=2), site=site(NIGHT)
    )
    assert found[0].person == "bob"
    assert found[0].until is not None
    assert (found[0].until.astimezone(UTC) - found[0].from_.astimezone(UTC)) == timedelta(hours=hours)


def test_a_swap_is_told_with_whom() -> None:
    swap = absence("swap", "ann", "bob", "2026-01-12T00:00", "2026-01-19T00:00")
    found = stretches(
        "on-call", from_=local("2026-01-12T12:00"), until=local("2026-01-20T00:00"), site=site(ON_CALL), absences=[swap]
    )
    assert [(one.person, one.why, one.is_planned) for one in found] == [
        ("ann", "swapped with Bob", False),
        ("bob", "on-call this week", True),
        ("cec", "on-call this week", True),
    ]


def test_a_cover_amid_ones_own_turns_is_a_stretch_of_its_own() -> None:
    cover = absence("cover", "bob", "ann", "2026-01-12T09:00", "2026-01-19T09:00")
    two = replace(ON_CALL, people=("ann", "bob"))
    assert told(two, "2026-01-07T12:00", "2026-01-27T00:00", cover) == [
        ("07 Jan 12:00", "12 Jan 09:00", "ann"),
        ("12 Jan 09:00", "19 Jan 09:00", "ann"),
        ("19 Jan 09:00", "26 Jan 09:00", "ann"),
        ("26 Jan 09:00", None, "bob"),
    ]


def test_hours_without_a_shift_are_a_gap_that_the_roster_planned() -> None:
    found = stretches("desk", from_=local("2026-01-06T16:00"), until=local("2026-01-07T16:00"), site=site(DESK))
    assert [(one.person, one.is_planned) for one in found] == [("bob", True), (None, True), ("ann", True)]
    assert found[1].why == "no shift at this hour"


def test_leave_that_nobody_takes_is_a_gap_that_nobody_planned() -> None:
    away = absence("leave", "ann", None, "2026-01-06T00:00", "2026-01-08T00:00")
    alone = replace(ON_CALL, people=("ann",))
    assert told(alone, "2026-01-05T12:00", "2026-01-09T00:00", away) == [
        ("05 Jan 12:00", "06 Jan 00:00", "ann"),
        ("06 Jan 00:00", "08 Jan 00:00", None),
        ("08 Jan 00:00", None, "ann"),
    ]
    found = stretches(
        "on-call", from_=local("2026-01-06T12:00"), until=local("2026-01-07T00:00"), site=site(alone), absences=[away]
    )
    assert [(one.why, one.is_planned, one.until) for one in found] == [("Ann is on leave", False, None)]


def test_the_turns_of_somebody_who_has_left_are_gaps() -> None:
    left = replace(ON_CALL, people=("ann", "gone"))
    assert told(left, "2026-01-07T12:00", "2026-01-20T00:00") == [
        ("07 Jan 12:00", "12 Jan 09:00", "ann"),
        ("12 Jan 09:00", "19 Jan 09:00", None),
        ("19 Jan 09:00", None, "ann"),
    ]
    everybody = replace(ON_CALL, people=("gone", "too"))
    assert [who for _, _, who in told(everybody, "2026-01-07T12:00", "2026-02-20T00:00")] == [None] * 7
    assert holder("on-call", at=local("2026-01-13T12:00"), site=site(left)).why == "gone has left"


@pytest.mark.parametrize("kind", ["leave", "cover", "swap"])
def test_who_has_left_stands_in_for_nobody(kind: str) -> None:
    entered = absence(kind, "ann", "gone", "2026-01-06T00:00", "2026-01-08T00:00")
    held = [who for _, _, who in told(ON_CALL, "2026-01-06T12:00", "2026-01-07T12:00", entered)]
    assert held == ["bob" if kind == "leave" else "ann"]


def test_a_swap_with_somebody_who_has_left_gives_nobody_their_turn() -> None:
    entered = absence("swap", "gone", "ann", "2026-01-06T00:00", "2026-01-08T00:00")
    assert [who for _, _, who in told(ON_CALL, "2026-01-06T12:00", "2026-01-07T12:00", entered)] == ["ann"]


def test_a_roster_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFound, match="no roster 'oncall'"):
        stretches("oncall", from_=local("2026-01-06T12:00"), until=local("2026-01-07T12:00"), site=site(ON_CALL))


START = datetime(2026, 3, 1, tzinfo=UTC)
"""Four weeks from here hold the change of the clock."""
ROTATIONS: list[Literal["day", "week"]] = ["day", "week"]
KINDS: list[Literal["leave", "swap", "cover"]] = ["leave", "swap", "cover"]
WHO = st.sampled_from(["ann", "bob", "cec", "gone"])
MINUTES = st.integers(min_value=-5 * 1440, max_value=33 * 1440)
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
DAYS = st.dates(date(2026, 2, 20), date(2026, 4, 5))


@st.composite
def rosters(draw: st.DrawFn) -> Roster:
    first, second = sorted((draw(DAYS), draw(DAYS)))
    covers = st.builds(Cover, from_=st.just(first), until=st.just(second), person=WHO, instead_of=st.none() | WHO)
    cover = tuple(draw(st.lists(covers, max_size=2)))
    if draw(st.booleans()):
        shift = st.builds(Shift, start=CLOCKS, end=CLOCKS, person=WHO)
        shifts = draw(st.lists(shift.filter(lambda one: one.start != one.end), min_size=1, max_size=3))
        return Roster(id="duty", shifts=tuple(shifts), cover=cover)
    people = tuple(draw(st.lists(WHO, min_size=1, max_size=4)))
    rotate = draw(st.sampled_from(ROTATIONS))
    begin = draw(st.none() | DAYS)
    weekday, at = draw(st.integers(0, 6)), draw(CLOCKS)
    return Roster(
        id="duty", rotate=rotate, handover_weekday=weekday, handover_at=at, from_=begin, people=people, cover=cover
    )


@st.composite
def many_absences(draw: st.DrawFn) -> list[Absence]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(KINDS))
        begin, end = sorted((draw(MINUTES), draw(MINUTES)))
        other = draw(st.none() | WHO) if kind == "leave" else draw(WHO)
        from_, until = START + timedelta(minutes=begin), START + timedelta(minutes=end + 1)
        found.append(
            Absence(id=number, kind=kind, person=draw(WHO), other=other, roster=None, from_=from_, until=until)
        )
    return found


@settings(max_examples=60, deadline=None)
@given(roster=rosters(), absences=many_absences(), moments=st.lists(st.floats(0, 1, exclude_max=True), max_size=12))
def test_at_every_moment_a_stretch_says_what_the_holder_is(
    roster: Roster, absences: list[Absence], moments: list[float]
) -> None:
    until = START + timedelta(days=28)
    of = site(roster)
    found = stretches("duty", from_=START, until=until, site=of, absences=absences)
    assert found[0].from_ == START
    assert all(one.until == other.from_ for one, other in pairwise(found))
    assert found[-1].until is None
    assert all((one.person, one.why) != (other.person, other.why) for one, other in pairwise(found))
    edges = [one.from_ for one in found]
    last = until - timedelta(microseconds=1)
    for at in [*edges, *(min(START + share * (until - START), last) for share in moments)]:
        said = next(one for one in reversed(found) if one.from_ <= at)
        held = holder("duty", at=at, site=of, absences=absences)
        assert (said.person, said.why) == (held.person, held.why)
        if (end := end_of_holding(found, said)) is not None and end - at < LOOK_AHEAD:
            assert held.until == end


def end_of_holding(found: list[Stretch], said: Stretch) -> datetime | None:
    """Return when somebody else takes over from who holds it in a stretch."""
    later = found[found.index(said) :]
    return next((one.from_ for one in later if one.person != said.person), None)
