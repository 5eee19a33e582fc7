from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsrunner.errors import NotFound
from opsrunner.model.person import Absence, Cover, Person, Roster, Shift
from opsrunner.model.site import MailSettings, Site
from opsrunner.schedules.holding import duties, gaps, holder, unchanged_until, upcoming_handovers

ZONE = ZoneInfo("Europe/Oslo")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def person(id_: str, name: str, *roles: str) -> Person:
    return Person(id=id_, name=name, email=f"{id_}@example.com", roles=roles)


ON_CALL = Roster(
    id="on-call",
    rotate="week",
    handover_weekday=0,
    handover_at=time(9),
    from_=date(2026, 1, 5),  # a Monday
    people=("ann", "bob", "cec"),
)
DESK = Roster(
    id="desk",
    shifts=(
        Shift(start=time(8), end=time(16), person="ann"),
        Shift(start=time(16), end=time(0), person="bob"),
    ),
)


def site(*rosters: Roster) -> Site:
    people = (
        person("ann", "Ann", "sysadmin", "support"),
        person("bob", "Bob", "support"),
        person("cec", "Cec", "owner"),
    )
    return Site(
        root=Path("/site"),
        name="Example",
        timezone="Europe/Oslo",
        people={one.id: one for one in people},
        rosters={roster.id: roster for roster in rosters or (ON_CALL, DESK)},
        mail=MailSettings(from_="ops@example.com"),
    )


def absence(
    kind: str, who: str, other: str | None, begin: str, end: str, *, id_: int = 1, roster: str | None = None
) -> Absence:
    return Absence(
        id=id_,
        kind=kind,  # type: ignore[arg-type]
        person=who,
        other=other,
        roster=roster,
        from_=local(begin).astimezone(UTC),
        until=local(end).astimezone(UTC),
    )


def held_by(name: str, at: str, *absences: Absence, rosters: tuple[Roster, ...] = ()) -> str | None:
    return holder(name, at=local(at), site=site(*rosters), absences=absences).person


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-04T23:59", None),  # before it begins
        ("2026-01-05T00:00", "ann"),  # from the start of its first day
        ("2026-01-12T08:59", "ann"),
        ("2026-01-12T09:00", "bob"),
        ("2026-01-19T09:00", "cec"),
        ("2026-01-26T09:00", "ann"),  # and round again
        ("2026-03-30T08:59", "cec"),  # the hand-over stays at 09:00 on the wall in summer time
        ("2026-03-30T09:00", "ann"),
        ("2027-01-04T09:00", "bob"),
    ],
)
def test_a_weekly_rotation_passes_on_monday_at_nine(at: str, expected: str | None) -> None:
    assert held_by("on-call", at) == expected


def test_a_rotation_that_begins_within_a_week_gives_its_first_person_the_rest_of_it() -> None:
    late = replace(ON_CALL, from_=date(2026, 1, 8))  # a Thursday
    assert held_by("on-call", "2026-01-08T01:00", rosters=(late,)) == "ann"
    assert held_by("on-call", "2026-01-12T08:59", rosters=(late,)) == "ann"
    assert held_by("on-call", "2026-01-12T09:00", rosters=(late,)) == "bob"


def test_a_daily_rotation_passes_every_day() -> None:
    daily = replace(ON_CALL, rotate="day", handover_at=time(12))
    found = [
        held_by("on-call", f"2026-01-0{day}T{clock}", rosters=(daily,))
        for day in (5, 6, 7)
        for clock in ("11:59", "12:00")
    ]
    assert found == ["ann", "ann", "ann", "bob", "bob", "cec"]


def test_a_holding_tells_its_end_and_why() -> None:
    holding = holder("on-call", at=local("2026-01-06T12:00"), site=site())
    assert holding.until == local("2026-01-12T09:00")
    assert holding.why == "on-call this week"


def test_the_only_person_of_a_rotation_holds_it_without_an_end() -> None:
    alone = replace(ON_CALL, people=("ann",))
    holding = holder("on-call", at=local("2026-01-06T12:00"), site=site(alone))
    assert (holding.person, holding.until) == ("ann", None)


@pytest.mark.parametrize(
    ("at", "expected", "until"),
    [
        ("2026-01-06T07:59", None, "2026-01-06T08:00"),
        ("2026-01-06T08:00", "ann", "2026-01-06T16:00"),
        ("2026-01-06T16:00", "bob", "2026-01-07T00:00"),
        ("2026-01-06T23:59", "bob", "2026-01-07T00:00"),
        ("2026-01-07T00:00", None, "2026-01-07T08:00"),
    ],
)
def test_shifts_hold_by_the_hours_of_the_day(at: str, expected: str | None, until: str) -> None:
    holding = holder("desk", at=local(at), site=site())
    assert (holding.person, holding.until) == (expected, local(until))


def test_a_shift_may_pass_midnight() -> None:
    night = Roster(id="night", shifts=(Shift(start=time(22), end=time(6), person="bob"),))
    found = [
        held_by("night", at, rosters=(night,))
        for at in ("2026-01-06T21:59", "2026-01-06T23:00", "2026-01-07T05:59", "2026-01-07T06:00")
    ]
    assert found == [None, "bob", "bob", None]


def test_cover_of_the_file_holds_both_of_its_days() -> None:
    covered = replace(ON_CALL, cover=(Cover(from_=date(2026, 1, 7), until=date(2026, 1, 8), person="cec"),))
    times = ("2026-01-06T23:59", "2026-01-07T00:00", "2026-01-08T23:59", "2026-01-09T00:00")
    assert [held_by("on-call", at, rosters=(covered,)) for at in times] == ["ann", "cec", "cec", "ann"]
    holding = holder("on-call", at=local(times[1]), site=site(covered))
    assert (holding.why, holding.until) == ("covers for Ann", local("2026-01-09T00:00"))


def test_cover_instead_of_one_person_leaves_the_turns_of_others() -> None:
    whole_month = Cover(from_=date(2026, 1, 5), until=date(2026, 1, 31), person="cec", instead_of="bob")
    covered = replace(ON_CALL, cover=(whole_month,))
    assert held_by("on-call", "2026-01-06T12:00", rosters=(covered,)) == "ann"
    assert held_by("on-call", "2026-01-13T12:00", rosters=(covered,)) == "cec"


def test_leave_passes_to_the_next_of_the_rotation() -> None:
    away = absence("leave", "ann", None, "2026-01-06T00:00", "2026-01-08T00:00")
    times = ("2026-01-05T12:00", "2026-01-06T00:00", "2026-01-07T23:59", "2026-01-08T00:00")
    assert [held_by("on-call", at, away) for at in times] == ["ann", "bob", "bob", "ann"]
    holding = holder("on-call", at=local("2026-01-07T12:00"), site=site(), absences=[away])
    assert (holding.why, holding.until) == ("for Ann, who is on leave", local("2026-01-08T00:00"))


def test_leave_passes_to_the_one_named() -> None:
    away = absence("leave", "ann", "cec", "2026-01-06T00:00", "2026-01-08T00:00")
    assert held_by("on-call", "2026-01-07T12:00", away) == "cec"


def test_leave_of_several_passes_to_whoever_is_there() -> None:
    ann = absence("leave", "ann", "bob", "2026-01-06T00:00", "2026-01-08T00:00")
    bob = absence("leave", "bob", None, "2026-01-06T00:00", "2026-01-08T00:00", id_=2)
    assert held_by("on-call", "2026-01-07T12:00", ann, bob) == "cec"
    cec = absence("leave", "cec", "ann", "2026-01-06T00:00", "2026-01-08T00:00", id_=3)
    holding = holder("on-call", at=local("2026-01-07T12:00"), site=site(), absences=[ann, bob, cec])
    assert (holding.person, holding.why) == (None, "Ann is on leave")


def test_two_who_swap_hold_each_others_turns() -> None:
    swap = absence("swap", "ann", "bob", "2026-01-05T09:00", "2026-01-19T09:00")
    assert held_by("on-call", "2026-01-06T12:00", swap) == "bob"
    assert held_by("on-call", "2026-01-13T12:00", swap) == "ann"
    assert held_by("on-call", "2026-01-20T12:00", swap) == "cec"


def test_a_cover_takes_only_the_turns_that_are_given() -> None:
    cover = absence("cover", "ann", "cec", "2026-01-05T09:00", "2026-01-26T09:00")
    assert [held_by("on-call", f"2026-01-{day}T12:00", cover) for day in ("06", "13", "20")] == ["cec", "bob", "cec"]


def test_an_absence_from_one_roster_leaves_the_others() -> None:
    cover = absence("cover", "ann", "cec", "2026-01-05T00:00", "2026-01-26T00:00", roster="desk")
    assert held_by("on-call", "2026-01-06T12:00", cover) == "ann"
    assert held_by("desk", "2026-01-06T12:00", cover) == "cec"


def test_a_person_holds_their_own_name_unless_somebody_stands_in() -> None:
    assert held_by("ann", "2026-01-06T12:00") == "ann"
    alone = absence("leave", "ann", None, "2026-01-06T00:00", "2026-01-08T00:00")
    named = absence("leave", "ann", "bob", "2026-01-06T00:00", "2026-01-08T00:00")
    assert held_by("ann", "2026-01-06T12:00", alone) == "ann"
    assert held_by("ann", "2026-01-06T12:00", named) == "bob"
    assert held_by("ann", "2026-01-09T12:00", named) == "ann"


def test_cover_for_a_person_holds_for_all_that_the_person_answers_for() -> None:
    cover = absence("cover", "ann", "bob", "2026-01-06T00:00", "2026-01-08T00:00", id_=2)
    assert held_by("ann", "2026-01-06T12:00", cover) == "bob"
    assert held_by("sysadmin", "2026-01-06T12:00", cover) == "bob"
    assert held_by("ann", "2026-01-08T00:00", cover) == "ann"
    holding = holder("ann", at=local("2026-01-06T12:00"), site=site(), absences=[cover])
    assert (holding.why, holding.until) == ("covers for Ann", local("2026-01-08T00:00"))
    away = absence("leave", "ann", None, "2026-01-05T00:00", "2026-01-09T00:00")
    assert held_by("ann", "2026-01-06T12:00", away, cover) == "bob"
    desk_only = absence("cover", "ann", "bob", "2026-01-06T00:00", "2026-01-08T00:00", roster="desk")
    assert held_by("ann", "2026-01-06T12:00", desk_only) == "ann"


def test_a_role_of_one_person_is_held_and_of_several_is_free() -> None:
    assert held_by("sysadmin", "2026-01-06T12:00") == "ann"
    holding = holder("support", at=local("2026-01-06T12:00"), site=site())
    assert (holding.person, holding.why) == (None, "any of support")


def test_a_name_that_nobody_has_is_an_error() -> None:
    with pytest.raises(NotFound, match="'oncall'"):
        held_by("oncall", "2026-01-06T12:00")


def test_gaps_are_the_hours_that_nobody_holds() -> None:
    found = gaps(site(DESK), from_=local("2026-01-06T12:00"), until=local("2026-01-08T02:00"))
    assert [(gap.from_, gap.until) for gap in found] == [
        (local("2026-01-07T00:00"), local("2026-01-07T08:00")),
        (local("2026-01-08T00:00"), local("2026-01-08T02:00")),
    ]
    assert found[0].why == "no shift at this hour"


def test_leave_without_anybody_left_is_a_gap() -> None:
    alone = replace(ON_CALL, people=("ann",))
    away = absence("leave", "ann", None, "2026-01-07T00:00", "2026-01-08T12:00")
    (gap,) = gaps(site(alone), [away], from_=local("2026-01-06T00:00"), until=local("2026-02-06T00:00"))
    assert (gap.from_, gap.until) == (local("2026-01-07T00:00"), local("2026-01-08T12:00"))
    assert (gap.roster, gap.why) == ("on-call", "Ann is on leave")


def test_handovers_are_told_with_both_people() -> None:
    found = upcoming_handovers(site(), from_=local("2026-01-06T00:00"), until=local("2026-01-19T09:00"))
    assert [(one.roster, one.at, one.from_person, one.person) for one in found] == [
        ("on-call", local("2026-01-12T09:00"), "ann", "bob"),
        ("on-call", local("2026-01-19T09:00"), "bob", "cec"),
    ]


def test_a_handover_to_the_same_person_is_none() -> None:
    cover = absence("cover", "bob", "ann", "2026-01-12T00:00", "2026-01-20T00:00")
    found = upcoming_handovers(site(), [cover], from_=local("2026-01-06T00:00"), until=local("2026-01-25T09:00"))
    assert [(one.at, one.from_person, one.person) for one in found] == [(local("2026-01-19T09:00"), "ann", "cec")]


def test_turns_side_by_side_leave_no_moment_out() -> None:
    start, end = local("2026-03-20T00:00"), local("2026-04-05T00:00")
    away = absence("leave", "ann", None, "2026-03-28T12:00", "2026-03-29T04:00")
    at = start
    while at < end:
        holding = holder("desk", at=at, site=site(), absences=[away])
        assert holding.until is not None
        assert holding.until > at
        middle = at + (holding.until - at) / 2
        assert holder("desk", at=middle, site=site(), absences=[away]).person == holding.person
        assert holder("desk", at=holding.until, site=site(), absences=[away]).person != holding.person
        at = holding.until


def test_the_duties_of_a_roster_follow_each_other_without_a_gap_or_a_repeat() -> None:
    found = duties(site(ON_CALL, DESK), from_=local("2026-11-20T00:00"), until=local("2026-12-20T00:00"))
    for roster in ("on-call", "desk"):
        own = [one for one in found if one.roster == roster]
        assert own[0].from_ == local("2026-11-20T00:00")
        assert own[-1].until == local("2026-12-20T00:00")
        assert all(one.until == other.from_ and one.person != other.person for one, other in pairwise(own))
    assert [one.person for one in found if one.roster == "on-call"] == ["ann", "bob", "cec", "ann", "bob"]


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("on-call", "2026-11-21T08:00"),  # the hand-over is later than the leave, which may change anything
        ("desk", "2026-11-20T16:00"),  # the end of the shift
        ("support", "2026-11-21T08:00"),  # several have it, and one of them goes on leave
        ("ann", "2026-11-21T08:00"),
    ],
)
def test_it_is_known_up_to_when_nothing_can_change(name: str, until: str) -> None:
    leave = Absence(
        id=1,
        kind="leave",
        person="ann",
        other=None,
        roster=None,
        from_=local("2026-11-21T08:00"),
        until=local("2026-11-25T08:00"),
    )
    at = local("2026-11-20T10:00")
    found = unchanged_until(name, at=at, site=site(ON_CALL, DESK), absences=[leave])
    assert found == local(until)


def test_who_has_no_turn_and_no_leave_stays_without_an_end() -> None:
    assert unchanged_until("on-call", at=local("2026-11-20T10:00"), site=site(ON_CALL)) == local("2026-11-23T09:00")
    assert unchanged_until("support", at=local("2026-11-20T10:00"), site=site(ON_CALL)) is None
