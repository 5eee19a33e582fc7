"""Values in Markdown: text wherever they stand, on the page as in the terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.config.markdown_text import literal
from opsrunner.mail.message import clean_text
from opsrunner.templates.markdown import MARKDOWN, escape_markdown, readable, render_markdown

HOSTILE = "[the screenshot](https://evil.example/login) **urgent** <https://evil.example> `rm -rf`"
PLACES = {
    "a line": "By {{ row.x }}.",
    "the whole line": "{{ row.x }}",
    "bold": "It is **{{ row.x }}** today.",
    "a list": "- {{ row.x }}\n- more",
    "a quote": "He said:\n\n> {{ row.x }}\n\nand went.",
    "a table": "| a | b |\n| - | - |\n| {{ row.x }} | 1 |",
    "a loop": "{% for one in [row.x, row.x] %}- {{ one }}\n{% endfor %}",
    "words put together": "Of{{ ', about ' ~ row.x }}.",
    "a link's words": "[{{ row.x }}](https://billing.example.com/17)",
}


def made(source: str, value: object, *, longest: int = 20_000) -> str:
    return render_markdown(source, {"row": {"x": value}}, clean=clean_text, longest=longest)


def page(text: str) -> str:
    return str(MARKDOWN.render(text))


def words(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')


@pytest.mark.parametrize("source", PLACES.values(), ids=PLACES)
def test_a_value_is_text_wherever_it_stands(source: str) -> None:
    text = made(source, HOSTILE)
    html, harmless = page(text), page(made(source, "Kari"))
    assert HOSTILE in words(html)
    assert re.findall(r"</?\w+", html) == re.findall(r"</?\w+", harmless), "the same paragraphs, lists and links"
    assert html.count("evil.example") == 2 * (2 if "for" in source else 1), "and no address of its own"


@pytest.mark.parametrize(
    "value",
    [
        "# big",
        "- item",
        "12. item",
        "3) item",
        "---",
        "===",
        "> quote",
        "    code",
        "a\n===",
        "a\n\n    b",
        ":--",
        "```\nx",
    ],
)
@pytest.mark.parametrize("source", ["{{ row.x }}", "Said:\n{{ row.x }}", "- {{ row.x }}\n- more"])
def test_a_value_begins_nothing(source: str, value: str) -> None:
    html = page(made(source, value))
    assert not re.search(r"<(?:h\d|ol|pre|code|blockquote|table|hr)", html)
    assert html.count("<ul") == source.count("- {{")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Run `mail {{ row.x }}` now", "<code>mail a_b '*c*' [d](e)</code>"),
        ("```\nmail {{ row.x }}\n```", "mail a_b '*c*' [d](e)\n</code>"),
        ("Run:\n\n    mail {{ row.x }}\n", "mail a_b '*c*' [d](e)\n</code>"),
        ("`` a {{ row.x }} ``", "<code>a a_b '*c*' [d](e)</code>"),
    ],
)
def test_in_code_a_value_stands_as_it_is_and_does_not_end_it(source: str, shown: str) -> None:
    assert shown in page(made(source, "a_b `*c*`\n[d](e)"))


def test_an_address_stays_one_where_the_author_makes_it_a_link() -> None:
    url = "https://www.example.com/a_b?c=1&d=(2)"
    for source in ("<{{ row.x }}>", "[there]({{ row.x }})", "[there](<{{ row.x }}>)"):
        assert 'href="https://www.example.com/a_b?c=1&amp;d=(2)"' in page(made(source, url)), source
    assert page(made("<https://example.com/{{ row.x }}>", "a_b")).count('href="https://example.com/a_b"') == 1
    assert "<a" not in page(made("<{{ row.x }}>", "no address> [x](https://evil.example)"))
    assert "javascript" not in "".join(re.findall("href=.*", page(made("[x]({{ row.x }})", "javascript:alert(1)"))))


def test_braces_of_a_list_in_markdown_are_shown_as_they_are() -> None:
    text = "Run `echo {{ x }} {% y` and {{ z }}:\n\n    docker ps --format '{{.Names}}'\n"
    template = render_markdown(literal(text), {}, clean=clean_text, longest=1_000)
    assert page(template) == page(text)
    assert readable(template) == text


def test_numbers_dates_and_nothing_are_as_before() -> None:
    assert made("{{ row.x }} of 5", 3.5) == "3.5 of 5"
    assert made("Nothing: {{ row.x }}.", None) == "Nothing: ."
    assert made("{{ row.x }}", "Kari Nordmann, 12:30, kari@example.com") == "Kari Nordmann, 12:30, kari@example.com"


def test_the_marks_of_our_own_are_nobodys() -> None:
    assert made("a {{ row.x }} b", "\ue000[x](y)\ue0010\ue001") == r"a \[x\]\(y\)0 b"


def test_what_is_cut_leaves_no_half_piece_of_code() -> None:
    text = made("First.\n\nRun `{{ row.x }}`", "[x](https://evil.example) " * 5, longest=60)
    assert text == "First."
    assert "<a" not in page(made("`{{ row.x }}`", "[x](https://evil.example) " * 5, longest=60))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r"It is \[a\]\(b\) and a\_b", "It is [a](b) and a_b"),
        (r"Run `find \( -name x \)` on a\_b", r"Run `find \( -name x \)` on a_b"),
        ("Run:\n\n    find \\( x \\)\n\na\\_b", "Run:\n\n    find \\( x \\)\n\na_b"),
        ("```\na\\_b\n```\na\\_b", "```\na\\_b\n```\na_b"),
        (r"C:\new stays", r"C:\new stays"),
        (r"\`a\_b\`", "`a_b`"),
    ],
)
def test_who_reads_it_as_it_is_written_sees_no_backslashes(text: str, read: str) -> None:
    assert readable(text) == read


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Co"])))
def test_any_line_is_the_same_again(line: str) -> None:
    line = " ".join(line.split())
    assert readable(escape_markdown(line)) == line
    html = page(f"x {escape_markdown(line)}")
    assert re.findall(r"<[^>]+>", html) == ["<p>", "</p>"]
