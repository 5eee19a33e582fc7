"""The values of an `every:` rule, read one by one; each may look at those before it.

Raises ValueError in one sentence, with a hint on a second line.
"""

from __future__ import annotations

from datetime import date, time
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import ValidationInfo

from opsrunner.config.days import read_clock
from opsrunner.model.schedule import Every, ShortMonths
from opsrunner.schedules.day_names import MONTH_NAMES
from opsrunner.schedules.day_words import DayWord, Period, day_word, parse_days, parse_weekday
from opsrunner.schedules.parsing import in_units, not_a_duration, parse_clock_range, parse_duration, shown

SHORTEST_INTERVAL_SECONDS = 60
MOST_TIMES = 100

_WORDS: tuple[Every, ...] = get_args(Every)
_PERIODS = ("week", "month", "quarter", "year")
_OTHER_WORDS = {
    "hour": "1h", "hourly": "1h", "minute": "1m", "daily": "day", "weekly": "week", "monthly": "month",
    "quarterly": "quarter", "yearly": "year", "annually": "year", "weekdays": "weekday", "workday": "business day",
}  # fmt: skip
_ON_EXAMPLES = {
    "week": "on: monday, or on: [mon, thu]",
    "month": "on: 15, or on: last day",
    "quarter": "on: last day, or on: first business day",
    "year": "on: 24 dec",
}
_LACKING = {29: (2,), 30: (2,), 31: (2, 4, 6, 9, 11)}


def read_every(value: object) -> Every | int:
    """Return one of the words, or the seconds of an interval."""
    if not isinstance(value, str):
        raise ValueError(f"{not_a_duration(value)}\nwrite a word such as day, or a duration such as 15m")
    word = " ".join(value.lower().split())
    if word in _WORDS:
        return word
    _refuse_other_words(word)
    try:
        seconds = parse_duration(value)
    except ValueError as exc:
        raise ValueError(f"{shown(value)} is no rhythm\n{_rhythm_meant(value, word)}") from exc
    if seconds < SHORTEST_INTERVAL_SECONDS:
        raise ValueError(f"every {value} is too often\nthe shortest interval is 1m")
    return seconds


def _rhythm_meant(value: str, word: str) -> str:
    if span := in_units(value):
        return f"write every: {span}"
    near = get_close_matches(word, _WORDS, n=1)
    return f"did you mean '{near[0]}'?" if near else f"write one of {', '.join(_WORDS)}, or a duration such as 15m"


def _refuse_other_words(word: str) -> None:
    if word in _OTHER_WORDS:
        raise ValueError(f"'{word}' is no rhythm\nwrite every: {_OTHER_WORDS[word]}")
    try:
        parse_weekday(word)
    except ValueError:
        return
    raise ValueError(f"'{word}' is a day\nwrite every: week, on: {word}")


def read_on(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Return the normalised words of `on`; week, month, quarter and year need it.

    Where some month lacks the day, `short_months` must have been said.
    """
    every = info.data.get("every")
    if every is None:
        return ()
    if every not in _PERIODS:
        if value == ():
            return ()
        raise ValueError(f"`on` does not go with {_shown_every(every)}\n{_advice_for(value)}")
    if value == ():
        raise ValueError(f"`every: {every}` needs `on`\nwrite {_ON_EXAMPLES[every]}")
    words = parse_days(value, every=cast("Period", every))
    if info.data.get("short_months", "wrong") is None:
        for word in words:
            _refuse_unsaid(day_word(word), str(every), info)
    return words


def _advice_for(value: object) -> str:
    first = value[0] if isinstance(value, list) and value else value
    word = str(first).lower()
    for period in _PERIODS:
        try:
            parse_days(word, every=cast("Period", period))
        except ValueError:
            continue
        return f"write every: {period}, on: {word}"
    return "leave it out"


def _shown_every(every: object) -> str:
    return "an interval" if isinstance(every, int) else f"`every: {every}`"


def read_at(value: object, info: ValidationInfo) -> tuple[time, ...]:
    """Return the times of day, sorted; all but intervals need them."""
    every = info.data.get("every")
    if isinstance(every, int):
        if value == ():
            return ()
        raise ValueError(
            "`at` does not go with an interval\nsay its hours with `between`, and where it begins with `from`"
        )
    if value == () and every is not None:
        raise ValueError(f'`every: {every}` needs `at`\nwrite at: "02:30"')
    items = value if isinstance(value, list | tuple) else [value]
    if (not items and every is not None) or len(items) > MOST_TIMES:
        raise ValueError(f"`at` needs a time of day, and takes at most {MOST_TIMES}")
    clocks = [read_clock(item) for item in items]
    if len(set(clocks)) < len(clocks):
        raise ValueError("the same time stands here twice")
    return tuple(sorted(clocks))


def read_between(value: object, info: ValidationInfo) -> tuple[time, time] | None:
    """Return the hours of an interval; they must be long enough to be met."""
    every = info.data.get("every")
    if not isinstance(value, str):
        raise ValueError('`between` is not a range of hours\nwrite it like "08:00-20:00"')
    hours = parse_clock_range(value)
    if every is not None and not isinstance(every, int):
        raise ValueError(f"`between` does not go with {_shown_every(every)}\nwrite an interval such as every: 15m")
    if isinstance(every, int) and every > _length_seconds(hours):
        raise ValueError(f"the hours {value} are shorter than the interval, which would miss them on some days")
    return hours


def _length_seconds(hours: tuple[time, time]) -> int:
    start, end = (clock.hour * 3600 + clock.minute * 60 for clock in hours)
    return (end - start) % 86400 or 86400


def read_short_months(value: object, info: ValidationInfo) -> ShortMonths:
    """Return what to do where a day does not exist; it goes with month, quarter and year."""
    every = info.data.get("every")
    if value not in get_args(ShortMonths):
        raise ValueError("`short_months` must be one of: last day, skip")
    if every is not None and every not in ("month", "quarter", "year"):
        raise ValueError(f"`short_months` does not go with {_shown_every(every)}\nleave it out")
    return cast("ShortMonths", value)


def _refuse_unsaid(word: DayWord, every: str, info: ValidationInfo) -> None:
    """Raise ValueError with the dates that would not fire, where some would not."""
    months = _lacking_months(word, every)
    if not months:
        return
    where = ", ".join(MONTH_NAMES[month - 1] for month in months)
    leap = " outside of leap years" if word.number == 29 else ""
    context: dict[str, Any] = info.context or {}
    dates = _missing_dates(word.number, months, context["today"]) if "today" in context else ""
    raise ValueError(
        f"`on: {word}` does not exist in {where}{leap}{dates}\nsay short_months: last day, or short_months: skip"
    )


def _lacking_months(word: DayWord, every: str) -> tuple[int, ...]:
    lacking = _LACKING.get(word.number, ())
    if every == "year":
        return tuple(month for month in lacking if month == word.month)
    if every == "quarter":
        return tuple(month for month in lacking if month % 3 == 1)
    return lacking


def _missing_dates(number: int, months: tuple[int, ...], today: date) -> str:
    """Return the next few dates that do not exist, in words."""
    missing = [
        f"{year}-{month:02}-{number}"
        for year in range(today.year, today.year + 5)
        for month in months
        if (year, month) >= (today.year, today.month) and not _exists(year, month, number)
    ]
    return f", next on {', '.join(missing[:4])}"


def _exists(year: int, month: int, number: int) -> bool:
    try:
        date(year, month, number)
    except ValueError:
        return False
    return True
