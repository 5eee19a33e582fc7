"""The words of `on:`: which days of a week, month, quarter or year a rule means.

Normalised words are `monday`, `15`, `last day`, `first tuesday`, `last business day` and `24 dec`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

from opsrunner.records import dataclass
from opsrunner.schedules.day_names import MONTH_NAMES, WEEKDAY_NAMES
from opsrunner.schedules.parsing import as_written, shown

Period: TypeAlias = Literal["week", "month", "quarter", "year"]

WEEKDAYS = tuple(name.lower() for name in WEEKDAY_NAMES)
MONTHS = tuple(name[:3].lower() for name in MONTH_NAMES)
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}

_WEEKDAY_WORDS = {
    **{name: index for index, name in enumerate(WEEKDAYS)},
    **{name[:3]: index for index, name in enumerate(WEEKDAYS)},
    "tues": 1,
    "wednes": 2,
    "thur": 3,
    "thurs": 3,
}
_MONTH_WORDS = {
    **{name: index + 1 for index, name in enumerate(MONTHS)},
    **{name.lower(): index + 1 for index, name in enumerate(MONTH_NAMES)},
    "sept": 9,
}
_ORDINAL_WORDS = {**ORDINALS, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_NUMBER = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?", re.ASCII)
_EXAMPLES = {
    "week": "monday, or [mon, thu]",
    "month": "15, last day, first tuesday, last friday or first business day",
    "quarter": "15 (of its first month), last day, first monday or last business day",
    "year": "24 dec, first monday or last business day",
}


@dataclass(frozen=True, kw_only=True)
class DayWord:
    """One word of `on:`, taken apart. Exactly one of the four forms holds.

    A weekday alone; a `number` (with its `month` in a year); an ordinal with a weekday; an ordinal of
    business days. `last day` is the ordinal -1 alone.
    """

    ordinal: int = 0
    """1 to 4, or -1 for the last."""
    weekday: int | None = None
    """0 is Monday."""
    business: bool = False
    number: int = 0
    month: int = 0

    def __str__(self) -> str:
        if self.number:
            return f"{self.number} {MONTHS[self.month - 1]}" if self.month else str(self.number)
        day = "business day" if self.business else "day" if self.weekday is None else WEEKDAYS[self.weekday]
        ordinal = next((word for word, value in ORDINALS.items() if value == self.ordinal), "")
        return f"{ordinal} {day}".strip()


def parse_weekday(text: str) -> int:
    """Return 0 for `monday` or `mon`, 6 for `sunday` or `sun`. Raises ValueError."""
    index = _WEEKDAY_WORDS.get(text.strip().lower())
    if index is None:
        raise ValueError(f"{shown(text)} is not a weekday; write it like monday or mon")
    return index


def parse_days(value: object, *, every: Period) -> tuple[str, ...]:
    """Return the normalised words of an `on:` value, a word, a number or a list of them.

    Raises ValueError with examples for what is no day of such a period, for a number that no month has,
    and for the same day twice.
    """
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= 366:
        raise ValueError(f"`on` needs a day; for every {every} write {_EXAMPLES[every]}")
    words = [str(_parse_item(item, every)) for item in items]
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise ValueError(f"'{twice}' stands here twice")
    return tuple(words)


@lru_cache(maxsize=512)
def day_word(normalised: str) -> DayWord:
    """Take one normalised word apart. Raises ValueError for anything else."""
    found = _read(normalised)
    if found is None:
        raise ValueError(f"{shown(normalised)} is not a day")
    return found


def _parse_item(item: object, every: Period) -> DayWord:
    text = str(item) if isinstance(item, str | int) and not isinstance(item, bool) else ""
    found = _read(text.lower()) if len(text) <= 40 else None
    if found is None:
        raise ValueError(f"{as_written(item)} is not a day of a {every}; write {_EXAMPLES[every]}")
    _check_fits(found, every)
    return found


def _read(text: str) -> DayWord | None:
    """Return the word that `text` is in any of its spellings, None if it is none."""
    words = text.split()
    if len(words) == 1:
        return _read_single(words[0])
    if len(words) == 2:
        return _read_ordinal(words[0], words[1]) or _read_date(words[0], words[1])
    if len(words) == 3 and words[1:] == ["business", "day"] and words[0] in _ORDINAL_WORDS:
        return DayWord(ordinal=_ORDINAL_WORDS[words[0]], business=True)
    return None


def _read_single(word: str) -> DayWord | None:
    if word in _WEEKDAY_WORDS:
        return DayWord(weekday=_WEEKDAY_WORDS[word])
    number = _NUMBER.fullmatch(word)
    return DayWord(number=int(number[1])) if number and 1 <= int(number[1]) <= 31 else None


def _read_ordinal(ordinal: str, day: str) -> DayWord | None:
    if ordinal not in _ORDINAL_WORDS:
        return None
    position = _ORDINAL_WORDS[ordinal]
    if day == "day":
        return DayWord(ordinal=-1) if position == -1 else DayWord(number=position)
    return DayWord(ordinal=position, weekday=_WEEKDAY_WORDS[day]) if day in _WEEKDAY_WORDS else None


def _read_date(one: str, other: str) -> DayWord | None:
    """Read `24 dec` and `dec 24`."""
    name, digits = (one, other) if one in _MONTH_WORDS else (other, one)
    number = _NUMBER.fullmatch(digits)
    if name not in _MONTH_WORDS or number is None or not 1 <= int(number[1]) <= 31:
        return None
    return DayWord(number=int(number[1]), month=_MONTH_WORDS[name])


def _check_fits(word: DayWord, every: Period) -> None:
    """Raise ValueError for a day that such a period does not have, or that could mean several."""
    is_plain_weekday = word.weekday is not None and not word.ordinal
    if every == "week":
        if not is_plain_weekday:
            raise ValueError(f"'{word}' is not a weekday; for every week write {_EXAMPLES['week']}")
    elif is_plain_weekday:
        raise ValueError(f"a {every} has several; write first {word} or last {word}, or use `every: week`")
    elif every == "year" and word.number and not word.month:
        raise ValueError(f"'{word}' lacks its month; write it like {word} dec")
    elif every != "year" and word.month:
        raise ValueError(f"'{word}' is a day of a year; use `every: year`")
    if word.month and word.number > LONGEST_MONTHS[word.month - 1]:
        raise ValueError(f"'{word}' never exists")
