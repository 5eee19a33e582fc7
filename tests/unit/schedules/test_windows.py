"""Maintenance windows: when they are on, and what goes by them: beside, only inside, out of their way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import CalendarRule, Frame, IntervalRule, OffsetRule, OnceRule, Schedule
from opsrunner.model.window import PlannedWindow, WindowChange
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import next_to_run, occurrences, upcoming
from opsrunner.schedules.moments import Span
from opsrunner.schedules.windows import MARGIN, window_times

OSLO = Frame(timezone="Europe/Oslo")
TUESDAYS = Schedule(rules=(CalendarRule(every="week", on=("tuesday",), at=(time(2),), frame=OSLO),))
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def almanac(changes: Mapping[str, Mapping[str, object]] | None = None, schedule: Schedule = TUESDAYS) -> Almanac:
    """An almanac with the window `kernel`, two hours long; changes are by nominal moment."""
    known: dict[datetime, WindowChange] = {}
    for nominal, said in (changes or {}).items():
        begin = at(nominal)
        plain: dict[str, object] = {"begins_at": begin, "ends_at": begin + 2 * HOUR}
        known[begin] = WindowChange(nominal_at=begin, **{**plain, **said})  # type: ignore[arg-type]
    return Almanac(windows={"kernel": PlannedWindow(schedule=schedule, lasts_seconds=7200, changes=known)})


def beside(offset: str = "0h", **frame: object) -> Schedule:
    seconds = {"-8d": -8 * 86400, "-1d": -86400, "0h": 0, "+1h": 3600, "-2h": -7200}[offset]
    rule = OffsetRule(of="maintenance.kernel", offset_seconds=seconds, frame=Frame(timezone="Europe/Oslo", **frame))  # type: ignore[arg-type]
    return Schedule(rules=(rule,))


def every(minutes: int, **windows: tuple[str, ...]) -> Schedule:
    return Schedule(rules=(IntervalRule(seconds=minutes * 60, frame=Frame(timezone="UTC")),), **windows)


def told(schedule: Schedule, known: Almanac, after: str, until: str) -> list[str]:
    """Return `planned (nominal) reason` of each occurrence."""
    found = occurrences(schedule, after=at(after), until=at(until), almanac=known)
    return [
        " ".join(
            part
            for part in (
                f"{one.planned_at:%d %H:%M}",
                f"({one.nominal_at:%d %H:%M})" if one.nominal_at != one.planned_at else "",
                one.skip_reason,
            )
            if part
        )
        for one in found
    ]


def test_the_times_of_a_window_follow_the_wall_over_a_change_of_the_clocks() -> None:
    times = window_times("kernel", Span(at("2026-10-19T00:00"), at("2026-11-01T00:00")), almanac())

    assert [(f"{one.begins_at:%d %H:%M}", f"{one.ends_at:%d %H:%M}") for one in times] == [
        ("20 00:00", "20 02:00"),  # 02:00 in summer
        ("27 01:00", "27 03:00"),  # and in winter
    ]


def test_what_goes_by_a_window_is_due_beside_it_on_the_wall() -> None:
    assert told(beside("-8d"), almanac(), "2026-10-17T00:00", "2026-10-26T00:00") == ["19 00:00"]  # of Tuesday 27th
    assert told(beside("+1h"), almanac(), "2026-11-01T00:00", "2026-11-08T00:00") == ["03 02:00"]


def test_what_goes_by_a_window_moves_with_it_and_stays_the_same_occurrence() -> None:
    moved = almanac({"2026-11-24T01:00": {
        "begins_at": at("2026-11-26T01:00"), "ends_at": at("2026-11-26T03:00"), "moved_at": at("2026-11-20T12:00"),
    }})  # fmt: skip

    assert told(beside("-2h"), moved, "2026-11-20T12:00", "2026-11-30T00:00") == ["25 23:00 (23 23:00)"]
    shift = next(occurrences(beside(), after=at("2026-11-20T00:00"), until=at("2026-12-01T00:00"), almanac=moved)).shift
    assert shift == "moved with maintenance.kernel"


def test_what_a_move_leaves_in_the_past_is_due_right_after_the_move() -> None:
    moved = almanac({"2026-12-01T01:00": {
        "begins_at": at("2026-11-25T01:00"), "ends_at": at("2026-11-25T03:00"), "moved_at": at("2026-11-20T12:00"),
    }})  # fmt: skip

    assert told(beside("-8d"), moved, "2026-11-20T12:00", "2026-11-21T00:00") == ["20 12:01 (23 01:00)"]


def test_what_goes_by_a_cancelled_window_is_left_out_with_its_reason() -> None:
    cancelled = almanac({"2026-11-24T01:00": {"cancelled_at": at("2026-11-20T12:00")}})

    assert told(beside(), cancelled, "2026-11-20T12:00", "2026-12-02T00:00") == ["24 01:00 cancelled", "01 01:00"]


def test_a_routine_may_leave_out_days_of_its_own() -> None:
    day = at("2026-11-24T01:00").date()

    assert told(beside(except_=(day,)), almanac(), "2026-11-20T12:00", "2026-12-02T00:00") == ["01 01:00"]


def test_outside_of_its_windows_a_routine_is_left_out() -> None:
    inside = every(30, only_in=("maintenance.kernel",))

    assert told(inside, almanac(), "2026-11-24T00:00", "2026-11-24T03:30") == [
        "24 00:30 outside", "24 01:00", "24 01:30", "24 02:00", "24 02:30", "24 03:00 outside", "24 03:30 outside",
    ]  # fmt: skip


def test_inside_of_a_window_that_it_avoids_a_routine_waits_for_its_end() -> None:
    assert told(every(30, avoid=("maintenance.kernel",)), almanac(), "2026-11-24T00:00", "2026-11-24T04:00") == [
        "24 00:30", "24 03:00 (24 01:00)", "24 03:00 (24 01:30)", "24 03:00 (24 02:00)", "24 03:00 (24 02:30)",
        "24 03:00", "24 03:30", "24 04:00",
    ]  # fmt: skip


@pytest.mark.parametrize("after", ["2026-11-24T01:00", "2026-11-24T02:10", "2026-11-24T02:59"])
def test_what_waits_is_found_wherever_the_look_begins(after: str) -> None:
    found = told(every(30, avoid=("maintenance.kernel",)), almanac(), after, "2026-11-24T03:00")

    assert found[0] == "24 03:00 (24 01:00)"
    assert len(found) == 5


def test_windows_that_follow_on_one_another_are_waited_for_together() -> None:
    first = PlannedWindow(schedule=TUESDAYS, lasts_seconds=7200)
    once = Schedule(rules=(OnceRule(moment=datetime(2026, 11, 24, 4), frame=OSLO),))  # 03:00 UTC, when the first ends
    known = Almanac(windows={"kernel": first, "disks": PlannedWindow(schedule=once, lasts_seconds=3600)})
    schedule = every(60, avoid=("maintenance.kernel", "maintenance.disks"))

    assert told(schedule, known, "2026-11-24T00:00", "2026-11-24T04:00") == [
        "24 04:00 (24 01:00)", "24 04:00 (24 02:00)", "24 04:00 (24 03:00)", "24 04:00",
    ]  # fmt: skip


def test_a_window_that_was_ended_early_frees_what_waits_a_minute_later() -> None:
    ended = almanac({"2026-11-24T01:00": {"ended_at": at("2026-11-24T01:40")}})

    assert told(every(30, avoid=("maintenance.kernel",)), ended, "2026-11-24T00:59", "2026-11-24T02:00") == [
        "24 01:41 (24 01:00)", "24 01:41 (24 01:30)", "24 02:00",
    ]  # fmt: skip


def test_a_window_that_was_moved_holds_where_it_is_and_where_it_was_until_then() -> None:
    moved = almanac({"2026-11-24T01:00": {
        "begins_at": at("2026-11-26T01:00"), "ends_at": at("2026-11-26T02:00"), "moved_at": at("2026-11-24T01:10"),
        "before": ((at("2026-11-24T01:00"), at("2026-11-24T01:11")),),
    }})  # fmt: skip

    assert told(every(60, avoid=("maintenance.kernel",)), moved, "2026-11-24T00:59", "2026-11-24T02:00") == [
        "24 01:11 (24 01:00)", "24 02:00",
    ]  # fmt: skip
    assert told(every(60, avoid=("maintenance.kernel",)), moved, "2026-11-26T00:30", "2026-11-26T02:00")[0] == (
        "26 02:00 (26 01:00)"
    )


def test_a_window_cancelled_beforehand_holds_nothing_and_one_that_had_begun_until_then() -> None:
    before = almanac({"2026-11-24T01:00": {"cancelled_at": at("2026-11-20T00:00")}})
    during = almanac({"2026-11-24T01:00": {"cancelled_at": at("2026-11-24T01:20")}})
    schedule = every(60, avoid=("maintenance.kernel",))

    assert told(schedule, before, "2026-11-24T00:30", "2026-11-24T02:00") == ["24 01:00", "24 02:00"]
    assert told(schedule, during, "2026-11-24T00:30", "2026-11-24T02:00") == ["24 01:21 (24 01:00)", "24 02:00"]


def test_an_unknown_window_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'kernel'"):
        list(told(every(60, only_in=("maintenance.kernl",)), almanac(), "2026-11-24T00:00", "2026-11-24T02:00"))


def test_a_schedule_that_is_never_inside_is_looked_through_to_its_end() -> None:
    noon = Schedule(rules=(CalendarRule(every="day", at=(time(12),), frame=OSLO),), only_in=("maintenance.kernel",))

    found = upcoming(noon, after=at("2026-11-24T00:00"), count=3, almanac=almanac())

    assert [one.skip_reason for one in found] == ["outside"] * 3


def test_the_next_that_is_to_run_is_inside_of_a_window_that_takes_place() -> None:
    inside = every(1, only_in=("maintenance.kernel",))
    cancelled = almanac({"2026-11-24T01:00": {"cancelled_at": at("2026-11-20T12:00")}})

    def first(schedule: Schedule, known: Almanac, after: str) -> datetime:
        found = next_to_run(schedule, after=at(after), almanac=known)
        assert found is not None
        return found.planned_at

    assert first(inside, almanac(), "2026-11-24T03:00") == at("2026-12-01T01:00"), "after a week of minutes"
    assert first(beside(), cancelled, "2026-11-20T12:00") == at("2026-12-01T01:00")
    assert first(inside, cancelled, "2026-11-20T12:00") == at("2026-11-20T12:01"), "too many to pass over"


CHANGES: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.just({}),
    st.integers(0, 200).map(lambda minutes: {"ended_at": at("2026-11-24T01:00") + timedelta(minutes=minutes)}),
    st.integers(-300, 200).map(lambda minutes: {"cancelled_at": at("2026-11-24T01:00") + timedelta(minutes=minutes)}),
)


@given(minutes=st.integers(1, 90), change=CHANGES, cut=st.integers(0, 8 * 60))
def test_a_look_in_two_parts_finds_what_one_look_finds(minutes: int, change: dict[str, object], cut: int) -> None:
    known = almanac({"2026-11-24T01:00": change} if change else None)
    schedule = every(minutes, avoid=("maintenance.kernel",))
    start, end = at("2026-11-23T22:00"), at("2026-11-24T06:00")
    middle = start + timedelta(minutes=cut)

    def look(after: datetime, until: datetime) -> list[object]:
        return list(occurrences(schedule, after=after, until=until, almanac=known))

    whole = look(start, end)
    assert look(start, middle) + look(middle, end) == whole
    assert whole == sorted(whole)  # type: ignore[type-var]


@given(minutes=st.integers(1, 90), change=CHANGES)
def test_out_of_a_windows_way_nothing_is_lost_and_nothing_comes_twice(minutes: int, change: dict[str, object]) -> None:
    known = almanac({"2026-11-24T01:00": change} if change else None)
    after, until = at("2026-11-23T22:00"), at("2026-11-24T06:00")

    plain = [one.nominal_at for one in occurrences(every(minutes), after=after, until=until, almanac=known)]
    waiting = list(occurrences(every(minutes, avoid=("maintenance.kernel",)), after=after, until=until, almanac=known))

    assert sorted(one.nominal_at for one in waiting) == plain
    assert all(one.planned_at >= one.nominal_at for one in waiting)
    assert MARGIN < HOUR
