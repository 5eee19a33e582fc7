"""Texts, arguments and report pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import ExpressionError, NotFound
from opsrunner.secrets import SecretRef
from opsrunner.templates.environments import (
    has_page,
    render_argv,
    render_command,
    render_mail_page,
    render_options,
    render_page,
    render_text,
    render_tree,
)

CONTEXT: dict[str, Any] = {
    "row": {"number": "A-7", "items": 3, "note": None},
    "evil": "{{ 7*7 }}{% for x in y %}{# no #}",
    "html": "<img src=x onerror=alert(1)>&\"'",
    "shell": "x; touch P $(touch P) `touch P`\n'\"",
}


def test_it_puts_values_into_a_text_and_keeps_the_rest() -> None:
    assert render_text("Order {{ row.number }}: {{ row.items }} items\n", CONTEXT) == "Order A-7: 3 items\n"


def test_it_never_renders_data() -> None:
    assert render_text("{{ evil }}", CONTEXT) == CONTEXT["evil"]
    assert render_argv("{{ evil }}", CONTEXT) == CONTEXT["evil"]


def test_it_leaves_a_text_without_marks_alone() -> None:
    assert render_text("100 % {of} it }}", CONTEXT) == "100 % {of} it }}"


def test_it_shows_null_as_nothing_in_a_text() -> None:
    assert render_text("[{{ row.note }}]", CONTEXT) == "[]"


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ row.__init__ }}",
    "{{ render.__globals__ }}",
    "{{ ([1]|map(attribute='__class__')|list)[0] }}",
    "{{ row.update({'a': 1}) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{0.__class__}'['format'](1) }}",
    "{{ '{0.__class__}'|attr('format')(1) }}",
    "{{ self._TemplateReference__context }}",
    "{% import 'os' as os %}",
    "{{ lipsum(5) }}",
    "{{ html|safe }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_it_lets_nothing_out_of_the_sandbox(source: str) -> None:
    with pytest.raises(ExpressionError):
        render_text(source, CONTEXT)


BOMBS = [
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ [0] * 10**9 }}",
    "{{ 2 ** (10**9) }}",
    "{{ 2.0 ** 10000 }}",
    "{{ (2 ** 64) ** 64 * (2 ** 64) ** 64 }}",
    "{{ range(10**9)|list }}",
    "{% for a in range(10000) %}{% for b in range(10000) %}{{ 'x' * 100 }}{% endfor %}{% endfor %}",
    "{{ '%999999999d' % 1 }}",
    "{{ '%*d' % (999999999, 1) }}",
    "{{ '%.999999999f'|format(1) }}",
    "{{ '{:999999999}'.format(1) }}",
    "{{ 'a'.ljust(10**9) }}",
    "{{ 'a'|center(10**9) }}",
    "{{ 'a\nb'|indent(10**9) }}",
    "{{ ('a' * 900000)|replace('a', 'b' * 900000) }}",
    "{{ range(10000)|join('a' * 900000) }}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ 'x'|batch(10**9, 'y')|list }}",
]


@pytest.mark.parametrize("source", BOMBS, ids=lambda source: source[:40])
@pytest.mark.timeout(10)
def test_it_refuses_what_would_grow_without_bound(source: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render_text(source, CONTEXT)
    assert len(str(caught.value)) < 300


MISTAKES = [
    ("{{ nobody }}", "'{{ nobody }}': 'nobody' is not known here"),
    ("{{ row.numbr }}", "'{{ row.numbr }}': the mapping with number, items, note has no 'numbr'"),
    ("{{ row.items / 0 }}", "'{{ row.items / 0 }}': division by zero"),
    ("{{ 'abc'|int }}", "'{{ 'abc'|int }}': 'abc' is not a whole number"),
]


@pytest.mark.parametrize(("source", "message"), MISTAKES)
def test_it_says_in_one_line_what_is_wrong(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render_text(source, CONTEXT)
    assert str(caught.value) == message


def test_it_names_the_line_of_a_mistake_in_a_longer_text() -> None:
    with pytest.raises(ExpressionError, match="line 3: "):
        render_text("one\ntwo\n{{ row. }}\n", CONTEXT)


def test_it_keeps_a_hostile_value_one_argument() -> None:
    assert render_command(["touch", "--", "{{ shell }}", "{{ html }}.txt"], CONTEXT) == (
        "touch",
        "--",
        CONTEXT["shell"],
        CONTEXT["html"] + ".txt",
    )


@pytest.mark.parametrize("value", ["a\0b", None, ["a", "b"], {"a": 1}], ids=["nul", "null", "list", "mapping"])
def test_it_refuses_an_argument_that_is_not_one(value: object) -> None:
    with pytest.raises(ExpressionError, match="argument"):
        render_argv("{{ value }}", {"value": value})


def test_it_refuses_data_that_would_become_an_option() -> None:
    with pytest.raises(ExpressionError, match="would take for an option; put '--' before it"):
        render_command(["rm", "{{ name }}"], {"name": "-rf"})


ARGUMENTS = [
    (["rm", "--", "{{ name }}"], ("rm", "--", "-rf"), "-rf"),
    (["x", "-{{ name }}"], ("x", "-v"), "v"),
    (["x", "--level={{ name }}"], ("x", "--level=-3"), "-3"),
    (["x", "{{ name }}"], ("x", "-3.5"), "-3.5"),
]


@pytest.mark.parametrize(("items", "command", "name"), ARGUMENTS)
def test_it_lets_an_argument_begin_with_a_dash_where_that_is_meant(
    items: list[str], command: tuple[str, ...], name: str
) -> None:
    assert render_command(items, {"name": name}) == command


def test_it_renders_every_text_of_a_tree_but_no_key_and_no_secret() -> None:
    secret = SecretRef(env="TOKEN")
    tree = {"{{ a }}": ["{{ a }}", {"x": "{{ a }}"}, 5, None, secret]}
    assert render_tree(tree, {"a": "1"}) == {"{{ a }}": ("1", {"x": "1"}, 5, None, secret)}


def test_it_leaves_a_shell_string_verbatim_and_renders_a_list_beside_it() -> None:
    verbatim = frozenset({"run"})
    shell = {"run": "echo {{ a }}", "cwd": "{{ a }}"}
    assert render_options(shell, {"a": "1"}, verbatim=verbatim) == {"run": "echo {{ a }}", "cwd": "1"}
    items = {"run": ["echo", "{{ a }}"]}
    assert render_options(items, {"a": "1"}, verbatim=verbatim) == {"run": ("echo", "1")}


def _write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_it_escapes_in_html_also_where_the_file_ends_in_j2(tmp_path: Path) -> None:
    folder = _write(tmp_path, "a.html.j2", "<b title=\"{{ html }}\">{{ html }}</b>{% include 'b.txt.j2' %}")
    _write(tmp_path, "b.txt.j2", "{{ html }}")
    page = render_page("a.html.j2", CONTEXT, folders=[folder], html=True)
    assert page.count("&lt;img") == 3
    assert "<img" not in page
    assert "&#34;" in page


def test_it_refuses_to_render_an_html_file_without_escaping(tmp_path: Path) -> None:
    folder = _write(tmp_path, "a.html.j2", "{{ html }}")
    with pytest.raises(ExpressionError, match="with escaping only"):
        render_page("a.html.j2", CONTEXT, folders=[folder], html=False)


@pytest.mark.parametrize("source", ["{% autoescape false %}{{ html }}{% endautoescape %}", "{{ html|safe }}"])
def test_it_lets_no_page_switch_escaping_off(tmp_path: Path, source: str) -> None:
    folder = _write(tmp_path, "a.html.j2", source)
    with pytest.raises(ExpressionError):
        render_page("a.html.j2", CONTEXT, folders=[folder], html=True)


def test_it_prefers_the_page_of_the_first_folder_and_sees_an_edit(tmp_path: Path) -> None:
    site, shipped = _write(tmp_path / "site", "a.txt", "site"), _write(tmp_path / "shipped", "a.txt", "shipped")
    _write(shipped, "b.txt", "shipped b")
    folders = [site, shipped]
    assert render_page("a.txt", {}, folders=folders, html=False) == "site"
    assert render_page("b.txt", {}, folders=folders, html=False) == "shipped b"
    (site / "a.txt").unlink()
    assert render_page("a.txt", {}, folders=folders, html=False) == "shipped"


@pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "x/../../a", ".hidden", "a\0.txt", "", "x\\..\\a"])
def test_it_takes_no_page_from_outside_its_folders(tmp_path: Path, name: str) -> None:
    _write(tmp_path, "a.txt", "secret")
    with pytest.raises(ExpressionError, match="not the name of a report template"):
        render_page(name, {}, folders=[_write(tmp_path / "reports", "b", "")], html=False)
    assert not has_page(name, [tmp_path / "reports"])


def test_it_says_that_a_page_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no report template 'nope\.txt'"):
        render_page("nope.txt", {}, folders=[tmp_path], html=False)


def test_it_names_the_page_and_line_of_a_mistake(tmp_path: Path) -> None:
    folder = _write(tmp_path, "a.txt", "fine\n{{ }}\n")
    with pytest.raises(ExpressionError, match=r"^a\.txt: line 2: "):
        render_page("a.txt", {}, folders=[folder], html=False)


def test_it_splits_a_mail_into_subject_and_text_before_any_value_is_put_in(tmp_path: Path) -> None:
    folder = _write(tmp_path, "w.txt.j2", "Subject: Welcome {{ name }}\n\nDear {{ name }},\n")
    subject, text = render_mail_page("w.txt.j2", {"name": "A\nBcc: x@evil.example"}, folders=[folder])
    assert subject == "Welcome A\nBcc: x@evil.example"
    assert text == "Dear A\nBcc: x@evil.example,\n"


def test_it_refuses_a_mail_without_a_subject_line(tmp_path: Path) -> None:
    folder = _write(tmp_path, "w.txt.j2", "Dear all,\n")
    with pytest.raises(ExpressionError, match=r"w\.txt\.j2:1: the first line must be 'Subject: …'"):
        render_mail_page("w.txt.j2", {}, folders=[folder])
