"""One walk along a schedule says the same as two: what is due up to now, and when it is due next."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.engine.held import World
from opsrunner.engine.planner import Watch, plan, plan_ahead
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import (
    Calendar,
    CalendarRule,
    CatchUp,
    CronRule,
    Frame,
    IntervalRule,
    OffsetRule,
    OnceRule,
    OnHoliday,
    Rule,
    Schedule,
)
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import LOOK_AHEAD, occurrences

ZONES = st.sampled_from(["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
HOLIDAYS: st.SearchStrategy[OnHoliday] = st.sampled_from(["run", "skip", "next business day", "previous business day"])
FRAMES = st.builds(Frame, timezone=ZONES, on_holiday=HOLIDAYS)
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30, 59])).map(lambda clock: (clock,))
RULES: st.SearchStrategy[Rule] = st.one_of(
    st.builds(CalendarRule, every=st.sampled_from(["day", "weekday", "business day"]), at=CLOCKS, frame=FRAMES),
    st.builds(CalendarRule, every=st.just("week"), on=st.just(("friday",)), at=CLOCKS, frame=FRAMES),
    st.builds(CalendarRule, every=st.just("month"), on=st.just(("1", "last day")), at=CLOCKS, frame=FRAMES),
    st.builds(CalendarRule, every=st.just("year"), on=st.just(("24 dec",)), at=CLOCKS, frame=FRAMES),
    st.builds(CronRule, expression=st.sampled_from(["30 2 * * *", "*/20 8-9 * * 1-5", "0 0 1 * *"]), frame=FRAMES),
    st.builds(IntervalRule, seconds=st.sampled_from([900, 21600]), frame=st.builds(Frame, timezone=ZONES)),
    st.builds(OnceRule, moment=st.just(datetime(2026, 10, 25, 2, 30)), frame=FRAMES),
    st.builds(OffsetRule, of=st.just("other"), offset_seconds=st.sampled_from([-86400, 3600]), frame=FRAMES),
)
OTHER = Schedule(rules=(CalendarRule(every="day", at=(time(3),), frame=Frame(timezone="Europe/Oslo")),))
DAYS_OFF = tuple(date(2026, 10, day) for day in (23, 26, 27))
WORLD = World(almanac=Almanac({"business": Calendar(days_off=DAYS_OFF)}, {"other": OTHER}))
MOMENTS = st.datetimes(datetime(2026, 10, 20), datetime(2026, 11, 3), timezones=st.just(UTC))


@settings(max_examples=300, deadline=None)
@given(RULES, MOMENTS, st.timedeltas(timedelta(hours=-2), timedelta(days=5)), st.sampled_from(["latest", "all"]))
def test_one_walk_says_what_two_do(rule: Rule, watermark: datetime, later: timedelta, policy: str) -> None:
    catch_up = CatchUp(policy="all" if policy == "all" else "latest")
    routine = Routine(id="x", name="X", accountable="boss", schedule=Schedule(rules=(rule,)), catch_up=catch_up)
    watch, now = Watch(routine=routine, watermark=watermark), watermark + later

    decisions, following = plan_ahead(watch, world=WORLD, now=now)

    assert list(decisions) == list(plan(watch, world=WORLD, now=now))
    after = max(watermark, now)
    coming = occurrences(routine.schedule, after=after, until=after + LOOK_AHEAD, almanac=WORLD.almanac)
    assert following == next((one.planned_at for one in coming), None)


def test_a_schedule_that_is_over_is_due_no_more() -> None:
    rule = OnceRule(moment=datetime(2026, 10, 25, 2, 30), frame=Frame(timezone="UTC"))
    routine = Routine(id="x", name="X", accountable="boss", schedule=Schedule(rules=(rule,)))
    watch = Watch(routine=routine, watermark=datetime(2026, 10, 25, tzinfo=UTC))

    decisions, following = plan_ahead(watch, world=WORLD, now=datetime(2026, 10, 25, 2, 30, tzinfo=UTC))

    assert len(list(decisions)) == 1
    assert following is None
