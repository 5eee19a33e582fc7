"""How a calendar is arranged: what is named, what is counted, what is folded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.calendar_span import span_of
from opsrunner.engine.calendar_view import (
    CalendarView,
    Entry,
    Known,
    arrange,
    clock_change,
    entry_of_tally,
    sum_words,
)
from opsrunner.ledger.days import DayTally
from opsrunner.model.run import RunStatus
from opsrunner.model.schedule import Freeze
from opsrunner.schedules.zones import MIDNIGHT, to_utc

NOON = datetime(2026, 11, 2, 11, tzinfo=UTC)
FREEZE = Freeze(from_=date(2026, 11, 5), until=date(2026, 11, 10), tags=("changes",), reason="The move")
Entries = dict[int, list[Entry]]


def entry(name: str, status: str = "due", *, hour: int = 12, **fields: Any) -> Entry:
    run = None if status == "due" or (status == "skipped" and not fields.pop("was", False)) else 7
    at = NOON.replace(hour=hour)
    return Entry(at=at, routine=name.lower(), name=name, status=status, **{"run": run, **fields})


def november(entries: Entries, *, room: int = 5, **options: Any) -> CalendarView:
    span = span_of("month", date(2026, 11, 1))
    known = [Known(day=day, freezes=(FREEZE,) if FREEZE.from_ <= day <= FREEZE.until else ()) for day in span.days]
    return arrange(span, known=known, entries=entries, room=room, **options)


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [one.name for one in entries]


def test_a_maintenance_window_is_named_before_what_is_there_every_day() -> None:
    window = Entry(at=NOON, routine="maintenance.kernel", name="Kernel", status="due")
    day = november({1: [*(entry(f"Routine {number}", people="Kari") for number in range(6)), window]}).days[1]

    assert "Kernel" in names(day.entries)


def test_what_is_fine_is_counted_and_what_is_not_is_named() -> None:
    entries = [entry("Queues", "succeeded", times=95), entry("Queues", "failed"), entry("Backups", "succeeded")]
    day = november({1: entries}).days[1]
    assert (day.day, names(day.entries), day.fine_count) == (date(2026, 11, 2), ["Queues"], 96)


def test_what_was_moved_is_named_though_it_went_well() -> None:
    day = november({0: [entry("Invoices", "succeeded", shift="Christmas Day, moved to the next business day")]}).days[0]
    assert names(day.entries) == ["Invoices"]
    assert day.fine_count == 0


def test_one_routine_by_itself_is_named_whatever_became_of_it() -> None:
    day = november({0: [entry("Backups", "succeeded")]}, counts_fine=False).days[0]
    assert names(day.entries) == ["Backups"]


def test_where_room_is_short_trouble_comes_before_what_is_unusual_and_what_is_for_people() -> None:
    entries = [
        entry("Plain", hour=1),
        entry("Frozen", "skipped", reason="frozen", hour=2),
        entry("People", people="1 task for Ann", hour=3),
        entry("Moved", shift="Christmas Day, moved to the next business day", hour=4),
        entry("Failed", "failed", hour=5),
        entry("Waiting", "waiting", hour=6),
        entry("Coalesced", "missed", reason="coalesced", hour=0),
    ]
    day = november({0: entries}, room=4).days[0]
    assert names(day.entries) == ["People", "Moved", "Failed", "Waiting"], "in order of time"
    assert names(day.folded) == ["Plain", "Frozen", "Coalesced"]


def test_of_what_is_alike_the_seldom_one_is_named() -> None:
    entries = {place: [entry("Daily", hour=1), entry("Hourly", hour=0, times=24)] for place in range(30)}
    entries[3].append(entry("Monthly", hour=22))
    assert names(november(entries, room=1).days[3].entries) == ["Monthly"]


def test_one_line_too_many_is_shown_since_saying_so_takes_a_line() -> None:
    entries = [entry(name) for name in "ABC"]
    assert names(november({0: entries}, room=2).days[0].entries) == ["A", "B", "C"]
    assert len(november({0: [*entries, entry("D")]}, room=2).days[0].folded) == 2


def test_a_freeze_is_a_band_over_its_days_in_each_week() -> None:
    weeks = november({}).weeks
    assert [(week.number, [(band.offset, band.days, band.after) for band in week.bands]) for week in weeks] == [
        (44, []),
        (45, [(3, 4, 0)]),
        (46, [(0, 2, 5)]),
        (47, []),
        (48, []),
        (49, []),
    ]
    assert (weeks[0].before, weeks[0].after, weeks[-1].before, weeks[-1].after) == (6, 0, 0, 6)


def test_the_sum_tells_trouble_first() -> None:
    entries = [
        entry("A", "succeeded", times=1196),
        entry("A", "skipped", was=True),
        entry("B", "failed", times=2),
        entry("C", "warning"),
        entry("D", times=40),
        entry("E", "skipped", reason="frozen", times=3),
    ]
    said = "2 failed, 1 with a warning, 1 skipped, 1,196 fine. 40 to come, 3 to be left out."
    assert sum_words(entries) == said
    assert sum_words([]) == ""


@pytest.mark.parametrize(
    ("zone", "day", "said"),
    [
        ("Europe/Oslo", date(2026, 10, 25), "clocks go back 1 h"),
        ("Europe/Oslo", date(2026, 10, 26), ""),
        ("Europe/Oslo", date(2026, 3, 29), "clocks go forward 1 h"),
        ("Africa/Cairo", date(2026, 4, 24), "clocks go forward 1 h"),  # at midnight itself
        ("Africa/Cairo", date(2026, 4, 23), ""),
        ("Australia/Lord_Howe", date(2026, 10, 4), "clocks go forward 30 min"),
        ("UTC", date(2026, 3, 29), ""),
    ],
)
def test_a_change_of_clocks_is_told_on_its_day(zone: str, day: date, said: str) -> None:
    place = ZoneInfo(zone)
    bounds = (to_utc(day, MIDNIGHT, place), to_utc(day + timedelta(days=1), MIDNIGHT, place))
    assert clock_change(*bounds, place) == said


def test_the_ledger_s_word_is_taken_as_it_is() -> None:
    tally = DayTally(
        day=3,
        routine="backups",
        status=RunStatus.MISSED,
        reason="window",
        runs=9,
        planned_at=NOON,
        nominal_at=NOON,
        last=12,
    )
    made = entry_of_tally(tally, name="Nightly backups")
    assert (made.status, made.reason, made.times, made.run, made.tone) == ("missed", "window", 9, 12, "failed")
