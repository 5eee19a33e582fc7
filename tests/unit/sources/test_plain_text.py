import time

import pytest

from opsrunner.sources.plain_text import text_of_html

from ...patience import within


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One &amp; two</p><p>three</p>", "One & two three"),
        ("a<br>b", "a b"),
        ("<script>alert(1)</script>after", "after"),
        ("<SCRIPT src=x>alert(1)</ScRiPt >after", "after"),
        ("before<script>never ends", "before"),
        ("<style>p{}</style><b>bold</b>", "bold"),
        ("<!-- hidden --> shown <!-- not closed", "shown"),
        ("<scripture>of old</scripture>", "of old"),  # not every word that begins so
        ("<img src=x onerror=alert(1)>x", "x"),
        ("cut <a href='", "cut"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),  # text that speaks of a tag
        ("ΑΙ\u0130<script>x</script>b", "ΑΙ\u0130b"),  # a letter whose small form is two signs
        ("&#65;&#x42;&#0000000067;&#x110000;", "ABC\ufffd"),
        ("a&#" + "9" * 40_000 + ";b", "a\ufffdb"),  # a number longer than any that Python reads
        ("a&#" + "0" * 40_000 + "65;b", "aAb"),
        ("", ""),
    ],
)
def test_it_says_what_a_browser_would_show(markup: str, text: str) -> None:
    assert text_of_html(markup) == text


def test_lines_can_stay_lines() -> None:
    assert text_of_html("<p>One</p><p>two<br>three</p>", keep_lines=True) == "One\ntwo\nthree"


@pytest.mark.parametrize("piece", ["<", "<script", "<!--", "<a ", "&", "</", "<script>", "\n", "<p><"])
def test_markup_made_to_take_long_does_not(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    within(1, lambda: text_of_html(text), clock=time.thread_time)
