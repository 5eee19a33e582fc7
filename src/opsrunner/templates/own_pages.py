"""The program's own pages: templates that ship with it, so they need no sandbox, and always escape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from opsrunner.templates.markdown import markdown_parser


class OwnPages:
    """The templates of one folder, compiled once."""

    def __init__(self, folder: Path, *, filters: Mapping[str, Callable[..., Any]], names: Mapping[str, Any]) -> None:
        """`filters` and `names` can be used in every template."""
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(filters)
        self._environment.globals.update(names)

    def render(self, name: str, context: Mapping[str, Any]) -> str:
        """Return a page."""
        return self._environment.get_template(name).render(context)


@lru_cache(maxsize=512)
def markdown(text: str) -> Markup:
    """Return Markdown as HTML that holds no HTML of its author."""
    return Markup(markdown_parser().render(text))  # noqa: S704 (markdown-it escapes all that is not Markdown)
