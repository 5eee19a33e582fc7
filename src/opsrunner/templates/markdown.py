"""Markdown made of data: what a template's author writes is Markdown, and what its values hold is text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any
from urllib.parse import quote

from jinja2 import Template
from markdown_it import MarkdownIt
from markdown_it.token import Token

from opsrunner.errors import ExpressionError
from opsrunner.templates.environments import FOREIGN, describe_error, quoted, rendered
from opsrunner.templates.sandbox import Sandbox

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
"""No HTML of the author's, no picture from elsewhere; of links markdown-it itself refuses `javascript:` and its kin."""
_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_FIRST_SIGN = re.compile(r"^(\d{1,9}(?=\.(?:\s|\Z))|(?=[:=]|-(?:[-:\s]|\Z)))")
"""What begins a list, or makes a heading of the line above."""
_ESCAPED = re.compile(r"((?<!`)(`+)(?!`).*?(?<!`)\2(?!`))|\\([!-/:-@\[-`{-~])", re.DOTALL)
_BEGINS, _ENDS = "\ue000", "\ue001"
"""Around each value while a text is made; no value holds them."""
_OURS = {ord(_BEGINS): None, ord(_ENDS): None}
_VALUE = re.compile(f"{_BEGINS}([^{_BEGINS}{_ENDS}]*){_ENDS}")
_ADDRESS = re.compile(rf"<[^<>\s]*{_BEGINS}[^<>\s]*>")
_NOT_IN_ADDRESSES = re.compile(r"[\s\"<>\\^`{|}]")


def render_markdown(source: str, context: Mapping[str, Any], *, clean: Callable[[str], str], longest: int) -> str:
    """Return the Markdown that `source` makes of `context`; whatever a value holds, it shows as text.

    In code a value stands as it is, and within `<…>` as an address. `clean` takes from a value what no text
    may hold. What would be longer than `longest` characters ends with its last whole paragraph.
    Raises ExpressionError.
    """
    marked = rendered(_compiled(source), context, quoted(source), source)
    values: list[str] = []
    text = _VALUE.sub(lambda found: _kept(clean(found[1]), values), marked)
    if not values:
        return marked[:longest]
    in_code = set(_numbers(_code_of(MARKDOWN.parse(text))))
    in_addresses = set(_numbers(one for one in _ADDRESS.findall(text) if _is_address(one, values)))

    def shown(found: re.Match[str]) -> str:
        number, value = int(found[1]), values[int(found[1])]
        before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        if number in in_code:
            value = value.replace("`", "'").replace("~~~", "---")
            return _in_lines(value.splitlines(), before)
        if number in in_addresses:
            return _NOT_IN_ADDRESSES.sub(lambda sign: quote(sign[0]), value.strip())
        return _in_lines([escape_markdown(line) for line in value.splitlines()], before)

    made = _VALUE.sub(shown, text)
    if len(made) <= longest:
        return made
    return made[:longest].rpartition("\n\n")[0] or escape_markdown(made)[:longest]  # half a piece of code is none


def escape_markdown(line: str) -> str:
    """Return a line of data as Markdown in which no sign is Markdown."""
    return _FIRST_SIGN.sub(r"\1\\", _SIGNS.sub(r"\\\1", line.strip()))


def readable(text: str) -> str:
    """Return Markdown for who reads it as it is written: without the backslashes before signs that are text."""
    if "\\" not in text:
        return text
    blocks = [block.map for block in MARKDOWN.parse(text) if block.type in ("fence", "code_block") and block.map]
    code = {number for first, end in blocks for number in range(first, end)}
    parts = groupby(enumerate(text.split("\n")), key=lambda line: line[0] in code)
    found = [(is_code, "\n".join(line for _, line in lines)) for is_code, lines in parts]
    return "\n".join(part if is_code else _ESCAPED.sub(r"\1\3", part) for is_code, part in found)


def _marked(value: Any) -> str:
    return "" if value is None else f"{_BEGINS}{str(value).translate(_OURS)}{_ENDS}"


_TEXT = Sandbox(autoescape=False, finalize=_marked)


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    try:
        return _TEXT.from_string(source)
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc


def _kept(value: str, values: list[str]) -> str:
    """Put a value aside; return what stands for it while the text around it is read as Markdown."""
    values.append(value)
    return f"{_BEGINS}{len(values) - 1}{_ENDS}"


def _numbers(texts: Iterable[str]) -> Iterable[int]:
    return (int(number) for text in texts for number in _VALUE.findall(text))


def _is_address(marked: str, values: Sequence[str]) -> bool:
    """Tell whether what stands in `<…>` is one of the web."""
    said = _VALUE.sub(lambda found: values[int(found[1])].strip(), marked[1:])
    return said.startswith(("https://", "http://"))


def _code_of(tokens: Sequence[Token]) -> Iterable[str]:
    for token in tokens:
        if token.type in ("fence", "code_block", "code_inline"):
            yield f"{token.info}{token.content}"
        yield from _code_of(token.children or ())


def _in_lines(lines: Sequence[str], before: str) -> str:
    """Return lines as one, or, where nothing stands before them, one below the other: none leaves its place."""
    return " ".join(" ".join(lines).split()) if before.strip() else f"\n{before}".join(lines)
