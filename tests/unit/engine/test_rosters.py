"""Rosters in the weeks ahead, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.rosters import GapLine, Line, gap_lines, rule_words, weeks_ahead
from opsrunner.model.person import Absence, Person, Roster, Shift
from opsrunner.model.site import MailSettings, Site

ZONE = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
"""A Friday, 09:00 in Oslo."""
ON_CALL = Roster(id="on-call", rotate="week", handover_at=time(9), from_=date(2026, 1, 5), people=("ann", "bob"))
DESK = Roster(
    id="desk",
    shifts=(Shift(start=time(7), end=time(15), person="ann"), Shift(start=time(15), end=time(0), person="bob")),
)
Told = list[tuple[str, list[tuple[str | None, str, str]]]]


def site(*rosters: Roster) -> Site:
    people = {id_: Person(id=id_, name=id_.title(), email=f"{id_}@example.com") for id_ in ("ann", "bob", "cec")}
    return Site(
        root=Path("/site"),
        name="Example",
        timezone="Europe/Oslo",
        people=people,
        rosters={roster.id: roster for roster in rosters},
        mail=MailSettings(from_="ops@example.com"),
    )


def leave(who: str, begin: str, end: str) -> Absence:
    from_, until = (datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC) for text in (begin, end))
    return Absence(id=1, kind="leave", person=who, other=None, roster=None, from_=from_, until=until)


def ahead(roster: Roster, *absences: Absence, now: datetime = NOW) -> Told:
    return [shown(line) for line in weeks_ahead(roster, site=site(roster), absences=absences, now=now)]


def shown(line: Line) -> tuple[str, list[tuple[str | None, str, str]]]:
    return line.when, [(part.person, part.span, part.why) for part in line.parts]


def gaps(*rosters: Roster, absences: Sequence[Absence] = (), now: datetime = NOW) -> list[GapLine]:
    return gap_lines(site(*rosters), absences, now=now)


def test_a_rotation_has_a_line_for_each_hand_over_of_four_weeks() -> None:
    assert ahead(ON_CALL) == [
        ("now", [("bob", "until Mon 09:00", "")]),
        ("Mon 09:00", [("ann", "until Mon 30 Nov 09:00", "")]),
        ("Mon 30 Nov 09:00", [("bob", "until Mon 7 Dec 09:00", "")]),
        ("Mon 7 Dec 09:00", [("ann", "until Mon 14 Dec 09:00", "")]),
        ("Mon 14 Dec 09:00", [("bob", "until Mon 21 Dec 09:00", "")]),
    ]


def test_who_stands_in_is_told_with_why() -> None:
    away = leave("ann", "2026-11-24", "2026-11-25")
    assert ahead(ON_CALL, away)[1:4] == [
        ("Mon 09:00", [("ann", "until the end of Mon", "")]),
        ("Tue", [("bob", "until the end of Tue", "for Ann, who is on leave")]),
        ("Wed", [("ann", "until Mon 30 Nov 09:00", "")]),
    ]


def test_who_holds_it_alone_has_one_line_without_an_end() -> None:
    assert ahead(replace(ON_CALL, people=("ann",))) == [("now", [("ann", "", "")])]


def test_days_that_are_alike_are_one_line_and_today_is_its_own() -> None:
    day = [("ann", "07:00–15:00", ""), ("bob", "15:00–24:00", "")]
    night: list[tuple[str | None, str, str]] = [(None, "00:00–07:00", "")]
    assert ahead(DESK) == [
        ("today", [("ann", "until 15:00", ""), ("bob", "15:00–24:00", "")]),
        ("Sat 21 Nov – Fri 18 Dec", [*night, *day]),
    ]


def test_a_day_that_is_not_like_the_others_breaks_the_line() -> None:
    away = leave("ann", "2026-11-25", "2026-11-26")
    lines = ahead(DESK, away)
    assert [when for when, _ in lines] == ["today", "Sat 21 Nov – Tue 24 Nov", "Wed 25 Nov", "Thu 26 Nov – Fri 18 Dec"]
    assert lines[2][1][1] == (None, "07:00–15:00", "Ann is on leave")


def test_only_what_runs_now_is_marked() -> None:
    for roster in (ON_CALL, DESK):
        lines = weeks_ahead(roster, site=site(roster), absences=[], now=NOW)
        assert [line.is_now for line in lines] == [True] + [False] * (len(lines) - 1)
        assert [part.is_now for line in lines for part in line.parts].count(True) == 1


@pytest.mark.parametrize(
    ("now", "day"),
    [(datetime(2026, 3, 14, 8, tzinfo=UTC), "Sun 15 Mar – Sat 11 Apr"), (datetime(2026, 10, 3, 8, tzinfo=UTC), None)],
    ids=["into summer time", "out of it"],
)
def test_the_days_on_which_the_clock_moves_are_like_the_others(now: datetime, day: str | None) -> None:
    lines = ahead(DESK, now=now)
    assert len(lines) == 2
    assert day in (None, lines[1][0])


def test_a_shift_that_passes_midnight_stands_with_the_day_it_begins_on() -> None:
    night = Roster(id="night", shifts=(Shift(start=time(22), end=time(6), person="bob"),))
    assert ahead(night, now=NOW.replace(hour=2))[0] == (
        "today",
        [("bob", "until 06:00", ""), (None, "06:00–22:00", ""), ("bob", "22:00–06:00", "")],
    )


def test_a_rotation_by_the_day_has_a_line_a_day() -> None:
    daily = replace(ON_CALL, rotate="day")
    lines = ahead(daily)
    assert len(lines) == 29
    assert [when for when, _ in lines[:3]] == ["now", "tomorrow 09:00", "Sun 09:00"]


def test_a_roster_that_is_always_held_has_no_gap() -> None:
    assert gaps(ON_CALL) == []


def test_hours_that_no_shift_covers_are_one_gap_of_many_days() -> None:
    (gap,) = gaps(DESK)
    assert (gap.when, gap.days, gap.why) == ("from 00:00 to 07:00, on 28 days", 28, "no shift at this hour")
    assert (gap.is_now, gap.is_planned) == (False, True)


def test_what_leave_tears_open_comes_first_and_says_who_is_away() -> None:
    first, second = gaps(DESK, absences=[leave("ann", "2026-11-25", "2026-11-27")])
    assert (first.when, first.why, first.is_planned) == (
        "from 07:00 to 15:00, on Wed 25 Nov and Thu 26 Nov",
        "Ann is on leave",
        False,
    )
    assert second.is_planned


@pytest.mark.parametrize(
    ("begin", "end", "when"),
    [
        ("2026-11-19", "2026-11-23", "now, until the end of Sun"),
        ("2026-11-19", "2026-11-23T09:00", "now, until Mon 09:00"),
        ("2026-11-19", "2027-03-01", "now, and nobody is to come"),
        ("2026-11-25", "2026-11-28", "from Wed until the end of Fri 27 Nov"),
        ("2026-11-25T12:00", "2027-03-01", "from Wed 12:00 on"),
    ],
)
def test_a_gap_says_from_when_and_until_when(begin: str, end: str, when: str) -> None:
    (gap,) = gaps(replace(ON_CALL, people=("ann",)), absences=[leave("ann", begin, end)])
    assert gap.when == when
    assert gap.is_now is when.startswith("now")


def test_gaps_of_several_rosters_stand_by_their_time() -> None:
    alone = replace(ON_CALL, people=("ann",))
    pager = replace(alone, id="pager", people=("bob",))
    absences = [leave("ann", "2026-11-30", "2026-12-01"), replace(leave("bob", "2026-11-25", "2026-11-26"), id=2)]
    assert [gap.roster for gap in gaps(alone, pager, absences=absences)] == ["pager", "on-call"]


@pytest.mark.parametrize(
    ("roster", "words"),
    [
        (ON_CALL, "passes on Mondays at 09:00"),
        (replace(ON_CALL, rotate="day"), "passes every day at 09:00"),
        (DESK, "by the hours of the day"),
    ],
)
def test_how_a_roster_passes_on_is_said(roster: Roster, words: str) -> None:
    assert rule_words(roster) == words
