"""Who says the same, who is odd, and what is said of it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.steps.ask_answers import Answer, Expected, group_answers, heading, shown_hosts, undecided_words

ANSWERS = st.dictionaries(
    st.text("abcde0123", min_size=1, max_size=3),
    st.tuples(st.sampled_from([0, 1, 255]), st.sampled_from([b"", b"8.2", b"8.2\n", b"8.2 \t\r\n\n", b"8.1", b"\xff"])),
    max_size=12,
)
EXPECTED = st.sampled_from([Expected(), Expected(text="8.2"), Expected(exit_codes=(0,)), Expected(exit_codes=(1, 255))])


def answers_of(said: dict[str, tuple[int, bytes]]) -> list[Answer]:
    return [Answer(host=host, exit_code=code, stdout=text) for host, (code, text) in said.items()]


def odd_hosts(said: dict[str, tuple[int, bytes]], expected: Expected | None = None) -> list[str]:
    found = group_answers(answers_of(said), expected or Expected())
    return sorted(host for group in found.groups if group.is_odd for host in group.hosts)


@given(ANSWERS, EXPECTED)
def test_every_host_is_in_exactly_one_group_with_those_that_said_the_same(
    said: dict[str, tuple[int, bytes]], expected: Expected
) -> None:
    found = group_answers(answers_of(said), expected)

    assert sorted(host for group in found.groups for host in group.hosts) == sorted(said)
    assert [group.number for group in found.groups] == list(range(1, len(found.groups) + 1))
    for group in found.groups:
        assert {(said[host][0], said[host][1].rstrip()) for host in group.hosts} == {(group.exit_code, group.stdout)}
    assert len({(group.exit_code, group.stdout) for group in found.groups}) == len(found.groups)


@given(ANSWERS, EXPECTED, st.randoms(use_true_random=False))
def test_the_order_in_which_hosts_answer_changes_nothing(
    said: dict[str, tuple[int, bytes]], expected: Expected, chance: random.Random
) -> None:
    answers = answers_of(said)
    chance.shuffle(answers)

    assert group_answers(answers, expected) == group_answers(answers_of(said), expected)


@given(ANSWERS)
def test_without_an_expectation_those_are_odd_who_differ_from_more_than_half(
    said: dict[str, tuple[int, bytes]],
) -> None:
    found = group_answers(answers_of(said), Expected())
    sizes = [len(group.hosts) for group in found.groups]

    assert found.is_decided == (not said or 2 * max(sizes) > len(said))
    for group in found.groups:
        assert group.is_odd == (found.is_decided and 2 * len(group.hosts) <= len(said))


@given(ANSWERS, EXPECTED)
def test_the_odd_ones_come_first_and_the_biggest_group_last(
    said: dict[str, tuple[int, bytes]], expected: Expected
) -> None:
    found = group_answers(answers_of(said), expected)
    order = [(not group.is_odd, len(group.hosts)) for group in found.groups]

    assert order == sorted(order)


def test_an_exit_code_makes_another_answer_of_the_same_text() -> None:
    assert odd_hosts({"a": (0, b"x"), "b": (0, b"x\n"), "c": (1, b"x")}) == ["c"]


def test_half_is_not_more_than_half() -> None:
    found = group_answers(answers_of({"a": (0, b"1"), "b": (0, b"2")}), Expected())

    assert not found.is_decided
    assert found.odd == 0


def test_who_lacks_the_text_is_odd_also_where_most_lack_it() -> None:
    assert odd_hosts({"a": (0, b"8.1"), "b": (0, b"8.1"), "c": (0, b"PHP 8.2.3")}, Expected(text="8.2")) == ["a", "b"]


def test_who_ends_otherwise_is_odd_whatever_it_says() -> None:
    said = {"a": (0, b"on"), "b": (0, b"off"), "c": (3, b"on")}

    assert odd_hosts(said, Expected(exit_codes=(0,))) == ["c"]


TWO = "2 different answers, none from more than half, so nobody knows which is right"


def test_a_command_that_most_cannot_run_has_no_right_answer() -> None:
    answers = [
        Answer(host=f"web{number}", exit_code=127 if number else 0, stdout=b"" if number else b"fine\n")
        for number in range(4)
    ]
    found = group_answers(answers, Expected())
    assert (found.is_decided, found.odd) == (False, 0)
    assert undecided_words(found) == "3 could not run the command, so nobody knows what is right"
    assert undecided_words(group_answers([*answers[:1], answers[1]], Expected())) == TWO
    assert group_answers(answers, Expected(exit_codes=(127,))).odd == 1


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({"hosts": 50, "answered": 49, "odd": 1}, "50 hosts asked: 48 say the same, 1 differs, 1 did not answer"),
        ({"hosts": 50, "answered": 50, "odd": 0}, "50 hosts asked: all say the same"),
        ({"hosts": 1, "answered": 1, "odd": 0}, "1 host asked: 1 answered"),
        ({"hosts": 2, "answered": 0, "odd": 0}, "2 hosts asked: none answered"),
        ({"hosts": 1, "answered": 0, "odd": 0}, "1 host asked: 1 did not answer"),
        ({"hosts": 3, "answered": 3, "odd": 2, "is_expected": True}, "3 hosts asked: 1 as expected, 2 differ"),
        ({"hosts": 3, "answered": 3, "odd": 3, "is_expected": True}, "3 hosts asked: 3 differ"),
        (
            {"hosts": 3, "answered": 2, "odd": 0, "undecided": TWO},
            (
                "3 hosts asked: 2 different answers, none from more than half, so nobody knows which is right, "
                "1 did not answer"
            ),
        ),
    ],
)
def test_the_result_is_one_line(counts: dict[str, Any], line: str) -> None:
    assert heading(**{"undecided": "", "is_expected": False, **counts}) == line


def test_of_many_hosts_some_are_named() -> None:
    assert shown_hosts(["a", "b", "c"], most=3) == "a, b, c"
    assert shown_hosts(["a", "b", "c", "d"], most=2) == "a, b and 2 more"
