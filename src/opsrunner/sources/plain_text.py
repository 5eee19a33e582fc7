"""What a piece of HTML says, as plain text: for feeds and mails, whose markup nobody here is to run."""

from __future__ import annotations

import html
import re

MOST_READ = 50_000
"""Signs of a piece of HTML that are looked at."""
_SILENT = ("script", "style", "title", "template")
_BREAKS = re.compile(r"<(?:br|p|/p|div|/div|li|tr|h[1-6]|/h[1-6]|blockquote|pre)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>")
_OPEN_TAG = re.compile(r"<[a-zA-Z/!?][^<>]*\Z")
_LONG_NUMBER = re.compile(r"&#([0-9]{8,});?")


def text_of_html(markup: str, *, keep_lines: bool = False) -> str:
    """Return what a browser would show of `markup`: no tags, no scripts, no styles, entities as their signs.

    White space becomes one blank; with `keep_lines` the breaks between blocks stay line breaks.
    """
    text = markup[:MOST_READ]
    text = _without_comments(text)
    for name in _SILENT:
        text = _without_element(text, name)
    text = _BREAKS.sub("\n", text)
    text = _OPEN_TAG.sub("", _TAG.sub("", text))
    text = unescaped(text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    filled = [line for line in lines if line]
    return "\n".join(filled) if keep_lines else " ".join(filled)


def unescaped(text: str) -> str:
    """Return `text` with the entities of HTML as their signs; a number that is no sign's becomes U+FFFD.

    Whatever it holds: Python's own function raises ValueError for a number of more digits than Python reads.
    """
    return html.unescape(_LONG_NUMBER.sub(_shortened, text))


def _shortened(match: re.Match[str]) -> str:
    return f"&#{match[1].lstrip('0')[:8] or '0'};"  # no sign has a number of eight digits


def _without_comments(text: str) -> str:
    kept, position = [], 0
    while (start := text.find("<!--", position)) >= 0:
        kept.append(text[position:start])
        end = text.find("-->", start + 4)
        if end < 0:
            return "".join(kept)
        position = end + 3
    return "".join([*kept, text[position:]])


def _without_element(text: str, name: str) -> str:
    """Leave an element out with all that it holds; one that does not end holds the rest."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a sign whose small form is two: places would no longer be the same
        lowered = "".join(sign.lower() if sign.isascii() else sign for sign in text)
    kept, position = [], 0
    while (start := lowered.find(f"<{name}", position)) >= 0:
        if lowered[start + len(name) + 1 : start + len(name) + 2].isalnum():
            kept.append(text[position : start + 1])
            position = start + 1
            continue
        kept.append(text[position:start])
        end = lowered.find(f"</{name}", start)
        close = lowered.find(">", end) if end >= 0 else -1
        if close < 0:
            return "".join(kept)
        position = close + 1
    return "".join([*kept, text[position:]])
