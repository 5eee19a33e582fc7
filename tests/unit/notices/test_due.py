"""When rungs are due, and which of them goes: over offsets of the clock, late passes and steps back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.model.schedule import Calendar
from opsrunner.notices.due import Judged, Rules, Verdict, day_start, is_settled, judge, moments_of
from opsrunner.notices.words import parse_ladder
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.business import working_moment

OSLO = ZoneInfo("Europe/Oslo")
EARLY = datetime(2026, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def oslo(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=OSLO).astimezone(UTC)


def rules(*words: str, until: bool = False, business: bool = False) -> Rules:
    calendar, almanac = Calendar(), Almanac()
    to_work = lambda moment: working_moment(moment, calendar=calendar, almanac=almanac, zone="Europe/Oslo")  # noqa: E731
    return Rules(ladder=parse_ladder(words, has_until=until), zone=OSLO, to_working_time=to_work if business else None)


def due(of: Rules, *, at: datetime, until: datetime | None = None, now: datetime = EARLY) -> dict[str, datetime]:
    return {moment.name: moment.due_at for moment in moments_of(of, at=at, until=until, now=now)}


def said(judged: list[Judged]) -> dict[str, str]:
    return {one.moment.name: f"{one.verdict.value} {one.why}".strip() for one in judged}


DUE = [
    # 30 days before 02:30 is 02:30, in winter as in summer
    ("30d", "2026-04-15T02:30", "2026-03-16T02:30"),
    # hours are elapsed: the night of the change has 23 of them
    ("24h", "2026-03-29T12:00", "2026-03-28T11:00"),
    ("1d", "2026-03-29T12:00", "2026-03-28T12:00"),
    # in the gap (02:30 is not there on 29 March): the first moment after it
    ("7d", "2026-04-05T02:30", "2026-03-29T03:00"),
    # in the overlap: the first of the two
    ("7d", "2026-11-01T02:30", "2026-10-25T02:30"),
    # days on the wall, then hours on the clock
    ("1d2h", "2026-03-30T03:00", "2026-03-29T00:00"),
]


@pytest.mark.parametrize(("word", "at", "expected"), DUE, ids=[f"{word} before {at}" for word, at, _ in DUE])
def test_days_count_on_the_wall_and_hours_on_the_clock(word: str, at: str, expected: str) -> None:
    assert due(rules(word), at=oslo(at)) == {word: oslo(expected)}


def test_a_date_counts_from_its_first_moment() -> None:
    assert day_start(date(2026, 7, 1), OSLO) == utc("2026-06-30T22:00")


def test_all_rungs_of_a_window_in_their_order() -> None:
    of = rules("7d", "24h", "start", "every 30m", "end", "3d after", until=True)
    at, until = utc("2026-12-01T01:00"), utc("2026-12-01T03:00")
    assert due(of, at=at, until=until) == {
        "7d": utc("2026-11-24T01:00"),
        "24h": utc("2026-11-30T01:00"),
        "start": at,
        "every 30m 1": utc("2026-12-01T01:30"),
        "end": until,
        "3d after": utc("2026-12-04T03:00"),
    }
    assert list(due(of, at=at, until=until, now=utc("2026-12-01T02:10"))) == [
        *("7d", "24h", "start", "every 30m 2", "every 30m 3", "end", "3d after")
    ]
    assert "every 30m 4" not in due(of, at=at, until=until, now=utc("2026-12-01T02:45")), "the end is told, no pass"


def test_what_has_no_end_yet_has_no_rungs_from_it() -> None:
    of = rules("start", "every 30m", "end", "3d after", until=True)
    at = utc("2026-12-01T01:00")
    assert due(of, at=at, until=None, now=at) == {"start": at, "every 30m 1": utc("2026-12-01T01:30")}


BUSINESS = [
    ("1d", "2026-11-24T10:00", "2026-11-23T10:00"),  # within the hours: as it is
    ("1d", "2026-11-24T20:00", "2026-11-23T17:00"),  # the evening: the end of that day
    ("1d", "2026-11-24T06:00", "2026-11-20T17:00"),  # Monday before work: Friday's end
    ("1d", "2026-11-22T12:00", "2026-11-20T17:00"),  # a Saturday
    ("start", "2026-11-22T12:00", "2026-11-22T12:00"),  # what begins is told when it does
    ("2d after", "2026-11-19T12:00", "2026-11-20T17:00"),  # after: earlier, too
    ("1d after", "2026-11-20T18:00", "2026-11-21T18:00"),  # but never before what it is after
]


@pytest.mark.parametrize(("word", "at", "expected"), BUSINESS, ids=[f"{word} {at}" for word, at, _ in BUSINESS])
def test_business_hours_round_to_the_earlier_working_moment(word: str, at: str, expected: str) -> None:
    assert due(rules(word, business=True), at=oslo(at)) == {word: oslo(expected)}


LADDER = rules("30d", "14d", "7d", "1d", "start", "3d after")
AT = oslo("2026-12-31T00:00")
KNOWN = oslo("2026-11-01T00:00")
JUDGED = [
    ("nothing is due", "2026-11-20T08:00", KNOWN, {}, dict.fromkeys(LADDER.ladder.words, "wait")),
    (
        "the first is due",
        "2026-12-01T08:00",
        KNOWN,
        {},
        {"14d": "wait", "7d": "wait", "1d": "wait", "start": "wait", "3d after": "wait", "30d": "send"},
    ),
    (
        "of two that passed the newest goes",
        "2026-12-18T08:00",
        KNOWN,
        {},
        {
            "7d": "wait",
            "1d": "wait",
            "start": "wait",
            "3d after": "wait",
            "30d": "missed coalesced",
            "14d": "send",
        },
    ),
    (
        "what passed before it was known is nobody's miss",
        "2026-12-18T08:00",
        oslo("2026-12-18T07:00"),
        {},
        {"7d": "wait", "1d": "wait", "start": "wait", "3d after": "wait", "14d": "send"},
    ),
    (
        "told once is told",
        "2026-12-18T08:00",
        KNOWN,
        {"30d": "2026-12-01T00:00", "14d": "2026-12-17T00:00"},
        {"7d": "wait", "1d": "wait", "start": "wait", "3d after": "wait"},
    ),
    (
        "a rung older than one that was told never goes",
        "2026-12-18T08:00",
        KNOWN,
        {"14d": "2026-12-17T00:00"},
        {
            "7d": "wait",
            "1d": "wait",
            "start": "wait",
            "3d after": "wait",
            "30d": "missed coalesced",
        },
    ),
    (
        "a reminder is of no use when the moment has passed",
        "2027-01-01T08:00",
        KNOWN,
        {"30d": "2026-12-01T00:00", "14d": "2026-12-17T00:00"},
        {"3d after": "wait", "7d": "missed too_late", "1d": "missed too_late", "start": "send"},
    ),
    (
        "the clock stepped back: what was told stays told",
        "2026-12-10T08:00",
        KNOWN,
        {"30d": "2026-12-01T00:00", "14d": "2026-12-17T00:00"},
        {"7d": "wait", "1d": "wait", "start": "wait", "3d after": "wait"},
    ),
    ("all of it is long over, and was when it was first seen", "2027-06-01T08:00", oslo("2027-06-01T08:00"), {}, {}),
]


@pytest.mark.parametrize(("name", "now", "since", "told", "expected"), JUDGED, ids=[row[0] for row in JUDGED])
def test_which_rung_goes(name: str, now: str, since: datetime, told: dict[str, str], expected: dict[str, str]) -> None:
    moments = moments_of(LADDER, at=AT, until=None, now=oslo(now))
    settled = {rung: oslo(moment) for rung, moment in told.items()}
    judged = judge(moments, now=oslo(now), since=since, told=settled)
    assert said(judged) == expected
    if not any(one.verdict is not Verdict.WAIT for one in judged):
        assert is_settled(moments, now=oslo(now), since=since, told=settled) or not judged


def test_a_rung_later_than_the_notice_allows_is_missed() -> None:
    moments = moments_of(LADDER, at=AT, until=None, now=oslo("2026-12-05T08:00"))
    judged = judge(moments, now=oslo("2026-12-05T08:00"), since=KNOWN, told={}, late_seconds=2 * 86400)
    assert said(judged)["30d"] == "missed too_late"


def test_an_edition_says_nothing_again_that_was_heard_of_the_last_one_and_had_passed() -> None:
    now = oslo("2026-12-18T08:00")
    moments = moments_of(LADDER, at=AT, until=None, now=now)
    judged = judge(moments, now=now, since=now, told={}, heard={"30d", "14d"})
    assert "send" not in said(judged).values()


def test_the_next_year_has_its_own_rungs() -> None:
    renewed, now = oslo("2027-12-31T00:00"), oslo("2027-12-01T08:00")
    moments = moments_of(LADDER, at=renewed, until=None, now=now)
    judged = judge(moments, now=now, since=oslo("2026-12-20T08:00"), told={}, heard={"30d", "14d"})
    assert said(judged)["30d"] == "send"


ZONES = st.sampled_from(["Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "UTC", "Pacific/Apia"])
WORDS = st.lists(
    st.sampled_from(["60d", "30d", "14d", "7d", "72h", "1d", "24h", "90m", "start", "1h after", "3d after"]),
    min_size=1,
    unique=True,
)


@settings(deadline=None, max_examples=150)
@given(
    zone=ZONES,
    words=WORDS,
    at=st.datetimes(min_value=datetime(2026, 2, 1), max_value=datetime(2027, 12, 1)),
    known_days=st.integers(0, 90),
    steps=st.lists(st.integers(-30 * 24, 30 * 24 * 3), max_size=25),
)
def test_over_any_clock_a_rung_is_told_once_and_the_told_ones_rise_unless_the_clock_fell(
    zone: str, words: list[str], at: datetime, known_days: int, steps: list[int]
) -> None:
    """Passes at any moments, the clock stepping back and forth: never twice, never two at once, never out of order."""
    place = ZoneInfo(zone)
    of = Rules(ladder=parse_ladder(words, has_until=False), zone=place)
    moment = at.replace(tzinfo=place).astimezone(UTC)
    since = now = moment - timedelta(days=known_days)
    told: dict[str, datetime] = {}
    sent: list[datetime] = []
    for hours in steps:
        now += timedelta(hours=hours)
        moments = moments_of(of, at=moment, until=None, now=now)
        judged = judge(moments, now=now, since=since, told=told)
        going = [one for one in judged if one.verdict is Verdict.SEND]
        assert len(going) <= 1
        for one in judged:
            if one.verdict is Verdict.WAIT:
                assert one.moment.due_at > now
                continue
            assert one.moment.name not in told
            assert one.moment.due_at <= now
            told[one.moment.name] = one.moment.due_at
        sent += [one.moment.due_at for one in going]
    assert sent == sorted(sent)


@settings(deadline=None, max_examples=150)
@given(zone=ZONES, words=WORDS, at=st.datetimes(min_value=datetime(2026, 2, 1), max_value=datetime(2027, 12, 1)))
def test_with_a_pass_at_every_hour_every_rung_goes(zone: str, words: list[str], at: datetime) -> None:
    """Known long before and looked at every hour, no rung is missed but where two fall into one hour."""
    place = ZoneInfo(zone)
    of = Rules(ladder=parse_ladder(words, has_until=False), zone=place)
    moment = at.replace(tzinfo=place).astimezone(UTC)
    since = moment - timedelta(days=70)
    told: dict[str, datetime] = {}
    for due_at in sorted(one.due_at for one in moments_of(of, at=moment, until=None, now=since)):
        now = due_at + timedelta(minutes=59)
        for one in judge(moments_of(of, at=moment, until=None, now=now), now=now, since=since, told=told):
            if one.verdict is Verdict.SEND:
                told[one.moment.name] = one.moment.due_at
            if one.verdict is Verdict.MISSED:
                told[one.moment.name] = one.moment.due_at
                assert one.why in ("coalesced", "too_late")
    assert set(told) == set(words)


@pytest.mark.parametrize(
    ("hour", "expected"), [(7, "2026-11-20T17:00"), (8, "2026-11-23T08:00"), (17, "2026-11-23T17:00")]
)
def test_working_moments(hour: int, expected: str) -> None:
    moment = datetime.combine(date(2026, 11, 23), time(hour), OSLO).astimezone(UTC)
    found = working_moment(moment, calendar=Calendar(), almanac=Almanac(), zone="Europe/Oslo")
    assert found == oslo(expected)
