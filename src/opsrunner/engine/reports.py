"""Renders report templates so that a mistake in a site's own template never costs a mail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from opsrunner.errors import ExpressionError
from opsrunner.templates.environments import render_mail_page, render_page

_log = logging.getLogger(__name__)
_Page = TypeVar("_Page")


def render_report(name: str, context: Mapping[str, Any], *, folders: Sequence[Path], html: bool) -> str:
    """Return the page `name`; `folders` hold the site's own templates first, the packaged ones last.

    A site's template that cannot be rendered is logged, and the packaged one is taken.
    Raises NotFound and ExpressionError only when that one fails too.
    """
    return _first_sound(name, folders, lambda usable: render_page(name, context, folders=usable, html=html))


def render_mail_report(name: str, context: Mapping[str, Any], *, folders: Sequence[Path]) -> tuple[str, str]:
    """Return subject and text of a mail template, under the same rule."""
    return _first_sound(name, folders, lambda usable: render_mail_page(name, context, folders=usable))


def _first_sound(name: str, folders: Sequence[Path], render: Callable[[Sequence[Path]], _Page]) -> _Page:
    try:
        return render(folders)
    except ExpressionError as exc:
        if len(folders) < 2:
            raise
        _log.warning("the packaged %s is used: %s", name, exc.message, extra={"action": "report"})
        return render(folders[-1:])
