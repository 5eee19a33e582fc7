"""Who holds each roster, day by day and through a month."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.calendar_rosters import Holder, RosterDay, roster_days, roster_periods
from opsrunner.schedules.holding import Duty
from opsrunner.schedules.turns import NO_SHIFT

OSLO = ZoneInfo("Europe/Oslo")
NAMES = {"ann": "Ann", "bob": "Bob"}


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=OSLO)


def stretch(from_: str, until: str, person: str | None, *, roster: str = "on-call", why: str = "") -> Duty:
    why = why or f"{roster} this week"
    return Duty(roster=roster, from_=local(from_), until=local(until), person=person, why=why)


WEEKS = (stretch("01", "09T09:00", "ann"), stretch("09T09:00", "16T09:00", "bob"), stretch("16T09:00", "30", "ann"))


def day(text: str, *found: Duty, rotations: tuple[str, ...] = ("on-call",)) -> RosterDay:
    begin = local(text)
    (one,) = roster_days(
        found, begin=begin, end=begin + timedelta(days=1), zone=OSLO, name_of=NAMES.__getitem__, rotations=rotations
    )
    return one


def test_a_hand_over_stands_on_its_day_alone() -> None:
    assert [(each.clock, each.name) for each in day("09", *WEEKS).holders] == [("", "Ann"), ("09:00", "Bob")]
    assert [each.name for each in day("09", *WEEKS).passes_on] == ["Bob"]
    assert day("10", *WEEKS).passes_on == ()
    assert day("01", *WEEKS).passes_on == (), "who held it before is not known here"


def test_a_hand_over_at_midnight_is_one_of_the_day_that_begins() -> None:
    found = (stretch("01", "09", "ann"), stretch("09", "16", "bob"))
    assert [each.clock for each in day("09", *found).passes_on] == [""]
    assert day("08", *found).passes_on == ()


def test_shifts_pass_every_day_and_are_no_news() -> None:
    found = (
        stretch("09", "09T08:00", None, roster="desk", why=NO_SHIFT),
        stretch("09T08:00", "09T16:00", "ann", roster="desk", why="desk 08:00–16:00"),
        stretch("09T16:00", "10", "bob", roster="desk", why="desk 16:00–24:00"),
    )
    one = day("09", *found)
    assert one.passes_on == ()
    assert one.holders == (
        Holder(clock="", name="nobody"),
        Holder(clock="08:00", name="Ann"),
        Holder(clock="16:00", name="Bob"),
    )


def test_a_gap_that_nobody_meant_is_one_and_a_cover_says_why() -> None:
    found = (
        stretch("01", "09", None, why="Ann is on leave"),
        stretch("09", "10", "bob", why="covers for Ann"),
    )
    (period,) = roster_periods(found, zone=OSLO, name_of=NAMES.__getitem__, rotations={"on-call"})
    assert period.lines == (
        ("until Mon 9 Nov 00:00", Holder(clock="", name="nobody", why="Ann is on leave", is_gap=True)),
        ("from Mon 9 Nov 00:00", Holder(clock="", name="Bob", why="covers for Ann")),
    )


def test_a_rotation_is_told_turn_by_turn_and_shifts_by_their_hours() -> None:
    shifts = [
        stretch(f"{number:02}T08:00", f"{number:02}T16:00", "ann", roster="desk", why="desk 08:00–16:00")
        for number in range(1, 21)
    ]
    on_call, desk = roster_periods([*WEEKS, *shifts], zone=OSLO, name_of=NAMES.__getitem__, rotations={"on-call"})
    assert [when for when, _ in on_call.lines] == [
        "until Mon 9 Nov 09:00",
        "Mon 9 Nov 09:00 to Mon 16 Nov 09:00",
        "from Mon 16 Nov 09:00",
    ]
    assert [(when, holder.name) for when, holder in desk.lines] == [("08:00 to 16:00, 20 times", "Ann")]


def test_what_never_passes_on_is_held_all_the_time() -> None:
    (period,) = roster_periods(
        [stretch("01", "30", "ann")], zone=OSLO, name_of=NAMES.__getitem__, rotations={"on-call"}
    )
    assert [when for when, _ in period.lines] == ["all the time"]
