"""How a thing stands whose end was collected from several places."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.expiries.collecting import DOMAIN, Collected, Entry
from opsrunner.expiries.judging import Judge, State, in_order
from opsrunner.model.expiry import DateAnswer

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")
JUDGE = Judge(now=NOW, zone=OSLO, within=timedelta(days=60), agree_within=timedelta(days=2))


def collect() -> Collected:
    return Collected(zone=OSLO, columns=["customer"])


def entry_of(*said: tuple[str, date | datetime | None]) -> Entry:
    collected = collect()
    entry = collected.entry(DOMAIN, "a.no")
    for place, value in said:
        collected.add_date(entry, value, place=place)
    return entry


def asked(days: float | None, *, age: timedelta = timedelta(0), wrong: str = "", failure: str = "") -> DateAnswer:
    return DateAnswer(
        place="rdap",
        name="a.no",
        answered_at=NOW - age,
        ends_at=None if days is None else NOW + timedelta(days=days),
        by="rdap.norid.no",
        wrong=wrong,
        tried_at=NOW,
        failure=failure,
    )


def test_the_earlier_date_counts_and_the_difference_is_told() -> None:
    judged = JUDGE.judge(entry_of(("billing", date(2027, 12, 1)), ("registrar", date(2026, 12, 1))))
    assert (judged.state, judged.days_left, judged.differs) == (State.ENDING, 11, True)
    words = JUDGE.words(judged)
    assert "ends in 11 days, on 2026-12-01" in words
    assert "not all say the same: registrar 2026-12-01, billing 2027-12-01" in words


def test_a_day_and_the_hour_of_a_registry_say_the_same() -> None:
    judged = JUDGE.judge(entry_of(("billing", date(2027, 3, 1)), ("registry", datetime(2027, 3, 2, 23, tzinfo=UTC))))
    assert (judged.state, judged.differs) == (State.LATER, False)


def test_what_differs_far_from_now_is_told_all_the_same() -> None:
    judged = JUDGE.judge(entry_of(("billing", date(2028, 3, 1)), ("registry", date(2029, 3, 1))))
    assert (judged.state, judged.differs, judged.is_fine) == (State.DIFFERS, True, False)


def test_one_source_that_names_a_thing_twice_is_heard_twice() -> None:
    judged = JUDGE.judge(entry_of(("billing", date(2025, 12, 1)), ("billing", date(2027, 12, 1))))
    assert (judged.state, judged.differs) == (State.ENDED, True)


def test_what_nobody_knows_is_never_fine() -> None:
    judged = JUDGE.judge(entry_of(("billing", None)))
    assert (judged.state, judged.days_left, judged.is_fine) == (State.UNKNOWN, None, False)
    assert "nobody says when it ends" in JUDGE.words(judged)


@pytest.mark.parametrize(
    ("value", "state", "days"),
    [
        pytest.param(date(2026, 11, 19), State.ENDED, -1, id="yesterday"),
        pytest.param(date(2026, 11, 20), State.ENDING, 0, id="a day that has begun still runs"),
        pytest.param(NOW, State.ENDED, 0, id="this very moment"),
        pytest.param(NOW + timedelta(minutes=1), State.ENDING, 0, id="in a minute"),
        pytest.param(datetime(2026, 11, 20, 23, 30, tzinfo=UTC), State.ENDING, 1, id="after midnight on the wall"),
        pytest.param(NOW + timedelta(days=60), State.ENDING, 60, id="the last moment within"),
        pytest.param(NOW + timedelta(days=60, seconds=1), State.LATER, 60, id="a second later"),
        pytest.param(date(1970, 1, 1), State.ENDED, -20777, id="long ago"),
        pytest.param(date(9999, 12, 31), State.LATER, 2546877, id="never"),
        pytest.param(datetime(9999, 12, 31, 23, tzinfo=UTC), State.LATER, 2546877, id="never, by the hour"),
        pytest.param(date(1, 1, 1), State.UNKNOWN, None, id="a database's word for nothing"),
    ],
)
def test_days_are_those_on_the_wall(value: date, state: State, days: int | None) -> None:
    judged = JUDGE.judge(entry_of(("billing", value)))
    assert (judged.state, judged.days_left) == (state, days)


def test_an_answer_that_is_too_old_to_be_believed_is_no_date() -> None:
    collected = collect()
    entry = collected.entry(DOMAIN, "a.no")
    collected.answer(entry, asked(400, age=timedelta(days=50), failure="rdap.norid.no: no answer"), is_trusted=False)
    judged = JUDGE.judge(entry)
    assert judged.state is State.UNKNOWN
    assert JUDGE.words(judged) == "nobody says when it ends; rdap.norid.no: no answer"


def test_an_answer_that_could_not_be_had_again_counts_with_its_age() -> None:
    collected = collect()
    entry = collected.entry(DOMAIN, "a.no")
    collected.answer(entry, asked(3, age=timedelta(days=5), failure="rdap.norid.no: no answer"), is_trusted=True)
    judged = JUDGE.judge(entry)
    assert judged.state is State.ENDING
    assert JUDGE.sources(judged) == "rdap.norid.no 2026-11-23 (5 d old)"
    assert JUDGE.words(judged) == "ends in 3 days, on 2026-11-23; rdap.norid.no: no answer"


def test_a_domain_that_the_registry_does_not_know_is_wrong_whatever_billing_says() -> None:
    collected = collect()
    entry = collected.entry(DOMAIN, "a.no")
    collected.add_date(entry, date(2028, 1, 1), place="billing")
    collected.answer(entry, asked(None, wrong="the registry knows no such domain"), is_trusted=True)
    judged = JUDGE.judge(entry)
    assert judged.state is State.WRONG
    assert "rdap.norid.no: the registry knows no such domain" in JUDGE.words(judged)


def test_what_was_said_before_is_taken_back_when_it_is_asked_again() -> None:
    collected = collect()
    entry = collected.entry(DOMAIN, "a.no")
    collected.add_date(entry, date(2027, 11, 23), place="billing")
    old = asked(3, age=timedelta(days=1), wrong="it is on hold, and does not resolve", failure="no answer")
    collected.answer(entry, old, is_trusted=True)
    assert JUDGE.judge(entry).state is State.ENDING
    collected.forget(entry, old)
    collected.answer(entry, asked(368), is_trusted=True)
    judged = JUDGE.judge(entry)
    assert (judged.state, entry.wrong, entry.failure) == (State.LATER, (), ())
    assert len(entry.dates) == 2


def test_names_of_domains_are_one_in_each_spelling() -> None:
    collected = collect()
    assert collected.entry(DOMAIN, "Blåbær.no") is collected.entry(DOMAIN, "xn--blbr-roah.no.")
    assert collected.entry(DOMAIN, "A.no") is collected.entry(DOMAIN, "a.NO.")
    assert collected.entry("licence", "A.no") is not collected.entry("licence", "a.no")


def test_what_ends_first_stands_first_and_what_is_unknown_last() -> None:
    judged = [
        JUDGE.judge(entry_of(("billing", None))),
        JUDGE.judge(entry_of(("billing", date(2028, 3, 1)), ("registry", date(2029, 3, 1)))),
        JUDGE.judge(entry_of(("billing", date(2026, 12, 1)))),
        JUDGE.judge(entry_of(("billing", date(2026, 11, 1)))),
    ]
    states = [one.state for one in in_order(judged)]
    assert states == [State.ENDED, State.ENDING, State.DIFFERS, State.UNKNOWN]


DATES = st.dates(min_value=date(1971, 1, 1), max_value=date(2199, 12, 31))
ENDS = st.lists(DATES | st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2199, 1, 1)).map(
    lambda one: one.replace(tzinfo=UTC)), max_size=5)  # fmt: skip


@given(ENDS, st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1)), st.timezones())
def test_it_is_fine_only_where_everybody_says_a_date_that_is_far_and_the_same(
    ends: list[date], now: datetime, zone: ZoneInfo
) -> None:
    judge = Judge(now=now.replace(tzinfo=UTC), zone=zone, within=timedelta(days=30), agree_within=timedelta(days=2))
    collected = Collected(zone=zone, columns=[])
    entry = collected.entry(DOMAIN, "a.no")
    for end in ends:
        collected.add_date(entry, end, place="billing")
    judged = judge.judge(entry)
    moments = sorted(one.ends_at for one in entry.dates)
    is_near = bool(moments) and moments[0] - judge.now <= timedelta(days=30)
    is_same = bool(moments) and moments[-1] - moments[0] <= timedelta(days=2)
    assert judged.is_fine == (bool(moments) and not is_near and is_same)
    assert (judged.state is State.UNKNOWN) == (not moments)
    assert "\n" not in judge.words(judged)
    if judged.state is State.ENDED:
        assert judged.days_left is not None
        assert judged.days_left <= 0
