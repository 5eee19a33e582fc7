"""What others wrote cannot steer a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.cli.escapes import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),  # colours
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),  # the window's title
        ("a\x9b2Jb", "a\\x9b2Jb"),  # the eight-bit form of ESC [
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),  # right-to-left override
        ("a\r\nb", "a b"),  # no second line
        ("over\rwritten", "over written"),
        ("nul\x00", "nul\\x00"),
        ("a\u2028b", "a\\u2028b"),  # a line separator
        ("Fjøs 日本 🌲", "Fjøs 日本 🌲"),  # letters of all kinds stay
        ("  room  ", "room"),
    ],
)
def test_it_writes_out_what_could_steer_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_and_tabs_of_a_text_stay() -> None:
    assert printable_lines("one\r\n\ttwo\x1b[2J\n") == "one\n\ttwo\\x1b[2J\n"


@given(st.text())
def test_nothing_that_is_printed_holds_a_control_character(text: str) -> None:
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in printable(text))
    printable(text).encode("utf-8")
