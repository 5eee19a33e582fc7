"""Rows of customers' data: each is told, or said to be told nobody, with the reason."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from opsrunner.notices.rows import KEY_LENGTH, MOST_ADDRESSES, NoticeColumns, RowReader


def reader() -> RowReader:
    columns = NoticeColumns(key="domain", at="expires_at", to=("email",))
    return RowReader(columns, notice="renewals", zone=ZoneInfo("UTC"))


def row(*, key: str = "a.example", to: object = "ann@example.com") -> dict[str, object]:
    return {"domain": key, "expires_at": date(2026, 12, 1), "email": to}


@pytest.mark.parametrize("between", [",", "; ", "\n"])
def test_addresses_beyond_the_most_are_said(between: str) -> None:
    addresses = [f"p{number}@example.com" for number in range(MOST_ADDRESSES + 5)]

    _, occasion, problems = reader().read(row(to=between.join(addresses)))

    assert occasion is not None
    assert [one.address for one in occasion.recipients] == addresses[:MOST_ADDRESSES]
    assert [problem.problem for problem in problems] == ["email has 25 addresses, and 20 of a row are told at the most"]
    assert problems[0].to == "p20@example.com"


def test_as_many_as_are_told_are_no_problem() -> None:
    _, occasion, problems = reader().read(row(to=[f"p{number}@example.com" for number in range(MOST_ADDRESSES)]))

    assert occasion is not None
    assert problems == []


@pytest.mark.parametrize("key", ["Offer for the new …", "å" * KEY_LENGTH, "x" * KEY_LENGTH])
def test_a_key_may_be_as_long_as_it_may_be_and_end_as_it_likes(key: str) -> None:
    said, occasion, problems = reader().read(row(key=key))

    assert (said, problems) == (key, [])
    assert occasion is not None


@pytest.mark.parametrize("key", ["x" * (KEY_LENGTH + 1), "å" * 300])
def test_a_longer_key_is_said(key: str) -> None:
    said, occasion, problems = reader().read(row(key=key))

    assert (said, occasion) == ("", None)
    assert [problem.problem for problem in problems] == ["domain is longer than 200 signs"]
