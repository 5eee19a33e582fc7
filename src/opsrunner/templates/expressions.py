"""Bare expressions (`when`, `for_each`, `key`, `fail_if` …) and what they and templates refer to."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from jinja2 import nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import TemplateAssertionError, TemplateSyntaxError
from jinja2.parser import Parser
from jinja2.runtime import Undefined

from opsrunner.errors import ExpressionError
from opsrunner.templates.environments import FOREIGN, TEXT, describe_error, quoted
from opsrunner.templates.shapes import shape_of
from opsrunner.templates.trees import Tree, tree_of

LONGEST_EXPRESSION = 10_000
"""Characters of an expression."""
LONGEST_TEMPLATE = 200_000
"""Characters of a template that stands in YAML."""
MOST_ITEMS = 100_000
"""Items that a lazy answer (`rows | selectattr(…)`) may yield."""


def check_template(source: str) -> None:
    """Raise ExpressionError with one line when `source` does not parse or names a filter that is not there."""
    step_references(source, template=True)


def evaluate(source: str, context: Mapping[str, Any]) -> Any:
    """Return the value of an expression as a native type; what is lazy comes as a list.

    Raises ExpressionError, also for a name that is not in `context`.
    """
    expression = _compiled(source)
    try:
        return _settled(expression(context))
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc


def evaluate_flag(source: str, context: Mapping[str, Any]) -> bool:
    """Tell whether an expression is true, as Jinja's `if` would. Raises ExpressionError."""
    return bool(evaluate(source, context))


def step_references(source: str, *, template: bool = False) -> frozenset[str]:
    """Return the step ids that an expression (or template) names, as `steps.X` or `steps['X']`.

    Raises ExpressionError with one line where it cannot be read, or names a filter or test that is not there.
    """
    shape = shape_of(source, template=template) if len(source) <= LONGEST_EXPRESSION else None
    if shape is not None:
        named = _named_in_shape(shape.source, template)
        if named is not None:
            return frozenset(shape.word(name) for name in named) if named else named
    return _named_in(source, template=template)


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """Return the names that an expression takes from its context: `row`, `steps` …"""
    names = {node.name for node in _expression_tree(source).every(nodes.Name)}
    return frozenset(names - set(TEXT.globals))


@lru_cache(maxsize=4096)
def _named_in_shape(shape: str, template: bool) -> frozenset[str] | None:
    """Return the step ids that a shape names, None where it cannot be read."""
    try:
        return _named_in(shape, template=template)
    except ExpressionError:
        return None


@lru_cache(maxsize=4096)
def _named_in(source: str, *, template: bool) -> frozenset[str]:
    tree = _template_tree(source) if template else _expression_tree(source)
    if not tree.is_plain and not template:
        _compiled(source)
    found = [*map(_step_named, tree.every(nodes.Getattr)), *map(_step_named, tree.every(nodes.Getitem))]
    return frozenset(name for name in found if name is not None)


def _step_named(node: nodes.Getattr | nodes.Getitem) -> str | None:
    """Return the id in `steps.X` or `steps['X']`; None for what names no step."""
    if not _is_steps(node.node):
        return None
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) else None


def _settled(value: Any) -> Any:
    if isinstance(value, Iterator):
        value = list(islice(value, MOST_ITEMS))
    for item in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(item, Undefined):
            item._fail_with_undefined_error()
    return value


@lru_cache(maxsize=4096)
def _compiled(source: str) -> TemplateExpression:
    _expression_tree(source)
    try:
        return TEXT.compile_expression(source, undefined_to_none=False)
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc


def _refuse_braces(source: str) -> None:
    if not source.strip():
        raise ExpressionError("the expression is empty")
    if len(source) > LONGEST_EXPRESSION:
        raise ExpressionError(f"the expression is longer than {LONGEST_EXPRESSION:,} characters")
    if source.lstrip().startswith(("{{", "{%")):
        raise ExpressionError(f"{quoted(source)}: an expression stands bare, without {{{{ }}}}")


def _expression_tree(source: str) -> Tree:
    _refuse_braces(source)
    try:
        parser = Parser(TEXT, source, state="variable")
        root = nodes.Output([parser.parse_expression()], lineno=1)
        if not parser.stream.eos:
            raise TemplateSyntaxError(f"unexpected {parser.stream.current.value!r}", 1)
        tree = tree_of(root)
        _refuse_unknown(tree)
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc
    return tree


def _template_tree(source: str) -> Tree:
    if len(source) > LONGEST_TEMPLATE:
        raise ExpressionError(f"the text is longer than {LONGEST_TEMPLATE:,} characters")
    try:
        tree = TEXT.tree(source)
        _refuse_unknown(tree)
        if not tree.is_plain:
            TEXT.from_string(source)  # what only compilers see
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc
    return tree


def _refuse_unknown(tree: Tree) -> None:
    for number in tree.every(nodes.Const):
        if isinstance(number.value, float) and not math.isfinite(number.value):
            raise TemplateAssertionError("a number is too large", number.lineno)
    for filter_ in tree.every(nodes.Filter):
        if filter_.name not in TEXT.filters:
            raise _unknown("filter", filter_.name, TEXT.filters, filter_.lineno)
    for test in tree.every(nodes.Test):
        if test.name not in TEXT.tests:
            raise _unknown("test", test.name, TEXT.tests, test.lineno)


def _unknown(what: str, name: str, known: Iterable[str], line: int) -> TemplateAssertionError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean '{close[0]}'?" if close else ""
    return TemplateAssertionError(f"there is no {what} '{name}'{hint}", line)


def _is_steps(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "steps"
