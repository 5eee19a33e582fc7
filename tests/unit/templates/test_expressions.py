"""Bare expressions: their values, their mistakes, and what they refer to."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.errors import ExpressionError
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.templates.expressions import (
    check_template,
    evaluate,
    evaluate_flag,
    names_in,
    step_references,
)
from opsrunner.templates.views import outcome_view

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OUTCOME = Outcome(
    status=StepStatus.SUCCEEDED,
    message="fine",
    rows=({"number": "7", "amount": 12.5}, {"number": "8", "amount": 0.0}),
    facts={"exit_code": 0, "status": "hidden", "rows": "hidden"},
    parts=(Part(key="web1", status=StepStatus.FAILED, message="down", facts={"exit_code": 255}),),
)
CONTEXT: dict[str, Any] = {
    "steps": {"dump": outcome_view(OUTCOME), "copy": outcome_view(OUTCOME), "with-dash": outcome_view(OUTCOME)},
    "row": {"items": 3, "line": "612", "text": "{{ 7*7 }}", "paid_at": None, "when": NOW},
    "now": NOW,
}

VALUES: list[tuple[str, object]] = [
    ("steps.dump.status == 'succeeded'", True),
    ("steps.dump.exit_code", 0),
    ("steps['with-dash'].message", "fine"),
    # a step may be called like a method of mappings
    ("steps.copy.status", "succeeded"),
    # and a column as well
    ("row.items", 3),
    # a fact hides none of the five
    ("steps.dump.rows | length", 2),
    ("steps.dump.parts[0].exit_code", 255),
    ("steps.dump.parts[0].key", "web1"),
    # native types, and lists where Jinja is lazy
    ("steps.dump.rows | selectattr('amount') | map(attribute='number')", ["7"]),
    ("row.line | int > 500", True),
    ("row.paid_at is none", True),
    ("row.paid_at", None),
    ("row.text", "{{ 7*7 }}"),
    ("nobody is defined", False),
    ("nobody | default('x')", "x"),
    ("'x' | int(default=4)", 4),
    ("row.when | days_until(now)", 0),
    ("(1, 'a')", (1, "a")),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source for source, _ in VALUES])
def test_it_gives_the_value_in_its_own_type(source: str, value: object) -> None:
    answer = evaluate(source, CONTEXT)
    assert answer == value
    assert type(answer) is type(value)


MISTAKES = [
    ("", "the expression is empty"),
    ("{{ row.items }}", "'{{ row.items }}': an expression stands bare, without {{ }}"),
    ("nobody", "'nobody': 'nobody' is not known here"),
    ("row.itms", "'row.itms': the mapping with items, line, text, paid_at, when has no 'itms'"),
    ("[nobody]", "'[nobody]': 'nobody' is not known here"),
    ("row.text | int", "'row.text | int': '{{ 7*7 }}' is not a whole number"),
    ("row.paid_at | int", "'row.paid_at | int': 'None' is not a whole number"),
    ("row.pop('items')", "'row.pop('items')': the mapping with items, line, text, paid_at, when has no 'pop'"),
    ("1 +", "'1 +': something is missing at its end"),
]


@pytest.mark.parametrize(("source", "message"), MISTAKES)
def test_it_says_in_one_line_why_there_is_no_value(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, CONTEXT)
    assert str(caught.value) == message


def test_it_takes_truth_as_jinja_does() -> None:
    assert evaluate_flag("steps.dump.rows", CONTEXT) is True
    assert evaluate_flag("row.paid_at", CONTEXT) is False


UNCHECKED = [
    ("a b", "'a b': unexpected 'b'"),
    ("row.x | lenght", "'row.x | lenght': there is no filter 'lenght', did you mean 'length'?"),
    ("row.x is definde", "'row.x is definde': there is no test 'definde', did you mean 'defined'?"),
    ("x if y | lenght else 3", "'x if y | lenght else 3': there is no filter 'lenght', did you mean 'length'?"),
    ("x ==", "'x ==': something is missing at its end"),
    ("(" * 3000, "nested too deeply"),
    ("1" + " + 1" * 3000, "longer than 10,000 characters"),
    ("1" + "+1" * 4000, "nested too deeply"),
]


@pytest.mark.parametrize(("source", "message"), UNCHECKED, ids=[source[:20] for source, _ in UNCHECKED])
def test_it_finds_a_mistake_without_any_values(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        step_references(source)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


def test_it_accepts_an_expression_whose_names_are_not_known_yet() -> None:
    step_references("steps.later.rows | selectattr('x') | list and row.y is not none")


TEMPLATES = [
    ("Order {{ row.number", "something is missing at its end, expected '}}'"),
    ("{% if a %}x", "Unexpected end of template"),
    ("one\n{{ a | itn }}", "line 2: there is no filter 'itn'"),
    ("{% autoescape false %}{% endautoescape %}", "cannot be switched"),
]


@pytest.mark.parametrize(("source", "message"), TEMPLATES)
def test_it_finds_the_mistake_of_a_template(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_template(source)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_accepts_a_template_with_names_and_filters_that_exist() -> None:
    check_template("{% for r in steps.a.rows %}{{ r.x | int }} {{ r.y | ago(now) }}{% endfor %}")


REFERENCES = [
    ("steps.a.status == 'x' and steps['b-c'].rows", {"a", "b-c"}),
    ("row.steps.d and other['steps'].e", set()),
    ("steps[row.name].rows", set()),
    ("steps.a", {"a"}),
    ("1", set()),
]


@pytest.mark.parametrize(("source", "ids"), REFERENCES)
def test_it_tells_which_steps_an_expression_names(source: str, ids: set[str]) -> None:
    assert step_references(source) == ids


def test_it_tells_which_steps_a_template_uses() -> None:
    source = "{% for r in steps.a.rows %}{{ r.x }}{% endfor %}{{ steps['b-c'].message }} {{ row.y }}"
    assert step_references(source, template=True) == {"a", "b-c"}


def test_it_tells_the_names_of_an_expression_without_what_is_always_there() -> None:
    assert names_in("row.x in range(3) and steps.a") == {"row", "steps"}


AGES = [
    (datetime(2026, 11, 18, 11, tzinfo=UTC), "3 days ago"),
    (datetime(2026, 11, 20, 12, tzinfo=UTC), "1 day ago"),
    (datetime(2026, 11, 21, 7, tzinfo=UTC), "5 hours ago"),
    (datetime(2026, 11, 21, 11, 58, 30, tzinfo=UTC), "1 minute ago"),
    (datetime(2026, 11, 21, 13, tzinfo=UTC), "just now"),
]


@pytest.mark.parametrize(("moment", "words"), AGES)
def test_it_says_how_long_ago_a_moment_was(moment: datetime, words: str) -> None:
    assert evaluate("moment | ago(now)", {"moment": moment, "now": NOW}) == words


@pytest.mark.parametrize(("day", "days"), [(date(2026, 12, 1), 9), (date(2026, 11, 21), -1), (date(2026, 11, 22), 0)])
def test_it_counts_the_whole_days_until_a_date(day: date, days: int) -> None:
    assert evaluate("day | days_until(now)", {"day": day, "now": NOW}) == days


@given(st.text(max_size=60))
def test_it_meets_any_text_with_a_value_or_with_its_own_error(source: str) -> None:
    with suppress(ExpressionError):
        check_template(source)
        step_references(source)
        evaluate(source, CONTEXT)


@given(st.text(alphabet="{}%#'\"()[]|.,:*+-~=<> abrowstep019_if", max_size=60))
def test_it_meets_any_text_of_jinja_signs_with_a_value_or_with_its_own_error(source: str) -> None:
    for check in (check_template, step_references):
        with suppress(ExpressionError):
            check(source)
