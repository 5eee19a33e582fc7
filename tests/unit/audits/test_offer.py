"""What is offered, against the releases that there are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.audits.offer import OfferState, judge_offer
from opsrunner.audits.releases import releases

TODAY = date(2026, 11, 23)
HALF_A_YEAR = timedelta(days=180)


def judged(*names: str, today: date = TODAY) -> dict[str, OfferState]:
    return {one.system: one.state for one in judge_offer(names, today=today, ends_within=HALF_A_YEAR)}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("Debian 11", OfferState.ENDED),
        ("Debian 12", OfferState.FINE),
        ("debian-12", OfferState.FINE),
        ("Debian 12 minimal", OfferState.FINE),
        ("AlmaLinux 9.4", OfferState.FINE),
        ("Ubuntu 24.04 LTS", OfferState.FINE),
        ("Debian 1", OfferState.UNKNOWN),
        ("Debian 121", OfferState.UNKNOWN),
        ("Windows 2022", OfferState.UNKNOWN),
    ],
)
def test_a_name_of_the_offer_is_the_release_that_people_mean(name: str, state: OfferState) -> None:
    assert judged(name)[name] is state


def test_a_release_is_told_of_before_it_ends_and_on_its_last_day_it_has_not() -> None:
    ends = releases()["debian", "12"].ends
    assert judged("Debian 12", today=ends - timedelta(days=181))["Debian 12"] is OfferState.FINE
    assert judged("Debian 12", today=ends - timedelta(days=180))["Debian 12"] is OfferState.ENDS_SOON
    assert judged("Debian 12", today=ends)["Debian 12"] is OfferState.ENDS_SOON
    assert judged("Debian 12", today=ends + timedelta(days=1))["Debian 12"] is OfferState.ENDED


def test_the_newest_release_of_a_system_that_is_offered_is_missed_and_no_other() -> None:
    found = judged("Debian 12", "Ubuntu 24.04")
    assert [name for name, state in found.items() if state is OfferState.MISSING] == ["Debian 13", "Ubuntu 26.04"]
    assert OfferState.MISSING not in judged("Debian 12", "Debian 13").values()


def test_each_name_is_judged_once_and_empty_ones_are_none() -> None:
    assert list(judged("Debian 12", "Debian 12", " ", "Debian 13")) == ["Debian 12", "Debian 13"]


def test_it_says_the_date() -> None:
    ended, missing = judge_offer(["Debian 11"], today=TODAY, ends_within=HALF_A_YEAR)
    assert ended.words(TODAY) == "Debian 11: security updates ended on 2026-08-31"
    assert missing.words(TODAY) == "Debian 13 is not offered yet; it gets security updates until 2030-06-30"


@given(st.lists(st.text(max_size=30), max_size=8))
def test_whatever_stands_in_an_offer_is_judged(names: list[str]) -> None:
    found = judge_offer(names, today=TODAY, ends_within=HALF_A_YEAR)
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    assert [one.system for one in found][: len(wanted)] == wanted
