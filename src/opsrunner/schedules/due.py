"""When a schedule is due: one pure function that the planner, the calendar and the pages all ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from itertools import islice

from opsrunner.model.schedule import Occurrence, Rule, Schedule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.moments import Span
from opsrunner.schedules.shifting import rule_occurrences
from opsrunner.schedules.window_rules import inside_only, is_of_window, of_window, out_of_the_way
from opsrunner.schedules.zones import ONE_DAY

LOOK_AHEAD = 3660 * ONE_DAY
"""Ten years; what is not due in them is not due."""
MOST_SKIPPED = 10_000
"""Occurrences to pass over; more than a week of minutes."""


def occurrences(schedule: Schedule, *, after: datetime, until: datetime, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what is planned in (after, until], ordered by planned and nominal moment.

    Rules that name the same nominal moment yield it once: as it is planned first, and rather run than
    skipped. Raises ConfigurationError for an unknown zone, calendar, routine or window, for offsets that go round in
    a circle, and for a calendar without business days.
    """
    span = Span(after, until)
    if schedule.avoid:
        return out_of_the_way(schedule, span, almanac, lambda wider: _in_its_windows(schedule, wider, almanac))
    return _in_its_windows(schedule, span, almanac)


def upcoming(schedule: Schedule, *, after: datetime, count: int, almanac: Almanac) -> list[Occurrence]:
    """Return the next `count` occurrences planned later than `after`; fewer if ten years hold no more."""
    until = after + LOOK_AHEAD
    return list(islice(occurrences(schedule, after=after, until=until, almanac=almanac), count))


def next_to_run(schedule: Schedule, *, after: datetime, almanac: Almanac) -> Occurrence | None:
    """Return the first occurrence planned later than `after` that the schedule does not itself skip.

    None where ten years hold none. Of very many that are skipped in a row it gives the first, and looks no further.
    """
    first: Occurrence | None = None
    found = occurrences(schedule, after=after, until=after + LOOK_AHEAD, almanac=almanac)
    for count, occurrence in enumerate(found):
        if not occurrence.skip_reason:
            return occurrence
        first = first or occurrence
        if count == MOST_SKIPPED:
            return first
    return None


def _in_its_windows(schedule: Schedule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    found = _of_rules(schedule, span, almanac)
    return inside_only(schedule, found, almanac) if schedule.only_in else found


def _of_rules(schedule: Schedule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    if len(schedule.rules) == 1:
        return _of_rule(schedule.rules[0], span, almanac)
    return _without_repeats(merge(*(_of_rule(rule, span, almanac) for rule in schedule.rules)))


def _without_repeats(ordered: Iterator[Occurrence]) -> Iterator[Occurrence]:
    seen: set[datetime] = set()
    for occurrence in ordered:
        if occurrence.nominal_at not in seen:
            seen.add(occurrence.nominal_at)
            yield occurrence


def _of_rule(rule: Rule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    return of_window(rule, span, almanac) if is_of_window(rule) else rule_occurrences(rule, span, almanac)
