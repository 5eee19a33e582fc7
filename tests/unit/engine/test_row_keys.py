"""Which rows of a look are occasions."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.engine.row_keys import keyed
from opsrunner.errors import StepFailed

MOMENT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("A-17", "A-17"),
        (17, "17"),
        (17.0, "17"),
        (17.5, "17.5"),
        (date(2026, 11, 21), "2026-11-21"),
        (MOMENT, "2026-11-21T06:00:00+00:00"),
        ("  a\r\nb\x00 ", "a b"),
        ("\ud800", "\ufffd"),
        ("<b>{{ 7*7 }}</b>", "<b>{{ 7*7 }}</b>"),
    ],
)
def test_a_key_is_one_plain_line(value: Any, key: str) -> None:
    (occasion,) = keyed([{"number": value}], "number", source="orders").occasions
    assert occasion.key == key


@pytest.mark.parametrize("empty", [None, "", " ", "\u2028"])
def test_a_row_without_a_key_is_a_doubt_and_no_occasion(empty: Any) -> None:
    found = keyed([{"number": empty, "amount": 5}, {"number": 1, "amount": 6}], "number", source="orders")
    assert [occasion.key for occasion in found.occasions] == ["1"]
    assert len(found.doubts) == 1
    assert found.doubts[0].startswith("orders: a row has no number: ")


def test_of_rows_with_one_key_and_other_values_none_is_an_occasion() -> None:
    rows = [{"n": 1, "a": 1}, {"n": 2, "a": 1}, {"n": 1, "a": 2}, {"n": 3, "a": 3}, {"n": 3, "a": 3}]
    found = keyed(rows, "n", source="orders")
    assert [occasion.key for occasion in found.occasions] == ["2", "3"]
    assert found.doubts == ("orders: several rows with other values have the n 1",)


def test_many_doubts_are_one_line_each() -> None:
    rows = [{"n": number // 2, "a": number} for number in range(20)] + [{"n": None, "a": 0}] * 2000
    first, second = keyed(rows, "n", source="orders").doubts
    assert first == "orders: 2,000 rows have no n: a 0"
    assert second == "orders: several rows with other values have the n 0, 1, 2 and 7 more"


def test_a_column_that_is_not_there_is_an_error_with_the_closest() -> None:
    with pytest.raises(
        StepFailed, match="orders has no column 'nummer', which on_rows takes as key, did you mean 'number'"
    ):
        keyed([{"number": 1}], "nummer", source="orders")
    assert keyed([], "nummer", source="orders").occasions == ()


@given(st.lists(st.tuples(st.one_of(st.none(), st.text(max_size=3), st.integers(0, 5)), st.integers(0, 2))))
def test_no_two_occasions_have_one_key_and_every_row_is_one_or_a_doubt(rows: list[tuple[Any, int]]) -> None:
    found = keyed([{"k": key, "v": value} for key, value in rows], "k", source="x")
    keys = [occasion.key for occasion in found.occasions]
    assert len(keys) == len(set(keys))
    assert all(keys)
    if not found.doubts:
        assert {str(occasion.row["v"]) for occasion in found.occasions} == {str(value) for _, value in rows}
