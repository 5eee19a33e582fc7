"""`rank` of a query: rows that name certain words come first, whatever the case of their letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from pydantic import Field, field_validator

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.steps.fields import Words
from opsrunner.steps.kind import StepOptions
from opsrunner.steps.suggestions import nearest

MOST_WORDS = 200


class Rank(StepOptions):
    """What stands in `rank:`."""

    words: Words = Field(min_length=1, max_length=MOST_WORDS, description="Names and topics; `backup*` is its begin.")
    columns: Words = Field(min_length=1, description="Where they are looked for.")

    @field_validator("words")
    @classmethod
    def _say_something(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not all(word.strip(" *") for word in words):
            raise ValueError("has a word that says nothing")
        return words


def ranked(rows: Sequence[Row], rank: Rank) -> list[Row]:
    """Return the rows with `rank`, how many of the words they name, and `names`, which; the highest first.

    Whole words count, so that `NO` is not found in `now`. Rows of one rank stay in their order.
    """
    words = [(word.strip(), _pattern(word)) for word in rank.words]
    found = [_with_rank(row, words, rank) for row in rows]
    return sorted(found, key=lambda row: -int(row["rank"]))


def _with_rank(row: Row, words: Sequence[tuple[str, re.Pattern[str]]], rank: Rank) -> Row:
    for column in rank.columns:
        if column not in row:
            raise StepFailed(f"rank: there is no column '{column}'{nearest(column, row)}", permanent=True)
    text = _folded("\n".join(str(row[column] or "") for column in rank.columns))
    names = [word.rstrip("*") for word, pattern in words if pattern.search(text)]
    return {**row, "rank": len(names), "names": ", ".join(names)}


def _pattern(word: str) -> re.Pattern[str]:
    """Return what finds a word as a whole, or with `*` at its end all that begin with it."""
    plain = r"\s+".join(re.escape(piece) for piece in _folded(word.strip().rstrip("*")).split())
    end = "" if word.strip().endswith("*") else r"(?!\w)"
    return re.compile(rf"(?<!\w){plain}{end}")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
