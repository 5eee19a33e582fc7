"""A shape stands for its source: what is good in the one is good in the other, and names the same steps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.errors import ExpressionError
from opsrunner.templates.expressions import _named_in, step_references
from opsrunner.templates.shapes import shape_of

SAME = [
    ("row.days | int > 14", "row.load | int > 3"),
    ("steps.dump.status == 'succeeded'", "steps.copy.reason == 'x'"),
    ("steps['a-b'].rows | list", "steps['c'].parts | list"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_words_and_numbers_make_no_other_shape(one: str, other: str) -> None:
    first, second = shape_of(one, template=False), shape_of(other, template=False)

    assert first is not None
    assert second is not None
    assert first.source == second.source


def test_the_text_around_braces_makes_no_other_shape() -> None:
    one = shape_of("Order {{ row.number }} of {{ row.name }}", template=True)

    assert one is not None
    assert one == shape_of("{{ row.number }}{{ row.name }}", template=True)


WITHOUT = [
    # what may hide where a text ends
    (r"'it\'s'", False),
    ("'ø'", False),
    # what would look like one of our own words
    ("row.w__0", False),
    # statements, comments, braces within braces
    ("{% if x %}y{% endif %}", True),
    ("a {# b #}", True),
    ("{{ {'a': 1} }}", True),
    ("{{{ x }}", True),
    ("{{ x", True),
]


@pytest.mark.parametrize(("source", "is_template"), WITHOUT)
def test_what_a_shape_could_mistake_has_none(source: str, is_template: bool) -> None:
    assert shape_of(source, template=is_template) is None


REFERENCES = [
    ("steps.dump.rows", False, {"dump"}),
    ("steps.dump.rows and steps['other-one'].rows and row.steps", False, {"dump", "other-one"}),
    ("steps . dump . rows or steps.x", False, {"dump", "x"}),
    ('steps["a"].n + steps.b[0].c[7]', False, {"a", "b"}),
    ("steps[row.name].rows", False, set()),
    ("'steps.x'", False, set()),
    ("At {{ steps.a.rows }}, {{ steps['b'].rows }}", True, {"a", "b"}),
    ("At {{ 'steps.a' }} steps.b", True, set()),
]


@pytest.mark.parametrize(("source", "is_template", "named"), REFERENCES)
def test_it_gives_back_the_steps_that_were_named(source: str, is_template: bool, named: set[str]) -> None:
    assert shape_of(source, template=is_template) is not None
    assert step_references(source, template=is_template) == named


SIGNS = r"""
row steps x now .a .dump .if .items ['a'] ["b-c"] [0] [7] [x] 1 12 0 007 1_000 1.5 1e5 .5 'it' "q" 'a.b' "5" '' ' "
( ) [ ] , | ~ + - * / // % ** == != < > <= >= = : |int |int(3) |list |length |selectattr('a') |nofilter |int.x and
or not in is is_not if else none true defined odd divisibleby(3) w__0 {} {'a':1} \ ø ; . .. {{ }} {% # @ $ &
"""
PIECES = st.sampled_from(SIGNS.split())
SOURCES = st.lists(PIECES, min_size=1, max_size=8).flatmap(
    lambda some: st.sampled_from(["", " "]).map(lambda gap: gap.join(some))
)


def named_by(source: str, *, is_template: bool, by_shape: bool) -> frozenset[str] | str:
    try:
        if by_shape:
            return step_references(source, template=is_template)
        return _named_in(source, template=is_template)
    except ExpressionError as exc:
        return str(exc)


@settings(max_examples=600, deadline=None)
@given(SOURCES)
def test_an_expression_is_judged_as_it_would_be_without_its_shape(source: str) -> None:
    assert named_by(source, is_template=False, by_shape=True) == named_by(source, is_template=False, by_shape=False)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(
        SOURCES | SOURCES.map(lambda one: f"{{{{{one}}}}}") | SOURCES.map(lambda one: f"{{{{- {one} -}}}}"), max_size=3
    )
)
def test_a_template_is_judged_as_it_would_be_without_its_shape(pieces: list[str]) -> None:
    source = " ".join(pieces)

    assert named_by(source, is_template=True, by_shape=True) == named_by(source, is_template=True, by_shape=False)
