"""Cron expressions in plain words, which say what really fires: cronsim's, with its slips set right."""

from __future__ import annotations

import re

from opsrunner.schedules.cron import CronExpression, parse_cron

_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}
_NTH = re.compile(r"\b(\d*?)(\d)th\b")


def cron_in_words(expression: str) -> str:
    """Say an expression in plain words: `at 02:30 on Monday through Friday`.

    Two day fields of which one suffices are joined by `or`; the weekdays of a step are named one by one.
    Raises ConfigurationError for a wrong expression.
    """
    from cronsim import CronSim  # noqa: PLC0415 - only schedules with `cron:` need it

    fields = _plainer(parse_cron(expression))
    words: str = CronSim(" ".join(fields), parse_cron(expression).matcher.dt).explain()
    words = words.replace("day of month", "day of the month").replace(" and on ", " or on ")
    return _NTH.sub(_ordinal, words[:1].lower() + words[1:])


def _plainer(parsed: CronExpression) -> list[str]:
    """Return fields that mean the same: no step that goes beyond its field, no weekday twice, steps as lists."""
    minute, hour, day, month, weekday = parsed.text.split()
    if minute.startswith("*/") and parsed.matcher.minutes == {0}:
        minute = "0"  # */90 is not every 90 minutes
    if hour.startswith("*/") and parsed.matcher.hours == {0}:
        hour = "0"
    if day == "*" and ("," in weekday or "/" in weekday or len(parsed.matcher.weekdays) > 6):
        weekday = _listed_weekdays(parsed) or weekday
    return [minute, hour, day, month, weekday]


def _listed_weekdays(parsed: CronExpression) -> str:
    """Return plain weekdays as a list in the week's order, or `*`; '' where one is the n-th of its month."""
    found = parsed.matcher.weekdays
    days = sorted({day or 7 for day in found if isinstance(day, int)})
    if any(isinstance(day, tuple) for day in found):
        return ""
    if len(days) == 7:
        return "*"
    is_row = len(days) > 2 and days[-1] - days[0] == len(days) - 1
    return f"{days[0]}-{days[-1]}" if is_row else ",".join(str(day) for day in days)


def _ordinal(found: re.Match[str]) -> str:
    """Return 31st for cronsim's 31th."""
    tens, last = found.groups()
    ending = "th" if tens.endswith("1") else _ENDINGS.get(last, "th")
    return f"{tens}{last}{ending}"
