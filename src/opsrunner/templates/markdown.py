"""Markdown made of data: what a template's author writes is Markdown, and what its values hold is text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby, pairwise, zip_longest
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opsrunner.records import dataclass
from opsrunner.templates.marked import BEGINS, BLANK, ENDS, VALUE, render_marked

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_FIRST_SIGN = re.compile(r"^(\d{1,9}(?=\.(?:\s|\Z))|(?=[:=]|\.(?:\s|\Z)|-(?:[-:\s]|\Z)))")
"""What begins a list, also behind a number, or makes a heading of the line above."""
_NUMBER = re.compile(r"[0-9]{1,9}")
"""What begins a list where the author writes a sign behind it."""
_ESCAPED = re.compile(r"((?<!`)(`+)(?!`).*?(?<!`)\2(?!`))|\\([!-/:-@\[-`{-~])", re.DOTALL)
_ADDRESS = re.compile(r"(?<!\\)<[^<>\s]+>")
_NOT_IN_ADDRESSES = re.compile(r"[\s\"<>\\^`{|}]")
_NO_QUOTE = re.compile(r"[^>\s]")
_BLANKS = (" ", "\t")
_PARTING = re.compile(rf"(?<=[^\s{BLANK}]){BLANK}+(?=[^\s{BLANK}])")
_FIRST_SIGNS = re.compile(r"(?:[-+*#>\s]|\d{1,9}[.)])*")
"""What, with a blank behind it, makes a heading, a list or a quote of its line."""
_BEGINNING = re.compile(rf"{_FIRST_SIGNS.pattern}\d{{0,9}}")
_EMPHASIS = ("*", "_", "~")
_CODE, _CELLS = ("fence", "code_block"), ("td_open", "th_open")
_SHARE = 3
"""Of a text that is too long one value has a third at the most: what stands behind it has room."""
_MORE = "\n\n… and more"
_ROOM_FOR_A_FENCE = 20


@cache
def markdown_parser() -> MarkdownIt:
    """Return what reads all Markdown here: no HTML of the author's, no picture from elsewhere.

    Of links markdown-it itself refuses `javascript:` and its kin.
    """
    from markdown_it import MarkdownIt  # noqa: PLC0415 - 70 modules that most verbs, and an idle daemon, do without

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.parse("x")  # it makes its rules ready now, before another thread can see it
    return parser


def render_markdown(source: str, context: Mapping[str, Any], *, clean: Callable[[str], str], longest: int) -> str:
    """Return the Markdown that `source` makes of `context`; whatever a value holds, it shows as text.

    In code a value stands as it is, but for the signs that would end it, and within `<…>` as an address. `clean` takes
    from a value what no text may hold. Of what would be longer than `longest` characters the long values are
    shortened; where that is not enough, it ends with the last line that fits, and says so. Raises ExpressionError.
    """
    values: list[str] = []
    marked = VALUE.sub(
        lambda found: _kept(_shortened(clean(found[1]), longest), values), render_marked(source, context)
    )
    whole = _PARTING.sub(" ", marked).replace(BLANK, "")
    text = _head(whole, values, longest)
    short = [_shortened(value, longest // _SHARE) for value in values]
    for said in (values, short):
        shown = _shown(text, said)
        made = _filled(text, shown)
        if text == whole and len(made) <= longest:
            return made
    room = max(0, longest - len(_MORE) - _ROOM_FOR_A_FENCE)
    while len(made) > room:  # mostly once: values of a piece of code that is cut are text, and may grow
        text = _cut(text, shown, room)
        shown = _shown(text, short)
        made = _filled(text, shown)
    made = made.rstrip()
    return f"{made}{_end_of_fence(made)}{_MORE}"


def escape_markdown(line: str) -> str:
    """Return a line of data as Markdown in which no sign is Markdown."""
    return _FIRST_SIGN.sub(r"\1\\", _SIGNS.sub(r"\\\1", line.strip()))


def readable(text: str) -> str:
    """Return Markdown for who reads it as it is written: without the backslashes before signs that are text."""
    if "\\" not in text:
        return text
    blocks = [
        block.map for block in markdown_parser().parse(text) if block.type in ("fence", "code_block") and block.map
    ]
    code = {number for first, end in blocks for number in range(first, end)}
    parts = groupby(enumerate(text.split("\n")), key=lambda line: line[0] in code)
    found = [(is_code, "\n".join(line for _, line in lines)) for is_code, lines in parts]
    return "\n".join(part if is_code else _ESCAPED.sub(r"\1\3", part) for is_code, part in found)


def _kept(value: str, values: list[str]) -> str:
    """Put a value aside; return what stands for it while the text around it is read as Markdown.

    For one that shows nothing nothing does: what stands behind it may then begin the line. A number stands for itself:
    with what the author writes behind it, it may begin a list, in which code is what else were none.
    """
    if not value.strip():
        return value and BLANK
    if _NUMBER.fullmatch(value):
        return value
    values.append(value)
    return f"{BEGINS}{len(values) - 1}{ENDS}"


def _filled(text: str, shown: Sequence[str]) -> str:
    return VALUE.sub(lambda found: shown[int(found[1])], text)


def _head(text: str, values: Sequence[str], longest: int) -> str:
    """Return the lines of which all is made that can be shown: reading Markdown is slow."""
    weight = at = 0
    for line in text.split("\n"):
        seen = line[: 2 * longest]
        weight += len(seen) + sum(min(len(values[number]), longest // _SHARE) for number in _numbers([seen]))
        if len(seen) < len(line):
            return text[:at] + (seen[: seen.rfind(BEGINS)] if seen.rfind(BEGINS) > seen.rfind(ENDS) else seen)
        at += len(line) + 1
        if weight > 2 * longest:
            break
    return text[: at - 1]


def _shortened(value: str, longest: int) -> str:
    return value if len(value) <= longest else f"{value[: longest - 1].rstrip()}…"


def _cut(text: str, shown: Sequence[str], room: int) -> str:
    """Return the lines of `text` that take at most `room` characters, or a piece of a line that takes half of it."""
    parts, at = VALUE.split(text), 0
    for literal, number in zip_longest(parts[::2], parts[1::2]):
        at += min(len(literal), room)
        room -= len(literal)
        if number is None or room < len(shown[int(number)]):
            break
        at += len(f"{BEGINS}{number}{ENDS}")
        room -= len(shown[int(number)])
    end = text.rfind("\n", 0, at)
    return text[: end if end > at // 2 else at]


def _end_of_fence(made: str) -> str:
    """Return the line that closes the fence in which a text breaks off, within the same quote or list."""
    fence = next((one for one in reversed(markdown_parser().parse(made)) if one.type == "fence"), None)
    if fence is None or fence.map is None:
        return ""
    lines, (first, end) = made.split("\n"), fence.map
    is_closed = end - first > 1 and lines[end - 1].strip(" >").startswith(fence.markup)
    if is_closed or end < len(lines):
        return ""
    return f"\n{_NO_QUOTE.sub(' ', lines[first].partition(fence.markup)[0])}{fence.markup}"


@dataclass(frozen=True, kw_only=True)
class _Places:
    """The values of a text, by number, that stand where not all is as in plain words."""

    blocks: frozenset[int]
    """In code of whole lines."""
    spans: frozenset[int]
    """In code within a line."""
    cells: frozenset[int]
    """In a table."""
    emphasis: frozenset[int]
    addresses: frozenset[int]
    code: tuple[str, ...]
    """Each piece of it."""

    @classmethod
    def of(cls, text: str, values: Sequence[str]) -> _Places:
        tokens = markdown_parser().parse(text)
        inner = [one for token in tokens for one in token.children or ()]
        in_lines, within_lines = _code(tokens)
        blocks, spans = frozenset(_numbers(in_lines)), frozenset(_numbers(within_lines))
        addresses = frozenset(_numbers(one for one in _ADDRESS.findall(text) if _is_address(one, values)))
        return cls(
            blocks=blocks,
            spans=spans,
            cells=frozenset(_numbers(one.content for cell, one in pairwise(tokens) if cell.type in _CELLS)),
            emphasis=frozenset(_numbers(one.content for one in inner if one.type == "text" and one.level > 0)),
            addresses=addresses - blocks - spans,
            code=(*in_lines, *within_lines),
        )

    def lost(self, text: str, shown: Sequence[str]) -> frozenset[int]:
        """Return the values, shown as code, whose piece of code is none where they stand in `text` as `shown`."""
        if not self.blocks | self.spans:
            return frozenset()
        in_lines, within_lines = _code(markdown_parser().parse(_filled(text, shown)))
        missing = Counter(_bare(_filled(piece, shown)) for piece in self.code)
        missing -= Counter(_bare(piece) for piece in (*in_lines, *within_lines))
        found = _numbers(piece for piece in self.code if missing[_bare(_filled(piece, shown))])
        return frozenset(found) & (self.blocks | self.spans)

    def without(self, numbers: frozenset[int]) -> _Places:
        """Return the places where those of these numbers that stand in code are shown as text."""
        return replace(self, blocks=self.blocks - numbers, spans=self.spans - numbers)

    def shown(self, number: int, value: str, *, before: str, after: str) -> str:
        """Return what stands for a value between the start of its line, as it is made, and the sign behind it."""
        if number in self.addresses:
            return _NOT_IN_ADDRESSES.sub(lambda sign: quote(sign[0]), value.strip())
        begins = not before or before.isspace()
        lines = self._lines(number, value, before)
        one = f"\n{before}".join(lines) if begins else " ".join(" ".join(lines).split())
        none = _EMPHASIS if number in self.emphasis else ()  # with a blank between they would be no emphasis
        first = value.startswith(_BLANKS) and _parts(before[-1:], none) and not _FIRST_SIGNS.fullmatch(before)
        last = value.endswith(_BLANKS) and _parts(after, none)
        if number in self.cells and after == "|" and one.endswith("\\"):
            last = True  # else the border of the cell would be a sign within it
        if not first and _is_escaped(before) and number not in self.blocks | self.spans:
            one = f"\\{one}"  # the author's backslash would take the place of the value's own
        return f"{' ' * first}{one}{' ' * last}"

    def _lines(self, number: int, value: str, before: str) -> list[str]:
        if number in self.blocks:
            return _unfenced(value).splitlines()
        if number not in self.spans:
            return [escape_markdown(line) for line in value.splitlines()]
        one = " ".join(_unfenced(value).split())
        if _BEGINNING.fullmatch(before):  # it may make a list there, which ends the piece of code
            return [escape_markdown(one)]
        return [one.replace("|", r"\|") if number in self.cells else one]


def _is_escaped(before: str) -> bool:
    return before.endswith("\\") and (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _unfenced(value: str) -> str:
    """Return a value without what ends a piece of code."""
    return value.replace("`", "'").replace("~~~", "---")


def _parts(sign: str, none: Sequence[str]) -> bool:
    """Tell whether a value's own blank is to stand between it and a sign beside it."""
    return sign != "" and not sign.isspace() and sign not in none


def _shown(text: str, values: Sequence[str]) -> list[str]:
    """Return for each value what stands for it at its place in `text`.

    Values together may end a piece of code, as none of them does alone. Such a piece is then made again without code.
    """
    if not values:
        return []
    places = _Places.of(text, values)
    shown = _placed(text, values, places)
    if lost := places.lost(text, shown):
        places = places.without(lost)
        shown = _placed(text, values, places)
        if places.lost(text, shown):  # one took another with it: there is no end to looking again
            shown = _placed(text, values, places.without(places.blocks | places.spans))
    return shown


def _placed(text: str, values: Sequence[str], places: _Places) -> list[str]:
    shown = [""] * len(values)
    for line in text.split("\n"):
        made, at = "", 0
        for found in VALUE.finditer(line):
            number = int(found[1])
            made += line[at : found.start()]
            at = found.end()
            shown[number] = places.shown(number, values[number], before=made, after=line[at : at + 1])
            made += shown[number]
    return shown


def _code(tokens: Sequence[Token]) -> tuple[list[str], list[str]]:
    """Return the pieces of code of whole lines, and those within lines."""
    inner = (one for token in tokens for one in token.children or ())
    in_lines = [f"{one.info}{one.content}" for one in tokens if one.type in _CODE]
    return in_lines, [one.content for one in inner if one.type == "code_inline"]


def _bare(piece: str) -> str:
    """Return a piece of code without what depends on where it stands: blanks, and the backslashes of a cell."""
    return "".join(piece.split()).replace("\\", "")


def _numbers(texts: Iterable[str]) -> Iterator[int]:
    return (int(number) for text in texts for number in VALUE.findall(text))


def _is_address(marked: str, values: Sequence[str]) -> bool:
    """Tell whether what stands in `<…>` is one of the web."""
    said = VALUE.sub(lambda found: values[int(found[1])].strip(), marked[1:])
    return said.startswith(("https://", "http://"))
