"""The filters that differ from Jinja's own, and the few that are ours.

=====================  ==========================================================================
``int``, ``float``      strict: text that is no number is an error unless a default is given, so that
                        `row.line | int > 500` never turns an error message into a harmless 0
``ago(now)``            `3 days ago`, from a moment
``days_until(now)``     whole days from `now` to a moment or date, negative when it is past
``center``, ``indent``  Jinja's, with a bound on the width
``format``, ``join``    Jinja's, with a bound on what they may grow to
``replace``             Jinja's, with a bound on what it may grow to
=====================  ==========================================================================

``safe``, ``batch``, ``slice`` and ``random`` are not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from typing import Any, cast

from jinja2 import pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.filters import do_center, do_format, do_indent, do_join, do_replace
from jinja2.nodes import EvalContext
from jinja2.runtime import Undefined

WIDEST = 1_000
"""Largest width that padding may ask for, in characters."""
LONGEST = 1_000_000
"""Longest text that one operation of a template may make, in characters."""
_WIDE_FORMAT = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(?:\*|\d{4,}|\d*\.(?:\*|\d{4,}))")
_REQUIRED = object()


def refuse_longer(length: int) -> None:
    """Raise SecurityError when a text would be longer than LONGEST."""
    if length > LONGEST:
        raise SecurityError(f"the text would grow past {LONGEST:,} characters")


def refuse_wide_format(text: str) -> None:
    """Raise SecurityError for a %-format that asks for a width of thousands."""
    if _WIDE_FORMAT.search(text):
        raise SecurityError("a format may not ask for a width of more than 999 characters")


def _refuse_wider(width: object) -> None:
    if isinstance(width, int) and width > WIDEST:
        raise SecurityError(f"a width may not be more than {WIDEST} characters")


def _strict_number(name: str, convert: Callable[[Any], Any]) -> Callable[..., Any]:
    def number(value: Any, default: Any = _REQUIRED) -> Any:
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()
        try:
            return convert(value)
        except (TypeError, ValueError, OverflowError):
            if default is _REQUIRED:
                raise ValueError(f"{str(value)[:60]!r} is not {name}") from None
            return default

    return number


def _whole(value: Any) -> int:
    return int(value.strip()) if isinstance(value, str) else int(value)


def ago(moment: datetime, now: datetime) -> str:
    """Return how long `moment` is past at `now`, in its largest unit: `3 days ago`, `just now`."""
    seconds = (now - moment).total_seconds()
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"


def days_until(moment: datetime | date, now: datetime) -> int:
    """Return the whole days from `now` to `moment`; a date counts from its first moment in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(), UTC)
    return (moment - now).days


def _center(value: str, width: int = 80) -> str:
    _refuse_wider(width)
    return do_center(value, width)


def _indent(value: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    _refuse_wider(len(width) if isinstance(width, str) else width)
    return do_indent(value, width, first, blank)


def _format(value: str, *args: Any, **kwargs: Any) -> str:
    refuse_wide_format(str(value))
    return do_format(value, *args, **kwargs)


@pass_eval_context
def _join(context: EvalContext, value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    items = list(value)
    refuse_longer(len(items) * len(str(d)))
    return cast("str", do_join(context, items, d, attribute))


@pass_eval_context
def _replace(context: EvalContext, s: str, old: str, new: str) -> str:
    text = str(s)
    refuse_longer(len(text) + text.count(str(old)) * len(str(new)))
    return do_replace(context, s, old, new)


REMOVED = ("batch", "random", "safe", "slice")
"""Not there at all: growth without bound, an answer that changes, HTML that is not escaped."""

FILTERS: dict[str, Callable[..., Any]] = {
    "int": _strict_number("a whole number", _whole),
    "float": _strict_number("a number", float),
    "ago": ago,
    "days_until": days_until,
    "center": _center,
    "indent": _indent,
    "format": _format,
    "join": _join,
    "replace": _replace,
}
