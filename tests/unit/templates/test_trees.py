"""What a template reads as, and whether compiling it could find more."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import TemplateSyntaxError
from jinja2.nodes import Node, Template

from opsrunner.errors import ExpressionError
from opsrunner.templates.environments import TEXT
from opsrunner.templates.expressions import check_template, step_references
from opsrunner.templates.trees import tree_of

ROOT = Path(__file__).parent.parent.parent.parent
WHOLE = [
    "plain",
    "{{ a.b['c'] | default('x') }}",
    "{% for x in y if x %}{{ loop.index }}{% else %}none{% endfor %}",
    "{% set z = 1 %}{{ z + 2 * 3 // 4 % 5 ~ 'a' }}",
    "{% if a is defined and not b or c in [1, (2, 3), {'d': 4}] %}{{ a[1:2] }}{% endif %}",
    "{{ rows | selectattr('a') | map(attribute='b') | join(', ') }}",
    "{{ f(1, *a, b=2, **c) }}",
    "{% block one %}{% endblock %}",
    "{% block two %}{{ super() }}{% endblock %}",
    "{% include 'a.txt' %}",
    "{% macro m(a, b=1) %}{{ a }}{% endmacro %}{{ m(1) }}",
    "{% call m() %}x{% endcall %}",
    "{% filter upper %}a{% endfilter %}",
    "{% set text %}a{% endset %}",
    "{% raw %}{{ not }}{% endraw %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% import 'a' as b %}",
    "{{ -1 ** 2 }}{{ 'x' if a }}",
]
ODD = [
    "{{ rows[1:2, 3] }}",
    "{{ dict(__debug__=1) }}",
    "{{ f(\u00e9=1, e\u0301=2) }}",
    "{{ 0x" + "f" * 4_000 + " }}",
    "{% macro twice(a, a) %}{% endmacro %}",
    "{% call f(caller=1) %}{% endcall %}",
    "{% for a in b %}{{ f(_loop_vars=1) }}{% endfor %}",
    "{{ f(a=1, a=2) }}",
    "{% for loop in y %}{% endfor %}",
    "{% for x in y %}{% set loop = 1 %}{% endfor %}",
    "{% for a, loop in y %}{% endfor %}",
    "{% macro m(caller) %}{{ caller() }}{% endmacro %}",
    "{% for x in y %}{% extends 'a' %}{% endfor %}",
    "{% block one %}{% endblock %}",
    "{% extends 'a' %}",
]
"""Some of these are mistakes wherever they stand, some only where they stand twice or within something."""


def is_refused_by_jinja(source: str) -> bool:
    """Tell whether reading or compiling finds a mistake, with nothing left out."""
    try:
        TEXT.from_string(source)
    except (TemplateSyntaxError, SyntaxError, ValueError):
        return True
    return False


def is_refused(source: str) -> bool:
    """Tell whether we find one."""
    try:
        check_template(source)
    except ExpressionError:
        return True
    return False


@given(st.lists(st.sampled_from(WHOLE + ODD), min_size=1, max_size=4), st.sampled_from(["", "if", "for"]))
def test_what_is_not_compiled_has_no_mistake_that_compiling_finds(parts: list[str], within: str) -> None:
    source = " ".join(parts)
    if within:
        source = f"{{% {within} {'q' if within == 'if' else 'q in w'} %}}{source}{{% end{within} %}}"
    assert is_refused(source) == is_refused_by_jinja(source)


@pytest.mark.parametrize("source", [*WHOLE, *ODD])
def test_each_alone_is_judged_as_by_jinja(source: str) -> None:
    assert is_refused(source) == is_refused_by_jinja(source)


def test_most_of_what_is_shipped_needs_no_compiling() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "reports").glob("**/*.j2")]
    plain = [source for source in sources if TEXT.tree(source).is_plain]
    assert len(sources) > 20
    assert len(plain) > 0.8 * len(sources)


def test_it_holds_every_node_that_jinja_tells_of() -> None:
    for source in WHOLE:
        root = TEXT.parse(source)
        assert isinstance(root, Template)
        theirs = {id(root)} | {id(node) for node in root.find_all(Node)}
        kinds = {type(root)} | {type(node) for node in root.find_all(Node)}
        ours = {id(node) for node in tree_of(root).every(*kinds)}
        assert ours == theirs


@pytest.mark.parametrize("source", ["f(a=1, a=2)", "rows[1:2, 3]", "1 + 0x" + "f" * 4_000, "dict(__debug__=1)"])
def test_what_only_python_refuses_of_an_expression_is_found(source: str) -> None:
    with pytest.raises(ExpressionError):
        step_references(source)
