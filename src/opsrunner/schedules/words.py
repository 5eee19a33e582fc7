"""Schedules in plain words, as `next` and the pages show them."""

from __future__ import annotations

from datetime import time
from itertools import groupby

from opsrunner.model.schedule import CalendarRule, CronRule, Frame, IntervalRule, OffsetRule, OnceRule, Rule, Schedule
from opsrunner.schedules.cron_words import cron_in_words
from opsrunner.schedules.day_names import MONTH_NAMES
from opsrunner.schedules.day_words import ORDINALS, DayWord, day_word

_UNITS = (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_MOST_DATES = 3
_ON_HOLIDAY = {
    "run": "",
    "skip": ", not on holidays",
    "next business day": ", on holidays the next business day",
    "previous business day": ", on holidays the business day before",
}


def in_words(schedule: Schedule) -> str:
    """Say when `schedule` is due: `every day at 02:30 (Europe/Oslo)`.

    Raises ConfigurationError for a wrong cron expression.
    """
    if not schedule.rules:
        return "by hand only"
    parts = []
    for zone, rules in groupby(schedule.rules, key=lambda rule: rule.frame.timezone):
        parts.append(f"{'; '.join(_rule(rule) for rule in rules)} ({zone})")
    windows = [f"only in {listed(list(schedule.only_in))}"] if schedule.only_in else []
    windows += [f"waits for {listed(list(schedule.avoid))} to end"] if schedule.avoid else []
    return "; ".join([*parts, *windows])


def duration_in_words(seconds: int) -> str:
    """Say a length of time: `1 hour 30 minutes`, `8 days`."""
    left, parts = abs(seconds), []
    units = _UNITS if left % 604800 == 0 else _UNITS[1:]
    for unit, size in units:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def listed(words: list[str]) -> str:
    """Join words as a sentence does: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _rule(rule: Rule) -> str:
    return _main(rule) + _frame(rule.frame, names_calendar=_asks_calendar(rule))


def _main(rule: Rule) -> str:
    match rule:
        case CalendarRule():
            return f"{_days(rule)} at {_clocks(rule.at)}"
        case IntervalRule():
            return _interval(rule)
        case CronRule():
            return cron_in_words(rule.expression)
        case OnceRule():
            return f"once, on {rule.moment:%Y-%m-%d} at {rule.moment:%H:%M}"
        case OffsetRule():
            return _offset(rule)


def _interval(rule: IntervalRule) -> str:
    words = duration_in_words(rule.seconds)
    single = words.removeprefix("1 ") if words.count(" ") == 1 else words
    if rule.between is None:
        return f"every {single}"
    start, end = rule.between
    return f"every {single} between {start:%H:%M} and {'24:00' if end == time(0) else f'{end:%H:%M}'}"


def _offset(rule: OffsetRule) -> str:
    if not rule.offset_seconds:
        return f"together with {rule.of}"
    side = "before" if rule.offset_seconds < 0 else "after"
    return f"{duration_in_words(rule.offset_seconds)} {side} {rule.of}"


def _days(rule: CalendarRule) -> str:
    words = [day_word(word) for word in rule.on]
    match rule.every:
        case "day" | "business day":
            return f"every {rule.every}"
        case "weekday":
            return "every Monday to Friday"
        case "week":
            return f"every {listed([str(word).capitalize() for word in words])}"
        case "year" if all(word.month for word in words):
            return f"every {listed([_date(word, rule) for word in words])}"
        case _:
            return f"on {listed([_day_of(word, rule) for word in words])} of every {rule.every}"


def _day_of(word: DayWord, rule: CalendarRule) -> str:
    if word.month:
        return _date(word, rule)
    if word.number:
        which = " of the first month" if rule.every == "quarter" else ""
        return f"the {_ordinal(word.number)}{_when_short(word.number, rule)}{which}"
    if word.weekday is None:
        return f"the {word}"
    ordinal = next(name for name, value in ORDINALS.items() if value == word.ordinal)
    return f"the {ordinal} {str(word).rsplit(maxsplit=1)[-1].capitalize()}"


def _date(word: DayWord, rule: CalendarRule) -> str:
    return f"{word.number} {MONTH_NAMES[word.month - 1]}{_when_short(word.number, rule)}"


def _when_short(number: int, rule: CalendarRule) -> str:
    if number <= 28 or rule.short_months is None:
        return ""
    return " (or the last day)" if rule.short_months == "last day" else " (where there is one)"


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _clocks(clocks: tuple[time, ...]) -> str:
    return listed([f"{clock:%H:%M}" for clock in sorted(clocks)])


def _asks_calendar(rule: Rule) -> bool:
    if rule.frame.on_holiday != "run":
        return True
    return isinstance(rule, CalendarRule) and any("business" in word for word in (rule.every, *rule.on))


def _frame(frame: Frame, *, names_calendar: bool) -> str:
    words = _ON_HOLIDAY[frame.on_holiday]
    if names_calendar and frame.calendar != "business":
        words += f", by the calendar {frame.calendar}"
    if frame.from_ is not None:
        words += f", from {frame.from_:%Y-%m-%d}" + (f" {frame.from_:%H:%M}" if frame.from_.time() != time(0) else "")
    if frame.until is not None:
        words += f", until {frame.until}"
    if len(frame.except_) > _MOST_DATES:
        words += f", except on {len(frame.except_)} dates"
    elif frame.except_:
        words += f", except on {listed([str(day) for day in frame.except_])}"
    return words
