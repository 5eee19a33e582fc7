"""Texts whose values stand between marks: what was data in them is known for certain afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes

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
    """What a `{% filter %}` makes of its block is one value: it may tear those within apart, and move them about."""

    def __init__(self) -> None:
        super().__init__(autoescape=False, finalize=_marked)
        self.filters.update(marked=_marked, unmarked=_unmarked)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for block in tree.find_all(nodes.FilterBlock):
            first = block.filter
            while isinstance(first.node, nodes.Filter):
                first = first.node
            first.node = _filter("unmarked", None)
            block.filter = _filter("marked", block.filter)
        return tree


def _filter(name: str, of: nodes.Filter | None) -> nodes.Filter:
    return nodes.Filter(of, name, [], [], None, None, lineno=1)


_MARKING = _Marking()


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    try:
        return _MARKING.from_string(source)
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc
