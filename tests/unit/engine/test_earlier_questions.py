"""The message of a follow-up about acts that are never repeated: no run's question is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest

from opsrunner.engine.earlier_questions import MESSAGE_LENGTH, with_earlier


def asked(runs: Iterable[int], *, length: int) -> str:
    """Return the message after each of `runs` has asked something of so many characters."""
    numbers = list(runs)
    message = f"{numbers[0]:x^{length}}"
    for before, number in pairwise(numbers):
        message = with_earlier(f"{number:x^{length}}", before=message, run=before)
    return message


def named(message: str) -> list[int]:
    """Return the earlier runs that a message names, newest first."""
    with_words = [int(number) for number in re.findall(r"before, in run (\d+): ", message)]
    also = re.search(r"; also in runs? ([\d, ]+)$", message)
    return with_words + ([] if also is None else [int(number) for number in also[1].split(", ")][::-1])


def test_short_questions_stand_as_they_are() -> None:
    said = with_earlier("status 500", before="status 402; before, in run 3: no answer", run=7)
    assert said == "status 500; before, in run 7: status 402; before, in run 3: no answer"


def test_a_long_question_of_an_earlier_run_ends_in_an_ellipsis() -> None:
    said = with_earlier("now", before="w" * 550, run=7)
    assert said == f"now; before, in run 7: {'w' * 149}…"


@pytest.mark.parametrize("length", [1, 150, 550, 2_000])
@pytest.mark.parametrize("count", [2, 5, 9, 40, 60])
def test_every_run_that_asked_is_named(length: int, count: int) -> None:
    message = asked(range(101, 101 + count), length=length)
    assert named(message) == list(range(99 + count, 100, -1))
    assert len(message) <= MESSAGE_LENGTH


def test_the_runs_whose_words_have_no_room_are_the_oldest() -> None:
    message = asked(range(11, 31), length=550)
    assert message.startswith(f"{30:x^550}; before, in run 29: xxx")
    assert message.endswith("…; also in runs 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21")


def test_of_very_many_runs_the_oldest_are_named_and_the_others_counted() -> None:
    message = asked(range(1_000, 1_500), length=550)
    also = re.search(r"; also in runs 1000, 1001, .*, 1059 and (\d+) more$", message)
    assert also is not None
    told = message.count("before, in run ")
    assert told > 0
    assert (int(also[1]) + 60 + told, len(message) <= MESSAGE_LENGTH) == (499, True)


def test_a_message_that_was_cut_in_the_middle_is_taken_as_it_is() -> None:
    said = with_earlier("now", before="then; before, in run 3: no answer; before, in ru", run=7)
    assert said == "now; before, in run 7: then; before, in run 3: no answer; before, in ru"


def test_what_a_run_asked_that_is_no_longer_kept_stands_without_its_number() -> None:
    said = with_earlier("now", before="then; before, in run 3: no answer", run=None)
    assert said == "now; before: then; before, in run 3: no answer"


def test_large_numbers_have_room_too() -> None:
    runs = ", ".join(str(10**11 + number) for number in range(60))
    said = with_earlier("w" * 1_500, before=f"then; also in runs {runs}", run=10**12)
    assert said.endswith(f"…; also in runs {runs} and 1 more")
