"""Values in Markdown: text wherever they stand, on the page as in the terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.config.markdown_text import literal
from opsrunner.mail.message import clean_text
from opsrunner.templates.markdown import escape_markdown, markdown_parser, readable, render_markdown

from ...patience import within

ROOT = Path(__file__).parents[3]
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
    return str(markdown_parser().render(text))


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
        ("| a | b |\n| - | - |\n| `{{ row.x }}` | 1 |", "<td><code>a_b '*c*' [d](e)</code></td>\n<td>1</td>"),
    ],
)
def test_in_code_a_value_stands_as_it_is_and_does_not_end_it(source: str, shown: str) -> None:
    assert shown in page(made(source, "a_b `*c*`\n[d](e)"))


@pytest.mark.parametrize(
    "source",
    [
        "| a | b |\n| - | - |\n| `{{ row.x }}` | 1 |",
        "`a\n{{ row.x }}`",
        "- `a\n  {{ row.x }}` b",
        "\\<https://{{ row.x }}>",
        "- a\n\n{{ '' }}\n\n    {{ row.x }}",
        "> `{{ row.x }}`",
        "> ```\n> {{ row.x }}\n> ```",
        "``` {{ row.x }}\ncode\n```",
    ],
)
@pytest.mark.parametrize("before", ["", "a|", "a\n\n", "a\n===\n", "- ", "> ", "a\\|", "12. ", "~~~\n", "`` ` ", "# "])
def test_no_value_ends_the_code_in_which_it_stands(source: str, before: str) -> None:
    html = page(made(source, f"{before}[x](https://evil.example) *so* {before}b"))
    harmless = page(made(source, "Kari"))
    assert re.findall(r"</?(?!p)\w+", html) == re.findall(r"</?(?!p)\w+", harmless)


LINK = "see [your invoice](https://evil.example/x)"


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("{% for one in [x, x] %}{{ loop.index }}. Look:\n\n    {{ one }}\n{% endfor %}", {"x": LINK}),
        ("{{ a }}) Look:\n\n    {{ x }}", {"a": "12", "x": LINK}),
        ("{{ a }}. Look:\n\n    {{ x }}", {"a": "12 ", "x": LINK}),
        ("{{ a }}{{ b }}\n\n    {{ x }}", {"a": "1", "b": ". Look", "x": LINK}),
        ("{{ a }}{{ b }} Look\n\n    {{ x }}", {"a": "1", "b": ".", "x": LINK}),
        ("> `a\n> {{ x }}`", {"x": f"- {LINK}"}),
        ("> - `a\n>   {{ x }}`", {"x": f"1. {LINK}"}),
        ("`a\n1{{ x }}`", {"x": f". {LINK}"}),
        ("`a\n{{ a }}{{ x }}`", {"a": "1", "x": f". {LINK}"}),
        ("`a\n-{{ x }}`", {"x": f" {LINK}"}),
        ("`a\n={{ a }}\nis {{ x }}`", {"a": "=", "x": LINK}),
        ("`a|b\n|{{ a }}|\nis {{ x }}`", {"a": "-|-", "x": LINK}),
        ("~~~\n{{ a }}{{ b }}\n{{ x }}\n~~~", {"a": "~~", "b": "~", "x": LINK}),
        ("~~~\n~~{{ a }}\n{{ x }}\n~~~\n\n    {{ x }}", {"a": "~", "x": LINK}),
        ("> ~~~\n> {{ a }}{{ a }}{{ a }}\n> {{ x }}\n> ~~~", {"a": "~", "x": LINK}),
    ],
)
def test_no_values_together_end_the_code_in_which_another_stands(source: str, values: Mapping[str, str]) -> None:
    text = render_markdown(source, values, clean=clean_text, longest=20_000)
    html = page(text)
    assert "<a" not in html
    assert words(html).replace("\\", "").count(LINK) == source.count("{{ x }}") + 2 * source.count("{{ one }}")


def test_a_number_makes_the_list_that_its_author_writes() -> None:
    source = "{% for one in [row.x, row.x] %}{{ loop.index }}. Run:\n\n    {{ one }}\n{% endfor %}"
    html = page(made(source, "mail a_b"))
    assert html.count("<li>") == html.count("<p>mail a_b</p>") == 2, "what stands there is no code"
    source = source.replace("    {{", "       {{")
    assert page(made(source, LINK)).count(f"<pre><code>{LINK}\n</code></pre>") == 2


def test_the_home_folder_stays_one_in_code() -> None:
    for source in (
        "~~~\ncd {{ row.x }}\n~~~",
        "    ls {{ row.x }}/a",
        "`{{ row.x }}/bin`",
        "~~~\n{{ row.x }}/bin\n~~~",
    ):
        assert "~" in page(made(source, "~")).partition("<code>")[2], source


def test_code_stays_code_where_another_piece_does_not() -> None:
    html = page(made("Run `{{ 'mail a_b' }}`:\n\n~~~\n{{ row.x }}~~\n~~~", "~"))
    assert "<code>mail a_b</code>" in html
    assert "~~~\n</code></pre>" in html


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


def test_a_backslash_before_a_value_is_one() -> None:
    for source in ("C:\\{{ row.x }}", "C:\\\\{{ row.x }}", "`C:\\{{ row.x }}`"):
        assert words(page(made(source, "<https://evil.example>"))).strip() == "C:\\<https://evil.example>"
        assert "<a" not in page(made(source, "<https://evil.example>"))
    assert words(page(made("`C:\\{{ row.x }}`", "\\b"))).strip() == "C:\\\\b"
    assert words(page(made("C:\\{{ row.x }}", "b"))).strip() == "C:\\b"
    assert words(page(made("C:\\{{ row.x }}", " b"))).strip() == "C:\\ b"


def test_a_value_that_ends_in_a_backslash_stays_in_its_cell() -> None:
    for source in (
        "|{{ row.x }}|{{ 'second' }}|",
        "{{ row.x }}|second",
        "| {{ row.x }} | second |",
        "|a{{ row.x }}|second|",
    ):
        for value in ("x\\", "\\", "x\\\\"):
            html = page(made(f"|a|b|\n|-|-|\n{source}", value))
            assert re.findall("<td>(.*)</td>", html) == [f"{'a' if 'a{' in source else ''}{value}", "second"], source


def test_numbers_dates_and_nothing_are_as_before() -> None:
    assert made("{{ row.x }} of 5", 3.5) == "3.5 of 5"
    assert made("Nothing: {{ row.x }}.", None) == "Nothing: ."
    assert made("{{ row.x }}", "Kari Nordmann, 12:30, kari@example.com") == "Kari Nordmann, 12:30, kari@example.com"


def test_the_marks_of_our_own_are_nobodys() -> None:
    assert made("a {{ row.x }} b", "\ue000[x](y)\ue0010\ue001") == r"a \[x\]\(y\)0 b"


def test_what_is_cut_leaves_no_half_piece_of_code() -> None:
    text = made(
        "First.\n\nRun `{{ row.x }}\n{{ row.x }}\n{{ row.x }}\n{{ row.x }}`",
        "[x](https://evil.example) " * 5,
        longest=70,
    )
    assert page(text).startswith("<p>First.</p>")
    assert page(text).endswith("<p>… and more</p>\n")
    assert "<a" not in page(text)
    assert "<a" not in page(made("`{{ row.x }}`", "[x](https://evil.example) " * 5, longest=60))


def shipped(routine: str, step: str) -> str:
    """Return the `how` of a task as it is shipped."""
    steps = yaml.safe_load((ROOT / "routines" / f"{routine}.yaml").read_text(encoding="utf-8"))["steps"]
    return str(next(one["how"] for one in steps if one.get("id") == step))


def long_made(source: str, context: Mapping[str, object]) -> str:
    text = render_markdown(source, context, clean=clean_text, longest=20_000)
    assert len(text) <= 20_000
    return text


SERVER_SAID = (
    "smtp; 550-5.1.1 <someone_else@example.com>: the [mailbox] is *not* (any more) there, <mx_1>: #5.1.1 [see] *our*"
    " {page}, host_1 said"
)


def test_of_a_long_table_as_many_rows_are_kept_as_there_is_room_for() -> None:
    row = {"address": "kari_nordmann@example.com", "status": "5.1.1", "diagnostic": SERVER_SAID, "reported_at": None}
    rows = [{**row, "report": f"1700000{number}.M{number}P1_2.mail.example.com/1"} for number in range(100)]
    context = {"now": datetime(2026, 11, 23, tzinfo=UTC), "steps": {"doubtful": {"rows": rows}}}
    html = page(long_made(shipped("bounces", "look"), context))
    assert html.count("<tr>") > 60
    assert "it a customer's address?" in html, "what to do stands before the rows"
    assert html.endswith("</table>\n<p>… and more</p>\n")
    assert "\\" not in words(html)


def test_of_a_long_list_as_many_items_are_kept_as_there_is_room_for() -> None:
    row = {
        "rank": 1,
        "title": 20 * "a_title ",
        "place": "forum.example.com",
        "link": f"https://example.com/{'a_b/' * 30}",
    }
    html = page(long_made(shipped("community-weekly", "skim"), {"steps": {"week": {"rows": [row] * 100}}}))
    assert html.count("<a href=") == html.count("<li>") > 50
    assert "In the note:" in html
    assert html.endswith("</ul>\n<p>… and more</p>\n")


def test_who_has_a_hundred_customers_with_dead_addresses_learns_what_to_do() -> None:
    silent = [
        {"address": f"k_{number}@example.com", "why": f"its mails come back: {SERVER_SAID}"} for number in range(100)
    ]
    dead = [
        {"name": "Hansen & Sønn [AS]", "customer": n, "services": 3, "address": one["address"]}
        for n, one in enumerate(silent)
    ]
    context = {"today": "2026-11-23", "row": {"customers": dead}, "steps": {"silent": {"rows": silent}}}
    html = page(long_made(shipped("bounces", "ask"), context))
    assert html.count("<tr>") > 50
    assert "opsrunner notices unsuppress" in html
    assert html.endswith("</table>\n<p>… and more</p>\n")


@pytest.mark.parametrize(
    "code", ["```\n{{ row.x }}\n```", "{{ row.x }}", "`{{ row.x }}`", "- so:\n  ```\n  {{ row.x }}\n  ```"]
)
def test_a_long_value_is_shortened_before_what_stands_behind_it_is_cut(code: str) -> None:
    text = made(f"Before.\n\n{code}\n\nThen **call** them.", "a line of the log\n" * 3_000)
    assert len(text) <= 20_000
    html = page(text)
    assert html.count("a line of the log") > 300
    assert "…" in html
    assert html.endswith("<p>Then <strong>call</strong> them.</p>\n")
    assert html.count("<code>") == ("`" in code)


@pytest.mark.parametrize(
    "source",
    [
        "```\n{% for one in range(3000) %}{{ row.x }}\n{% endfor %}```\n",
        "> - so:\n>   ```\n{% for one in range(3000) %}>   {{ row.x }}\n{% endfor %}>   ```\n",
    ],
    ids=["a fence", "a fence in a list in a quote"],
)
def test_a_fence_that_is_cut_is_closed(source: str) -> None:
    text = made(source, "[x](https://evil.example)")
    assert 19_000 < len(text) <= 20_000
    html = page(text)
    assert html.endswith("<p>… and more</p>\n")
    assert html.count("<pre>") == 1
    assert "<a" not in html


@pytest.mark.parametrize(
    "source",
    [
        "{% for one in range(3000) %}{{ row.x }}, {% endfor %}",
        "`{% for one in range(3000) %}{{ row.x }}\n{% endfor %}`",
    ],
)
def test_a_line_or_a_piece_of_code_that_is_longer_than_all_is_cut_between_its_values(source: str) -> None:
    text = made(source, "[x](https://evil.example)")
    assert 19_000 < len(text) <= 20_000
    html = page(text)
    assert html.endswith("<p>… and more</p>\n")
    assert words(html).count("[x](https://evil.example)") > 500
    assert "<a" not in html


def test_a_value_keeps_the_blanks_that_part_it_from_others() -> None:
    source = shipped("retention", "sign").partition("reseller:\n")[2].partition("\n\n")[0]
    top = [
        {"is_reseller": is_one, "name": "Hansen", "yearly": 1, "services": 2, "since": "2020"}
        for is_one in (True, False)
    ]
    text = render_markdown(source, {"steps": {"top": {"rows": top}}}, clean=clean_text, longest=20_000)
    assert [line.partition(":")[0] for line in text.strip().splitlines()] == ["1. R Hansen", "2. Hansen"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for one in ['a', 'b'] %}{{ one }}{{ ', ' if not loop.last }}{% endfor %}", "a, b"),
        ("{{ 'R ' }}{{ 'Hansen' }}", "R Hansen"),
        ("By {{ row.x }}.", "By Kari ."),
        ("By {{ row.x }}", "By Kari"),
        ("{{ row.x }}\n{{ row.x }}", "Kari\nKari"),
        ("It is **{{ row.x }}**", "It is **Kari**"),
        ("{{ 'by ' }}**Kari**", "by **Kari**"),
        ("{{ ' ' }}{{ ' ' }}{{ ' ' }}{{ ' ' }}{{ ' ' }}Kari", "Kari"),
        ("`a{{ row.x }}`", "`a Kari `"),
        ("#{{ row.x }}", "#Kari"),
        ("- 1.{{ row.x }}", "- 1.Kari"),
        ("**By:**{{ row.x }}", "**By:** Kari"),
        ("Kari{{ ' ' }}{{ '' }}{{ ' ' }}\nOla", "Kari\nOla"),
        ("Kari{{ ' ' }}{{ '' }}{{ ' ' }}Ola", "Kari Ola"),
        ("Kari{{ '' }}Ola", "KariOla"),
    ],
)
def test_one_blank_stays_at_either_end_of_a_value_but_for_the_ends_of_a_line(source: str, text: str) -> None:
    assert made(source, "  Kari  ") == text


@pytest.mark.parametrize(
    "source",
    [
        "{% for one in range(10000) %}| {{ row.x }} | {{ row.x }} |\n{% endfor %}",
        "{% for one in range(10000) %}{{ row.x }},{% endfor %}",
        "<{% for one in range(10000) %}{{ row.x }},{% endfor %}",
    ],
    ids=["rows", "values in one line", "what might be an address"],
)
def test_a_text_far_too_long_takes_no_longer_than_one_that_is_too_long(source: str) -> None:
    head = "| a | b |\n| - | - |\n" if source.startswith("{% for one in range(10000) %}|") else ""
    text = within(1.5, lambda: made(head + source, "a [value](x) of 30 signs * * *"), clock=time.thread_time)
    assert len(text) <= 20_000


@pytest.mark.parametrize("block", ["truncate(60)", "tojson", "reverse", "urlencode", "upper", "indent"])
@pytest.mark.parametrize("value", ["[x](https://evil.example) " * 5, "[x](https://evil.example)", ")live//:sptth(]x["])
def test_what_a_filter_makes_of_a_block_is_text(block: str, value: str) -> None:
    text = made(f"{{% filter {block} %}}{{{{ row.x }}}}{{% endfilter %}} and {{{{ row.x }}}}", value)
    html = page(text)
    assert "<a" not in html
    assert "\ue000" not in text
    assert "%EE" not in text
    assert "ue000" not in text


MACRO = "{% macro same(one) %}{{ one }}{% endmacro %}"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% set k %}{{ row.x }}{% endset %}{{ k == 'a_b c' }}", "True"),
        (
            "{% set k %}{{ row.x }}{% endset %}[x](https://b.example/{{ k | urlencode }})",
            "[x](https://b.example/a\\_b%20c)",
        ),
        ("{% set k %}{{ row.x }}{% endset %}{{ k | length }}{{ k[0] }}", "5a"),
        ("{% set k | upper | replace('_', '-') %}{{ row.x }}{% endset %}{{ k == 'A-B C' }}", "True"),
        ("{% set k %}*{{ row.x }}*{% endset %}{{ k }} or {{ row.x }}", r"\*a\_b c\* or a\_b c"),
        (MACRO + "{{ same(row.x) == 'a_b c' }}", "True"),
        (MACRO + "[x](https://b.example/{{ same(row.x) | urlencode }})", "[x](https://b.example/a\\_b%20c)"),
        (MACRO + "{{ 'vip' if same(row.x) in ['a_b c'] }}{{ same(same(row.x)) | length }}", "vip5"),
        ("{% macro m(obj, context) %}{{ obj }}{% endmacro %}{{ m(context=1, obj=row.x) | length }}", "5"),
        (MACRO + "{% set k = same(row.x) %}{{ k == 'a_b c' }}, {{ same('*') }}", r"True, \*"),
        ("{% block b %}{{ row.x }}{% endblock %}: {{ self.b() == 'a_b c' }}", r"a\_b c: True"),
        ("{% macro m() %}**{{ caller() }}**{% endmacro %}{% call m() %}{{ row.x }}{% endcall %}", r"**a\_b c**"),
    ],
)
def test_what_is_set_or_made_elsewhere_is_compared_as_it_shows_and_shown_as_text(source: str, text: str) -> None:
    assert made(source, "a_b c") == text


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
