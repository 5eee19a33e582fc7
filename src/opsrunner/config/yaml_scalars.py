"""What one plain value of a YAML file says, by the core rules of YAML 1.2 (its chapter 10.3)."""

from __future__ import annotations

import math
import re
from typing import Any

from opsrunner.errors import ConfigurationError

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z", re.ASCII)
_FRACTION = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z", re.ASCII)
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_MAYBE_SPECIAL = frozenset("-+.0123456789~ntfNTF")
_LARGEST_WHOLE = 2**63 - 1


class BadYaml(ConfigurationError):
    """The file is not YAML that can be taken. Line and column count from 1."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.hint = hint


def at(event: Any, message: str, hint: str = "", *, columns_back: int = 0) -> BadYaml:
    """Return the mistake that begins where `event` does."""
    mark = event.start_mark
    return BadYaml(message, line=mark.line + 1, column=max(1, mark.column + 1 - columns_back), hint=hint)


def text_of(event: Any) -> str:
    """Return the text of a scalar. Raises BadYaml."""
    text: str = event.value
    if "\0" in text:
        raise at(event, "the character NUL is not allowed")
    return text


def scalar_of(event: Any) -> Any:
    """Return what a scalar stands for: text, a number, true or false, or None. Raises BadYaml."""
    text = text_of(event)
    if (text and text[0] not in _MAYBE_SPECIAL) or not event.implicit[0]:
        return text
    if text in _NULLS:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    if _WHOLE.match(text):
        return _whole(text, event)
    if _NOT_FINITE.match(text):
        raise at(event, f"{text} is not a number that can be used here")
    return _fraction(text, event) if _FRACTION.match(text) else text


def _whole(text: str, event: Any) -> int:
    number = int(text, 0) if len(text) < 30 else _LARGEST_WHOLE + 1
    if abs(number) > _LARGEST_WHOLE:
        raise at(event, "the number is too large", "put quotes around it if it is a text")
    return number


def _fraction(text: str, event: Any) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise at(event, "the number is too large", "put quotes around it if it is a text")
    return number
