"""What expressions and templates have in common when words and numbers are left out.

A site holds thousands of them in a few dozen shapes: `row.days | int > 14` and `row.load | int > 3` are one. A shape
is an expression (or template) itself; it parses and compiles if, and only if, the source does, so that each shape is
looked at once.
"""

from __future__ import annotations

import re
from functools import lru_cache

from opsrunner.records import dataclass

MARK = "w__"
"""Begins each word that stands for another one; a source that holds it has no shape."""
_WORDS = re.compile(
    r"""
    '(?P<single>[^']*)' | "(?P<double>[^"]*)"      # texts; a source with a backslash has no shape
    | (?<=[\w\])])\.(?P<attribute>[A-Za-z_]\w*)    # row.days: any name may stand after the dot
    | (?<![\w.])(?P<number>[1-9]\d{0,8})(?![\w.])
    """,
    re.VERBOSE | re.ASCII,
)
_BLOCK = re.compile(r"""\{\{((?:[^'"{}]|'[^'{}]*'|"[^"{}]*")*)\}\}""")
_BEGINNINGS = ("{{", "{%", "{#")


@dataclass(frozen=True)
class Shape:
    """`source` with each word taken out; `words` are those, in their order."""

    source: str
    words: tuple[str, ...]

    def word(self, name: str) -> str:
        """Return the word that stood where the shape has `name`; without one it is `name` itself."""
        return self.words[int(name.removeprefix(MARK))] if name.startswith(MARK) else name


@lru_cache(maxsize=256)
def shape_of(source: str, *, template: bool) -> Shape | None:
    """Return the shape of an expression or of a template of `{{ … }}` alone; None where it has none."""
    if not source.isascii() or "\\" in source or MARK in source:
        return None
    words: list[str] = []
    if not template:
        return Shape(_without_words(source, words), tuple(words))
    parts = _BLOCK.split(source)  # text, what stands in braces, text, …
    texts = parts[::2]
    if any(text.endswith("{") or any(mark in text for mark in _BEGINNINGS) for text in texts):
        return None
    shaped = "x".join(f"{{{{{_without_words(inner, words)}}}}}" for inner in parts[1::2])
    return Shape(shaped, tuple(words))


def _without_words(source: str, words: list[str]) -> str:
    def stand_in(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind == "number":
            return "7"
        words.append(match[kind or 0])
        name = f"{MARK}{len(words) - 1}"
        return f".{name}" if kind == "attribute" else f"'{name}'"

    return _WORDS.sub(stand_in, source)
