"""The planner's decisions, as pure functions of time."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from opsrunner.engine.held import World
from opsrunner.engine.planner import MOST_HELD, Decision, Verdict, Watch, plan, plan_ahead
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Trigger
from opsrunner.model.schedule import Calendar, CalendarRule, CatchUp, Frame, Freeze, IntervalRule, Occurrence, Schedule
from opsrunner.model.window import PlannedWindow
from opsrunner.schedules.almanac import Almanac

UTC_FRAME = Frame(timezone="UTC")
DAILY = Schedule(rules=(CalendarRule(every="day", at=(time(2, 30),), frame=UTC_FRAME),))
EVERY_15 = Schedule(rules=(IntervalRule(seconds=900, frame=UTC_FRAME),))
WORLD = World(almanac=Almanac({"business": Calendar()}, {}))
ALSO_CHANGES = ("changes",)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def routine(**fields: Any) -> Routine:
    return Routine(**{"id": "backups", "name": "Backups", "accountable": "boss", "schedule": DAILY, **fields})


def decide(watch: Watch, now: str, world: World = WORLD) -> list[Decision]:
    return list(plan(watch, world=world, now=moment(now)))


def skip_of(nominal: str) -> Hold:
    return Hold(
        id=1,
        routine="backups",
        kind="skip",
        nominal_at=moment(nominal),
        until=None,
        reason="disk swap",
        actor="boss",
        created_at=moment("2026-11-20 10:00"),
    )


def told(decisions: list[Decision]) -> list[tuple[str, str, str]]:
    return [
        (f"{item.occurrence.nominal_at:%d %H:%M}", item.verdict.value, item.reason or item.trigger.value)
        for item in decisions
    ]


def test_it_starts_what_is_due_now() -> None:
    watch = Watch(routine=routine(), watermark=moment("2026-11-20 12:00"))
    assert told(decide(watch, "2026-11-21 02:30:04")) == [("21 02:30", "start", "schedule")]


def test_it_decides_nothing_before_the_due_time() -> None:
    watch = Watch(routine=routine(), watermark=moment("2026-11-20 12:00"))
    assert decide(watch, "2026-11-21 02:29:59") == []
    assert plan_ahead(watch, world=WORLD, now=moment("2026-11-21 02:29:59"))[1] == moment("2026-11-21 02:30")


def test_it_never_decides_twice_on_the_same_due_time() -> None:
    watch = Watch(routine=routine(), watermark=moment("2026-11-21 02:30"))
    assert decide(watch, "2026-11-21 02:31") == []


def test_a_daily_job_after_three_days_of_downtime_runs_once_as_a_catch_up() -> None:
    """B16."""
    watch = Watch(routine=routine(), watermark=moment("2026-11-18 12:00"))
    assert told(decide(watch, "2026-11-21 09:00")) == [
        ("19 02:30", "missed", "coalesced"),
        ("20 02:30", "missed", "coalesced"),
        ("21 02:30", "start", "catch_up"),
    ]


def test_nothing_runs_that_is_older_than_the_window() -> None:
    """B17."""
    late = routine(catch_up=CatchUp(policy="latest", within_seconds=3600))
    watch = Watch(routine=late, watermark=moment("2026-11-18 12:00"))
    assert told(decide(watch, "2026-11-21 09:00")) == [
        ("19 02:30", "missed", "window"),
        ("20 02:30", "missed", "window"),
        ("21 02:30", "missed", "window"),
    ]


def test_the_window_of_a_monthly_job_is_seven_days_and_of_a_daily_one_a_day() -> None:
    monthly = Schedule(rules=(CalendarRule(every="month", on=("1",), at=(time(6),), frame=UTC_FRAME),))
    watch = Watch(routine=routine(schedule=monthly), watermark=moment("2026-10-20 00:00"))
    assert told(decide(watch, "2026-11-07 00:00")) == [("01 06:00", "start", "catch_up")]
    assert told(decide(watch, "2026-11-09 00:00")) == [("01 06:00", "missed", "window")]


def test_the_policy_skip_misses_what_is_late_and_starts_what_is_on_time() -> None:
    watch = Watch(routine=routine(catch_up=CatchUp(policy="skip")), watermark=moment("2026-11-19 12:00"))
    assert told(decide(watch, "2026-11-21 02:30:10")) == [
        ("20 02:30", "missed", "policy"),
        ("21 02:30", "start", "schedule"),
    ]


def test_the_policy_all_runs_each_one_after_the_other_within_its_window() -> None:
    every = routine(catch_up=CatchUp(policy="all", within_seconds=2 * 86400))
    watch = Watch(routine=every, watermark=moment("2026-11-17 12:00"))
    assert told(decide(watch, "2026-11-21 02:00")) == [
        ("18 02:30", "missed", "window"),
        ("19 02:30", "start", "catch_up"),
        ("20 02:30", "queue", "queued"),
    ]


OVERLAPS = [
    # policy, is running, queued already, verdict, reason
    pytest.param("skip", True, 0, Verdict.SKIPPED, "overlap", id="skip while one runs"),
    pytest.param("skip", False, 0, Verdict.START, "", id="skip while none runs"),
    pytest.param("queue", True, 0, Verdict.QUEUE, "queued", id="queue behind one"),
    pytest.param("queue", True, 1, Verdict.SKIPPED, "overlap", id="at most one is queued"),
]


@pytest.mark.parametrize(("policy", "running", "queued", "verdict", "reason"), OVERLAPS)
def test_the_overlap_policy_holds(policy: str, running: bool, queued: int, verdict: Verdict, reason: str) -> None:
    """B23."""
    watch = Watch(
        routine=routine(schedule=EVERY_15, overlap=policy),
        watermark=moment("2026-11-21 02:00"),
        is_running=running,
        queued=queued,
    )
    (decision,) = decide(watch, "2026-11-21 02:15:01")
    assert (decision.verdict, decision.reason) == (verdict, reason)


def pause(since: str, until: str, *, ended: str | None = None) -> Hold:
    return Hold(
        id=1,
        routine="backups",
        kind="pause",
        nominal_at=None,
        until=moment(until),
        reason="moving",
        actor="boss",
        created_at=moment(since),
        ended_at=moment(ended) if ended else None,
    )


def test_a_pause_over_three_occurrences_gives_no_burst_when_it_ends() -> None:
    """B30."""
    held = pause("2026-11-18 10:00", "2026-11-30 00:00", ended="2026-11-21 09:00")
    watch = Watch(routine=routine(), watermark=moment("2026-11-18 12:00"), holds=[held])
    assert told(decide(watch, "2026-11-21 09:00:01")) == [
        ("19 02:30", "skipped", "paused"),
        ("20 02:30", "skipped", "paused"),
        ("21 02:30", "skipped", "paused"),
    ]
    after = Watch(routine=routine(), watermark=moment("2026-11-21 09:00:01"), holds=[held])
    assert told(decide(after, "2026-11-22 02:30:01")) == [("22 02:30", "start", "schedule")]


def test_a_pause_ends_by_itself() -> None:
    held = pause("2026-11-19 10:00", "2026-11-20 23:00")
    watch = Watch(routine=routine(), watermark=moment("2026-11-19 12:00"), holds=[held])
    assert told(decide(watch, "2026-11-21 02:30:01")) == [
        ("20 02:30", "skipped", "paused"),
        ("21 02:30", "start", "schedule"),
    ]


def test_what_is_late_does_not_start_while_its_routine_is_paused() -> None:
    paused = [pause("2026-11-21 08:00", "2026-11-22 00:00")]
    watch = Watch(routine=routine(), watermark=moment("2026-11-18 12:00"), holds=paused)
    assert told(decide(watch, "2026-11-21 09:00")) == [
        ("19 02:30", "missed", "coalesced"),
        ("20 02:30", "missed", "coalesced"),
        ("21 02:30", "skipped", "paused"),
    ]
    one = Watch(routine=routine(), watermark=moment("2026-11-20 12:00"), holds=paused)
    assert told(decide(one, "2026-11-21 09:00")) == [("21 02:30", "skipped", "paused")]
    assert told(decide(one, "2026-11-22 01:00")) == [("21 02:30", "start", "catch_up")]  # the pause is over


def test_all_that_is_late_is_left_out_once_while_its_routine_is_frozen() -> None:
    frozen = World(
        almanac=WORLD.almanac,
        freezes=[Freeze(from_=date(2026, 11, 21), until=date(2026, 11, 22), tags=("changes",), reason="season")],
    )
    every = routine(tags=ALSO_CHANGES, catch_up=CatchUp(policy="all", within_seconds=30 * 3600))
    watch = Watch(routine=every, watermark=moment("2026-11-18 12:00"))
    assert told(decide(watch, "2026-11-21 02:00", frozen)) == [
        ("19 02:30", "missed", "window"),
        ("20 02:30", "skipped", "frozen"),
    ]
    skipping = Watch(
        routine=routine(tags=ALSO_CHANGES, catch_up=CatchUp(policy="skip")), watermark=moment("2026-11-19 12:00")
    )
    assert told(decide(skipping, "2026-11-21 02:00", frozen)) == [("20 02:30", "missed", "policy")]


WINDOW = PlannedWindow(
    schedule=Schedule(rules=(CalendarRule(every="day", at=(time(2),), frame=UTC_FRAME),)), lasts_seconds=3600
)


def test_what_is_late_does_not_start_outside_of_its_window() -> None:
    world = World(almanac=Almanac(windows={"night": WINDOW}))
    inside = routine(schedule=replace(DAILY, only_in=("maintenance.night",)))
    watch = Watch(routine=inside, watermark=moment("2026-11-20 12:00"))
    assert told(decide(watch, "2026-11-21 02:50", world)) == [("21 02:30", "start", "catch_up")]
    assert told(decide(watch, "2026-11-21 03:10", world)) == [("21 02:30", "skipped", "outside")]


def test_what_is_late_waits_for_the_end_of_a_window_that_it_avoids() -> None:
    world = World(almanac=Almanac(windows={"night": WINDOW}))
    early = Schedule(rules=(CalendarRule(every="day", at=(time(1),), frame=UTC_FRAME),), avoid=("maintenance.night",))
    watch = Watch(routine=routine(schedule=early), watermark=moment("2026-11-20 12:00"))
    assert told(decide(watch, "2026-11-21 01:30", world)) == [("21 01:00", "start", "catch_up")]
    assert told(decide(watch, "2026-11-21 02:30", world)) == [("21 01:00", "queue", "queued")]
    assert told(decide(replace(watch, is_running=True), "2026-11-21 02:30", world)) == [
        ("21 01:00", "skipped", "overlap")
    ]
    assert told(decide(watch, "2026-11-21 03:30", world)) == [("21 01:00", "start", "catch_up")]


def test_what_is_late_is_not_kept_for_the_end_of_a_window_where_another_waits_for_that() -> None:
    world = World(almanac=Almanac(windows={"night": WINDOW}))
    hourly = Schedule(rules=(IntervalRule(seconds=1800, frame=UTC_FRAME),), avoid=("maintenance.night",))
    watch = Watch(routine=routine(schedule=hourly), watermark=moment("2026-11-21 01:00"))
    assert told(decide(watch, "2026-11-21 02:10", world)) == [("21 01:30", "missed", "coalesced")]
    every = replace(watch, routine=routine(schedule=hourly, catch_up=CatchUp(policy="all")))
    assert told(decide(every, "2026-11-21 02:10", world)) == [("21 01:30", "queue", "queued")]


def test_what_is_late_is_kept_for_the_end_of_a_window_where_all_that_wait_for_that_are_held() -> None:
    world = World(almanac=Almanac(windows={"night": WINDOW}))
    times = CalendarRule(every="day", at=(time(1), time(2, 15), time(2, 45)), frame=UTC_FRAME)
    avoiding = routine(schedule=Schedule(rules=(times,), avoid=("maintenance.night",)))
    asked = [skip_of("2026-11-21 02:15"), skip_of("2026-11-21 02:45")]
    watch = Watch(routine=avoiding, watermark=moment("2026-11-20 12:00"), holds=asked)
    assert told(decide(watch, "2026-11-21 02:10", world)) == [("21 01:00", "queue", "queued")]
    one_goes = replace(watch, holds=asked[:1])
    assert told(decide(one_goes, "2026-11-21 02:10", world)) == [("21 01:00", "missed", "coalesced")]


def test_a_skip_leaves_out_one_occurrence_and_no_other() -> None:
    skip = skip_of("2026-11-21 02:30")
    watch = Watch(routine=routine(), watermark=moment("2026-11-20 12:00"), holds=[skip])
    assert told(decide(watch, "2026-11-21 02:31")) == [("21 02:30", "skipped", "asked")]
    assert told(decide(watch, "2026-11-22 02:30:30"))[1] == ("22 02:30", "start", "schedule")


def test_a_freeze_holds_only_what_bears_its_tag() -> None:
    freeze = Freeze(from_=date(2026, 11, 21), until=date(2026, 11, 21), tags=("changes",), reason="season")
    world = World(almanac=WORLD.almanac, freezes=(freeze,))
    marked = Watch(routine=routine(tags=ALSO_CHANGES), watermark=moment("2026-11-20 12:00"))
    plain = Watch(routine=routine(), watermark=moment("2026-11-20 12:00"))
    assert told(decide(marked, "2026-11-21 02:31", world)) == [("21 02:30", "skipped", "frozen")]
    assert told(decide(plain, "2026-11-21 02:30:31", world)) == [("21 02:30", "start", "schedule")]


def test_shifts_that_pile_up_on_one_moment_run_once() -> None:
    """Friday 25 December 2026 is a holiday in Norway; it moves to Monday the 28th, which has a due time of its own."""
    frame = Frame(timezone="UTC", calendar="business", on_holiday="next business day")
    rule = CalendarRule(every="weekday", at=(time(6),), frame=frame)
    world = World(almanac=Almanac({"business": Calendar(country="NO")}, {}))
    watch = Watch(routine=routine(schedule=Schedule(rules=(rule,))), watermark=moment("2026-12-24 12:00"))
    assert told(decide(watch, "2026-12-28 06:00:01", world)) == [
        ("25 06:00", "skipped", "coalesced"),
        ("28 06:00", "start", "schedule"),
    ]


def test_an_edit_accounts_from_the_watermark_under_the_new_schedule_and_never_ahead_of_now() -> None:
    earlier = Schedule(rules=(CalendarRule(every="day", at=(time(1),), frame=UTC_FRAME),))
    watch = Watch(routine=routine(schedule=earlier), watermark=moment("2026-11-21 09:00"))
    assert decide(watch, "2026-11-21 12:00") == []
    assert plan_ahead(watch, world=WORLD, now=moment("2026-11-21 12:00"))[1] == moment("2026-11-22 01:00")


def test_a_clock_set_back_repeats_nothing() -> None:
    watch = Watch(routine=routine(schedule=EVERY_15), watermark=moment("2026-11-21 10:00"))
    assert decide(watch, "2026-11-21 09:30") == []
    assert plan_ahead(watch, world=WORLD, now=moment("2026-11-21 09:30"))[1] == moment("2026-11-21 10:15")


def test_every_due_time_gets_exactly_one_decision() -> None:
    watch = Watch(routine=routine(schedule=EVERY_15), watermark=moment("2026-11-20 00:00"))
    decisions = decide(watch, "2026-11-21 00:00")
    moments = [item.occurrence.nominal_at for item in decisions]
    assert moments == [moment("2026-11-20 00:15") + timedelta(minutes=15 * step) for step in range(96)]
    assert [item.verdict for item in decisions].count(Verdict.START) == 1
    assert decisions[-1].trigger is Trigger.SCHEDULE


EVERY_MINUTE = Schedule(rules=(IntervalRule(seconds=60, frame=UTC_FRAME),))


@pytest.mark.parametrize(
    ("catch_up", "paused", "ends"),
    [
        pytest.param(
            CatchUp(), False, {("missed", "coalesced"): 4319, ("start", ""): 1}, id="the latest of three days"
        ),
        pytest.param(
            CatchUp(policy="skip"), False, {("missed", "policy"): 4319, ("start", ""): 1}, id="none of three days"
        ),
        pytest.param(
            CatchUp(), True, {("missed", "window"): 1439, ("skipped", "paused"): 2881}, id="paused for the last two"
        ),
        pytest.param(
            CatchUp(within_seconds=3 * 86400),
            True,
            {("missed", "coalesced"): 1438, ("start", ""): 1, ("skipped", "paused"): 2881},
            id="paused for the last two, and the one before still counts",
        ),
    ],
)
def test_more_due_times_than_are_held_are_decided_on_like_few(
    catch_up: CatchUp, paused: bool, ends: dict[tuple[str, str], int]
) -> None:
    pause = Hold(
        id=1,
        routine="backups",
        kind="pause",
        nominal_at=None,
        until=moment("2026-11-25 00:00"),
        reason="",
        actor="boss",
        created_at=moment("2026-11-21 00:00"),
        ended_at=moment("2026-11-23 00:00:03"),
    )
    every_minute = routine(schedule=EVERY_MINUTE, catch_up=catch_up)
    watch = Watch(routine=every_minute, watermark=moment("2026-11-20 00:00"), holds=(pause,) if paused else ())
    decisions = decide(watch, "2026-11-23 00:00:05")
    assert Counter((item.verdict.value, item.reason) for item in decisions) == ends
    assert len({item.occurrence.nominal_at for item in decisions}) == 4320
    assert decisions == sorted(decisions, key=lambda item: item.occurrence)


def test_a_long_time_of_missed_minutes_takes_little_memory() -> None:
    def held() -> int:
        return sum(isinstance(item, Decision | Occurrence) for item in gc.get_objects())

    watch = Watch(routine=routine(schedule=EVERY_MINUTE), watermark=moment("2026-11-01 00:00"))
    before = held()
    decided, following = plan_ahead(watch, world=WORLD, now=moment("2026-11-21 00:00"))
    most, count = held(), 0
    for count, _ in enumerate(decided, 1):
        most = max(most, held()) if count % 5000 == 0 else most
    assert (count, following) == (28_800, moment("2026-11-21 00:01"))
    assert most - before < 2 * MOST_HELD
