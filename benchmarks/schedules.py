"""10,000 schedules planned: the next due time of each, and a simulated day in which all that is due is found.

The work, the same on both sides. A pass begins at a simulated `now` with a list of what is due when. It takes out what
is due, tells every due time since the list was last looked at, works out when each of these schedules is due next and
puts it back; the next pass begins at the earliest moment that the list then holds. The first figure is the time to
fill the list with 10,000 next due times, the second the passes of one day, the third their sum. Nothing is run, logged
or written, no YAML is read. Times are those of the processor: both sides only compute.

Ours is `plan_ahead`, which the daemon asks, with catching up, overlap, holds and freezes in place, over
a dictionary of moments; the peer is APScheduler's memory store with its own triggers of the same meaning
(`peer_schedules.py`), in a process of its own. No zone changes its clock on that day: around such a change the peer's
triggers mean something else. Both sides must find the same number of due times. Median of several turns.
"""

from __future__ import annotations

import heapq
import json
import random
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure

from opsrunner.engine.held import World
from opsrunner.engine.planner import Watch, plan_ahead
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import CalendarRule, CronRule, Frame, IntervalRule, Rule, Schedule
from opsrunner.schedules.almanac import Almanac

COUNT, SEED, TURNS = 10_000, 20260310, 5
START = datetime(2026, 3, 10, 0, 0, 30, tzinfo=UTC)
PEER = Path(__file__).with_name("peer_schedules.py")
PEER_PYTHON = Path(__file__).parents[1] / ".venv-peers/bin/python"
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
ZONES = ("Europe/Oslo", "America/New_York", "Asia/Tokyo", "UTC")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Pair = tuple[Rule, dict[str, Any]]
"""A rule of ours, and what the peer is told instead."""


def figures() -> Iterator[Figure]:
    """Yield the time to plan all, that of a day, and both, in milliseconds."""
    pairs = made_rules(COUNT, SEED)
    asked = json.dumps({"start": START.isoformat(), "rules": [theirs for _, theirs in pairs]})
    turns = [(run_day([ours for ours, _ in pairs]), _peer(asked)) for _ in range(TURNS)]
    for ours, theirs in turns:
        assert ours["fired"] == theirs["fired"], (ours, theirs)
    for name, words, most in (
        ("planned", f"{COUNT:,} schedules, the next due time of each", None),
        ("day", f"… a day of them: {turns[0][0]['fired']:,.0f} due times found", None),
        ("both", "… both", 1 / 2.5),
    ):
        ours_ms, theirs_ms = (statistics.median(turn[side][name] for turn in turns) * 1000 for side in (0, 1))
        yield Figure(name=words, ours=ours_ms, unit="ms", peer="APScheduler, memory store", theirs=theirs_ms, most=most)


def run_day(rules: list[Rule]) -> dict[str, float]:
    """Plan the rules and run the passes of a day; return seconds and how much was due."""
    world = World(almanac=Almanac())
    routines = [
        Routine(id=f"r{number}", name="", accountable="owner", schedule=Schedule(rules=(rule,)))
        for number, rule in enumerate(rules)
    ]
    fired, end = 0, START + timedelta(days=1)
    before = time.process_time()
    agenda: dict[datetime, list[Routine]] = defaultdict(list)
    for routine in routines:
        _, at = plan_ahead(Watch(routine=routine, watermark=START), world=world, now=START)
        agenda[at or NEVER].append(routine)
    moments = list(agenda)
    heapq.heapify(moments)
    planned, looked_at = time.process_time(), START
    while (now := heapq.heappop(moments)) <= end:
        for routine in agenda.pop(now):
            watch = Watch(routine=routine, watermark=looked_at)
            decisions, following = plan_ahead(watch, world=world, now=now)
            fired += sum(1 for _ in decisions)
            if (at := following or NEVER) not in agenda:
                heapq.heappush(moments, at)
            agenda[at].append(routine)
        looked_at = now
    done = time.process_time()
    return {"planned": planned - before, "day": done - planned, "both": done - before, "fired": fired}


def made_rules(count: int, seed: int) -> list[Pair]:
    """Return `count` rules: times of day, weekdays, days of the month, cron expressions and intervals."""
    dice = random.Random(seed)
    return [_KINDS[number % len(_KINDS)](dice) for number in range(count)]


def _frame(dice: random.Random) -> Frame:
    return Frame(timezone=dice.choice(ZONES))


def _clock(dice: random.Random) -> clock_time:
    return clock_time(dice.randrange(24), dice.randrange(60))


def _fields(frame: Frame, clock: clock_time, **days: Any) -> dict[str, Any]:
    return {"zone": frame.timezone, "fields": [{"hour": clock.hour, "minute": clock.minute, **days}]}


def _daily(dice: random.Random) -> Pair:
    frame, clock = _frame(dice), _clock(dice)
    return CalendarRule(every="day", at=(clock,), frame=frame), _fields(frame, clock)


def _weekday(dice: random.Random) -> Pair:
    frame, clock = _frame(dice), _clock(dice)
    return CalendarRule(every="weekday", at=(clock,), frame=frame), _fields(frame, clock, day_of_week="mon-fri")


def _weekly(dice: random.Random) -> Pair:
    frame, clock, day = _frame(dice), _clock(dice), dice.choice(WEEKDAYS)
    rule = CalendarRule(every="week", on=(day,), at=(clock,), frame=frame)
    return rule, _fields(frame, clock, day_of_week=day[:3])


def _monthly(dice: random.Random) -> Pair:
    frame, clock, day = _frame(dice), _clock(dice), dice.randint(1, 28)
    return CalendarRule(every="month", on=(str(day),), at=(clock,), frame=frame), _fields(frame, clock, day=day)


def _cron_at(dice: random.Random) -> Pair:
    frame, clock = _frame(dice), _clock(dice)
    rule = CronRule(expression=f"{clock.minute} {clock.hour} * * 1-5", frame=frame)
    return rule, _fields(frame, clock, day_of_week="mon-fri")


def _cron_often(dice: random.Random) -> Pair:
    frame, step = _frame(dice), dice.choice((10, 15, 20, 30))
    first = dice.randint(6, 9)
    rule = CronRule(expression=f"*/{step} {first}-18 * * *", frame=frame)
    return rule, {"zone": frame.timezone, "fields": [{"minute": f"*/{step}", "hour": f"{first}-18"}]}


def _interval(dice: random.Random) -> Pair:
    minutes = dice.choice((15, 30, 60, 120, 360))
    return IntervalRule(seconds=minutes * 60, frame=_frame(dice)), {"zone": "UTC", "seconds": minutes * 60}


_KINDS = (_daily, _daily, _weekday, _weekly, _monthly, _cron_at, _cron_at, _cron_often, _interval, _interval)


def _peer(asked: str) -> dict[str, float]:
    answer = subprocess.run([PEER_PYTHON, PEER], input=asked, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return {**found, "both": found["planned"] + found["day"]}
