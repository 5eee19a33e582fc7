"""Texts whose values stand between marks: what was data in them is known for certain afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.runtime import Context

from opsrunner.errors import ExpressionError
from opsrunner.templates.environments import FOREIGN, describe_error, quoted, rendered
from opsrunner.templates.sandbox import Sandbox

BEGINS, ENDS, BLANK = "\ue000", "\ue001", "\ue002"
"""Around each value, and in place of one that is blank; no value holds them."""
VALUE = re.compile(f"{BEGINS}([^{BEGINS}{ENDS}]*){ENDS}")
_OURS = dict.fromkeys(map(ord, (BEGINS, ENDS, BLANK)))


def render_marked(source: str, context: Mapping[str, Any]) -> str:
    """Return the text that `source` makes of `context`, with each value between marks. Raises ExpressionError."""
    return rendered(_compiled(source), context, quoted(source), source)


def _marked(value: Any) -> str:
    return "" if value is None else f"{BEGINS}{_unmarked(value)}{ENDS}"


def _unmarked(value: Any) -> str:
    return str(value).translate(_OURS)


class _Marking(Sandbox):
    """What a `{% filter %}` makes of its block is one value: it may tear those within apart, and move them about.

    Text that is no output, or not yet, has no marks: what a `{% set %}` keeps of its block, and what a call returns.
    """

    def __init__(self) -> None:
        super().__init__(autoescape=False, finalize=_marked)
        self.filters.update(marked=_marked, unmarked=_unmarked)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for block in tree.find_all(nodes.FilterBlock):
            block.filter = _filter("marked", _on_unmarked(block.filter))
        for kept in tree.find_all(nodes.AssignBlock):
            kept.filter = _on_unmarked(kept.filter)
        return tree

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        made = super().call(context, obj, *args, **kwargs)
        is_output = "caller" in kwargs  # of a `{% call %}`, whose text goes out as it is
        return _unmarked(made) if isinstance(made, str) and not is_output else made


def _on_unmarked(filters: nodes.Filter | None) -> nodes.Filter:
    """Return the filters of a block so that the first of them gets its text without marks."""
    if filters is None:
        return _filter("unmarked", None)
    first = filters
    while isinstance(first.node, nodes.Filter):
        first = first.node
    first.node = _filter("unmarked", None)
    return filters


def _filter(name: str, of: nodes.Filter | None) -> nodes.Filter:
    return nodes.Filter(of, name, [], [], None, None, lineno=1)


_MARKING = _Marking()


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    try:
        return _MARKING.from_string(source)
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc
