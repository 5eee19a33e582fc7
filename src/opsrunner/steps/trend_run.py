"""What the step kind `trend` does: weeks counted and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.output import OutputSink, printable
from opsrunner.steps.source_rows import read_rows, require_columns
from opsrunner.steps.trend import CountedOptions, Options
from opsrunner.support.repeats import Course, Limits, Repeat, weekly

MOST_ROWS = 500

SUBJECT_LENGTH = 120

UNNAMED = "without a category"


def run(call: StepCall, means: Means) -> Outcome:
    """Count. Raises StepFailed where a source cannot be read or lacks a column."""
    options: Options = call.options
    zone = ZoneInfo(means.timezone)
    today = means.clock.now().astimezone(zone).date()
    limits = Limits(
        at_least=options.at_least,
        rising_share=options.rising.percent / 100,
        rising_at_least=options.rising.at_least,
    )
    events = [event for counted in options.of for event in _events(counted, call, means)]
    found = weekly(events, weeks=options.weeks, today=today, zone=zone, limits=limits)
    return _outcome(found, call, means, weeks=options.weeks)


def _events(counted: CountedOptions, call: StepCall, means: Means) -> Iterator[tuple[str, datetime]]:
    """Yield each row's category and moment; a row without a moment has not happened."""
    rows = read_rows(counted, call, means)
    by, at = counted.columns.get(counted.by, counted.by), counted.columns.get(counted.at, counted.at)
    require_columns(rows, tuple(name for name in (by, at) if name), source=counted.source)
    for row in rows:
        moment = row[at]
        if moment is None:
            continue
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            advice = f'declare it in the source: columns: {{{at}: "moment?"}}'
            raise StepFailed(f"{counted.source}: '{at}' is no moment; {advice}", permanent=True)
        yield _subject(row, by, counted.called), moment


def _subject(row: Row, by: str, called: str) -> str:
    value = row[by] if by else None
    named = printable(" ".join(str(value).split())) if value not in (None, "") else ""
    if not by:
        return called or "all"
    named = named or UNNAMED
    return (f"{called}: {named}" if called else named)[:SUBJECT_LENGTH]


def _outcome(found: list[Repeat], call: StepCall, means: Means, *, weeks: int) -> Outcome:
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for one in found:
            sink.write(f"{one.course.value} {_message(one)}\n".encode("utf-8", "replace"))
    finally:
        sink.close()
    counts = {course: sum(one.course is course for one in found) for course in Course}
    total = sum(one.total for one in found)
    known = len(found[0].weeks) if found else 0
    words = [f"{total} in {known} weeks, in {len(found)} categories"]
    words += [f"{counts[course]} {course.value}" for course in (Course.RISING, Course.FREQUENT) if counts[course]]
    words += [f"only {known} of {weeks} weeks are known"] if 0 < known < weeks else []
    return sink.judged(
        Outcome(
            status=StepStatus.SUCCEEDED if found else StepStatus.WARNING,
            message="; ".join(words) if found else f"nothing to count in the last {weeks} weeks",
            rows=tuple(_row(one) for one in found[:MOST_ROWS]),
            facts={
                "count": total,
                "categories": len(found),
                "weeks": known,
                "rows_left_out": max(0, len(found) - MOST_ROWS),
                "truncated": len(found) > MOST_ROWS,
                **{course.value: number for course, number in counts.items()},
            },
        )
    )


def _row(one: Repeat) -> Mapping[str, Any]:
    return {
        "subject": one.subject,
        "course": one.course.value,
        "total": one.total,
        "this_week": one.this_week,
        "usual": one.usual,
        "growth_percent": one.growth_percent,
        "per_week": None if one.per_week is None else round(one.per_week, 2),
        "weeks": " ".join(map(str, one.weeks)),
        "message": _message(one),
    }


def _message(one: Repeat) -> str:
    """Return `invoices: 9 this week, usually 4, 61 in 13 weeks`."""
    usual = "" if one.usual is None else f", usually {one.usual:g}"
    return f"{one.subject}: {one.this_week} this week{usual}, {one.total} in {len(one.weeks)} weeks"
