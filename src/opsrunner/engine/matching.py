"""Words in texts, whatever the case of their letters (`ÅSEN` is `åsen`), and where in a text they stand. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from opsrunner.records import dataclass

MOST_WORDS = 8
EXCERPT_LENGTH = 180


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a text: one that was looked for, or what stands between."""

    text: str
    is_match: bool


def words_of(text: str) -> tuple[str, ...]:
    """Return the words to look for, each once; what comes after the first ones is left away."""
    return tuple(dict.fromkeys(unicodedata.normalize("NFC", text).split()))[:MOST_WORDS]


def folded(text: str) -> str:
    """Return a text as it is compared: composed letters, without their case."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def has_all(words: Sequence[str], *texts: str) -> bool:
    """Tell whether each word stands somewhere in the texts."""
    whole = folded("\n".join(texts)) if words else ""
    return all(word in whole for word in map(_folded_word, words))


@lru_cache(maxsize=256)
def _folded_word(word: str) -> str:
    return folded(word)


def pieces(text: str, words: Sequence[str]) -> tuple[Piece, ...]:
    """Return a text cut where words begin and end."""
    plain = unicodedata.normalize("NFC", text)
    found: list[Piece] = []
    position = 0
    for start, end in _spans(plain, words):
        found += [Piece(text=plain[position:start], is_match=False)] if position < start else []
        found.append(Piece(text=plain[start:end], is_match=True))
        position = end
    return (*found, Piece(text=plain[position:], is_match=False)) if position < len(plain) else tuple(found)


def excerpt(text: str, words: Sequence[str], *, length: int = EXCERPT_LENGTH) -> str:
    """Return one line of about so many letters: the stretch of a text where the first word stands, else its begin."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if len(line) <= length:
        return line
    first = next((start for start, _ in _spans(line, words)), 0)
    start = max(0, min(first - length // 3, len(line) - length))
    cut = line[start : start + length].strip()
    return f"{'…' if start else ''}{cut}{'…' if start + length < len(line) else ''}"


def _spans(plain: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where words stand in a composed text, in order, what overlaps as one."""
    lowered = [sign.casefold() for sign in plain]  # a letter may become two: `ß` is `ss`
    whole = "".join(lowered)
    home = [index for index, letters in enumerate(lowered) for _ in letters]
    marked = sorted(
        (home[start], home[start + len(word) - 1] + 1) for word in map(folded, words) for start in _starts(whole, word)
    )
    joined: list[tuple[int, int]] = []
    for start, end in marked:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _starts(whole: str, word: str) -> list[int]:
    found, start = [], whole.find(word) if word else -1
    while start >= 0:
        found.append(start)
        start = whole.find(word, start + len(word))
    return found
