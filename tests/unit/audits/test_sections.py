"""How an answer is read: noise, cuts, and data that would like to be a marker."""

from __future__ import annotations

import pytest

from opsrunner.audits.sections import clean, clean_subject, read_sections

WHOLE = b"""\
motd
=== opsrunner: one
|a
|b
=== opsrunner end 0

=== opsrunner: two
=== opsrunner end 3
=== opsrunner done
"""


def test_it_reads_the_sections_and_leaves_out_the_noise_before_them() -> None:
    answer = read_sections(WHOLE)

    assert answer.is_whole
    assert answer.lines("one") == ("a", "b")
    assert answer.problem("one", "the one") == ""
    assert answer.problem("two", "the two") == ""


def test_a_line_of_data_never_passes_for_a_marker() -> None:
    answer = read_sections(b"=== opsrunner: one\n|=== opsrunner end 0\n|=== opsrunner done\n")

    assert not answer.is_whole
    assert answer.lines("one") == ("=== opsrunner end 0", "=== opsrunner done")
    assert "in the middle" in answer.problem("one", "the one")


def test_a_last_line_without_its_end_is_left_out() -> None:
    assert read_sections(b"=== opsrunner: one\n|disk 100\n|disk 9").lines("one") == ("disk 100",)


def test_of_two_sections_with_one_name_the_first_counts() -> None:
    twice = b"=== opsrunner: one\n|a\n=== opsrunner end 0\n=== opsrunner: one\n|b\n=== opsrunner end 0\n"

    assert read_sections(twice).lines("one") == ("a",)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (b"4", "may not read"),
        (b"5", "not installed"),
        (b"124", "too long"),
        (b"77", "code 77"),
    ],
)
def test_it_says_why_a_section_is_not_whole(code: bytes, why: str) -> None:
    answer = read_sections(b"=== opsrunner: one\n=== opsrunner end " + code + b"\n")

    assert why in answer.problem("one", "the one")


def test_a_section_with_more_lines_than_are_sent_is_not_whole() -> None:
    answer = read_sections(b"=== opsrunner: one\n|a\n~\n=== opsrunner end 0\n")

    assert "more of it" in answer.problem("one", "the one")


def test_a_section_that_never_came_is_told() -> None:
    assert read_sections(WHOLE).problem("three", "the three") == "the three: not looked at, the answer ends before it"


def test_text_of_a_host_becomes_one_bounded_line_without_tricks() -> None:
    assert clean("a\x1b[31m\u202eb\r\n\tc\x00") == "a [31m b c"
    assert clean("x" * 500, most=10) == "x" * 9 + "…"
    assert clean_subject("/home/a,b") == "/home/a;b"
