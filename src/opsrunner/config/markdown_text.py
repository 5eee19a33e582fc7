"""Pieces of Markdown as plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_BOX = re.compile(r"\s*\[[ xX]\](?:\s+|\Z)")
_MARK = re.compile(r"\{[{%#]")
_TEXTS = frozenset({"text", "code_inline", "html_inline"})


def has_box(item: SyntaxTreeNode) -> bool:
    """Tell whether a list item begins with `[ ]` or `[x]`."""
    first = item.children[0] if item.children else None
    return first is not None and first.type == "paragraph" and _BOX.match(plain_text(first)) is not None


def plain_text(node: SyntaxTreeNode) -> str:
    """Return the words of a block without its marks, on one line."""
    words = []
    for inner in node.walk():
        if inner.type in _TEXTS:
            words.append(inner.content)
        elif inner.type in ("softbreak", "hardbreak"):
            words.append(" ")
    return " ".join("".join(words).split())


def title_and_link(paragraph: SyntaxTreeNode) -> tuple[str, str]:
    """Return an item's text without its box, and the first web address that it links to."""
    addresses = (str(node.attrs.get("href", "")) for node in paragraph.walk() if node.type == "link")
    link = next((address for address in addresses if address.startswith(("https://", "http://"))), "")
    return _BOX.sub("", plain_text(paragraph), count=1), link


def how_of_row(heads: Sequence[str], cells: Sequence[str]) -> tuple[str, str]:
    """Return what a table's row says: its first words are the title, the other columns a list."""
    named = [(head, _BOX.sub("", cell, count=1)) for head, cell in zip(heads, cells, strict=False)]
    said = [(head, cell) for head, cell in named if cell]
    if not said:
        return "", ""
    lines = [f"- {head}: {cell}" if head else f"- {cell}" for head, cell in said[1:]]
    return said[0][1], "\n".join(lines)


def literal(text: str) -> str:
    """Return a template that renders to `text`, whatever braces stand in it."""
    return _MARK.sub(lambda match: f"{{{{ '{match.group()}' }}}}", text)
