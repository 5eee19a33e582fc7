"""What earlier runs asked, in the message of one follow-up: of an act that is never repeated no later run answers it.

The message is `NEWEST; before, in run 14: WORDS; before, in run 13: WORDS; also in runs 11, 12`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsrunner.mail.headers import clean_line

MESSAGE_LENGTH = 2_000
NEWEST_LENGTH = 1_200
"""Characters of what is asked now, where earlier runs asked, too."""
BEFORE_LENGTH = 150
"""Characters of what one earlier run asked; `opsrunner show RUN` has all of it."""
MOST_RUNS = 60
"""Runs that are named without their words, the oldest first; the others are counted."""

_BEFORE = re.compile(r"; before, in run (\d+): ")
_ALSO = re.compile(r"; also in runs? (\d+(?:, \d+)*)(?: and (\d+) more)?$")


def with_earlier(message: str, *, before: str, run: int | None) -> str:
    """Return what is asked now with what was asked before: `before` is the message that `run` left.

    Each earlier run is named; as many as there is room for are named with what they asked, the newest first. `run`
    is None where that run is no longer kept: then its words stand without its number.
    """
    before, runs, more = _without_also(before)
    last, *rest = _BEFORE.split(before)
    asked = list(zip(map(int, rest[::2]), rest[1::2], strict=True))
    now = clean_line(message, length=NEWEST_LENGTH) if len(message) > NEWEST_LENGTH else message
    if run is None:
        now += f"; before: {clean_line(last, length=BEFORE_LENGTH)}"
    else:
        asked = [(run, last), *asked]
    words = [f"; before, in run {number}: {clean_line(said, length=BEFORE_LENGTH)}" for number, said in asked]
    told = len(asked)
    while len(text := _text(now, words[:told], _oldest_first(runs, asked[told:]), more)) > MESSAGE_LENGTH and told:
        told -= 1
    return text


def _text(now: str, words: Sequence[str], runs: Sequence[int], more: int) -> str:
    if not runs:
        return "".join((now, *words))
    more += len(runs[MOST_RUNS:])
    named = ", ".join(map(str, runs[:MOST_RUNS]))
    also = f"; also in {'run' if len(runs) == 1 else 'runs'} {named}{f' and {more} more' if more else ''}"
    return "".join((now, *words, also))


def _oldest_first(runs: Sequence[int], newer: Sequence[tuple[int, str]]) -> list[int]:
    return [*runs, *(number for number, _ in reversed(newer))]


def _without_also(message: str) -> tuple[str, list[int], int]:
    """Return a message without the runs that it only names, these, oldest first, and how many more there were."""
    also = _ALSO.search(message)
    if also is None:
        return message, [], 0
    return message[: also.start()], [int(number) for number in also[1].split(", ")], int(also[2] or 0)
