"""The sandbox that every template and expression runs in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateAssertionError
from jinja2.parser import Parser
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from opsrunner.templates.filters import FILTERS, REMOVED, refuse_longer, refuse_wide_format
from opsrunner.templates.trees import Tree, tree_of

LONGEST_RANGE = 10_000
LARGEST_EXPONENT = 64
LARGEST_NUMBER_BITS = 4_096
MAPPING_METHODS = frozenset({"get", "items", "keys", "values"})
GROWING_METHODS = frozenset(
    {"center", "expandtabs", "format", "format_map", "join", "ljust", "replace", "rjust", "translate", "zfill"}
)
NAMES_SHOWN = 12
_MARGIN = re.compile(r"\s+")


class StrictName(StrictUndefined):
    """A name that is not there: any use of it is an error that says what is there instead."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"'{self._undefined_name}' is not known here"
        return f"{_describe(self._undefined_obj)} has no '{self._undefined_name}'"


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox with bounds on what a template may make.

    A mapping's own keys win over the methods of its type (`row.items` is the column `items`), and only
    `get items keys values` of a mapping can be called at all.
    """

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, **options: Any) -> None:
        super().__init__(undefined=StrictName, keep_trailing_newline=True, **options)
        self.globals = {"range": _bounded_range, "dict": dict, "namespace": Namespace}
        self.filters.update(FILTERS)
        for name in REMOVED:
            del self.filters[name]
        self.policies["json.dumps_kwargs"] = {"sort_keys": False}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return self._of_mapping(obj, attribute)
        if isinstance(obj, str) and attribute in GROWING_METHODS:
            return self.undefined(f"the method '{attribute}' is not there; use the filter of that name")
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str):
            return self._of_mapping(obj, argument)
        if isinstance(obj, str) and isinstance(argument, str):
            return self.getattr(obj, argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _refuse_growth(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def tree(self, source: str) -> Tree:
        """Return what a template reads as, not yet to be compiled. Raises TemplateSyntaxError."""
        return _allowed(nodes.Template(Parser(self, source).subparse(), lineno=1))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _allowed(tree)
        return tree

    def _of_mapping(self, obj: Mapping[Any, Any], key: str) -> Any:
        if key in obj:
            return obj[key]
        if key in MAPPING_METHODS:
            return super().getattr(obj, key)
        return self.undefined(obj=obj, name=key)


def _allowed(root: nodes.Template) -> Tree:
    tree = tree_of(root)
    for node in tree.every(nodes.EvalContextModifier, nodes.ScopedEvalContextModifier):
        raise TemplateAssertionError("'autoescape' cannot be switched", node.lineno)
    return tree


def _bounded_range(*limits: int) -> range:
    numbers = range(*limits)
    if len(numbers) > LONGEST_RANGE:
        raise SecurityError(f"a range may have at most {LONGEST_RANGE:,} numbers")
    return numbers


def _refuse_growth(operator: str, left: Any, right: Any) -> None:
    if isinstance(left, Undefined) or isinstance(right, Undefined):
        return
    if operator == "**" and not _is_small_power(left, right):
        raise SecurityError("that power is too large")
    if operator == "*":
        _refuse_large_product(left, right)
    if operator == "%" and isinstance(left, str):
        refuse_wide_format(left)
    if operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        refuse_longer(len(left) + len(right))


def _is_small_power(base: Any, exponent: Any) -> bool:
    if not isinstance(base, int) or not isinstance(exponent, int):
        return isinstance(base, (int, float)) and isinstance(exponent, (int, float))
    return abs(exponent) <= LARGEST_EXPONENT and base.bit_length() <= 64


def _refuse_large_product(left: Any, right: Any) -> None:
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, (str, bytes, list, tuple)) and isinstance(count, int):
            refuse_longer(len(sequence) * count)
    bits = left.bit_length() + right.bit_length() if isinstance(left, int) and isinstance(right, int) else 0
    if bits > LARGEST_NUMBER_BITS:
        raise SecurityError("that number is too large")


def _describe(obj: Any) -> str:
    if isinstance(obj, Mapping):
        return f"the mapping with {_names(obj)}" if obj else "the empty mapping"
    return f"the value {_MARGIN.sub(' ', str(obj))[:40]!r}"


def _names(keys: Iterable[Any]) -> str:
    names = [str(key) for key in keys]
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} …"
