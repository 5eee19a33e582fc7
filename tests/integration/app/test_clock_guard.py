"""A daemon whose clock is wrong: nothing happens for a time that is not, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.engine.doctor import examine
from opsrunner.engine.doctor_patient import Patient
from opsrunner.engine.forecast import forecast
from opsrunner.errors import Refused

HOURLY = """\
name: Hourly
accountable: sysadmin
schedule: {every: 1h}
steps:
  - run: ["true"]
"""
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def state(site: Any) -> tuple[int, ...]:
    """Return how many rows each table has that a pass may write to."""
    tables = ("runs", "routines", "tasks", "outbox", "digests", "rungs")
    return tuple(site.app.books.ledger.one(f"SELECT count(*) FROM {table}")[0] for table in tables)


def nominals(site: Any) -> list[str]:
    return [f"{run.nominal_at:%d %H:%M} {run.status.value} {run.reason}".strip() for run in site.runs("hourly")]


def coming(site: Any, *, hours: int) -> list[str]:
    app, now = site.app, site.clock.now()
    until = now + timedelta(hours=hours)
    found = forecast(app.site, app.almanac, from_=now, until=until, now=now, books=app.books, people=app.people)
    return [f"{one.planned_at:%H:%M} {one.status}" for one in found]


def reopen(site: Any) -> None:
    site.close()
    site.app.draining.clear()
    site.open()


def clock_finding(site: Any) -> str:
    with site.app.lock:
        found = examine(
            Patient(
                site=site.app.site,
                problems=(),
                warnings=(),
                state=site.app.state,
                books=site.app.books,
                lock=type(site.app.lock)(site.app.state),
                now=site.clock.now(),
                pinned=lambda _: True,
                try_mail=lambda: "",
            )
        )
    return " ".join(finding.what for finding in found if "clock" in finding.what)


@pytest.mark.parametrize("with_restart", [False, True], ids=["in one process", "over a restart"])
def test_a_minute_in_another_decade_leaves_no_trace_but_a_gap(
    house: Callable[..., Any], caplog: pytest.LogCaptureFixture, with_restart: bool
) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-20T13:00:01")
    before = state(site)
    site.clock.step(days=3700)
    if with_restart:
        reopen(site)
    site.write("routines/other.yaml", HOURLY.replace("Hourly", "Other"))
    for _ in range(6):
        site.work()
        site.clock.move(seconds=10)
    assert state(site) == before
    assert not site.daemon.is_healthy()
    assert not site.daemon.knows_the_time()
    assert "by the steady clock it is 2026-11-20 13:00" in clock_finding(site)
    assert caplog.text.count("but by the steady clock") == 1

    site.clock.step(days=-3700)
    site.work()
    assert site.daemon.is_healthy()
    assert "plausible" in clock_finding(site)
    (gap,) = site.app.books.service.gaps(since=START)
    assert gap.reason == "clock"
    assert timedelta(seconds=59) < gap.until - gap.from_ < timedelta(seconds=90)
    site.at("2026-11-20T14:00:00")
    assert nominals(site) == ["20 13:00 succeeded", "20 14:00 succeeded"]
    assert "other" in site.app.books.routines.all()


def test_a_step_that_the_clock_stands_by_is_a_downtime(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-20T13:00:01")
    site.clock.step(days=2)
    site.work()
    site.clock.move(minutes=9)
    site.work()
    assert len(site.runs("hourly")) == 1
    site.clock.move(minutes=1)
    site.work()
    assert len(site.runs("hourly")) == 1 + 48
    assert nominals(site)[-2:] == ["22 12:00 missed coalesced", "22 13:00 succeeded"]
    (gap,) = site.app.books.service.gaps(since=START)
    assert (gap.reason, gap.from_, gap.until) == ("clock", START + timedelta(hours=1, seconds=1), site.clock.now())


def test_two_hours_ahead_are_caught_up_by_policy(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-20T13:00:01")
    site.clock.step(hours=2)
    site.work()
    assert nominals(site)[1:] == ["20 14:00 missed coalesced", "20 15:00 succeeded"]


def test_a_clock_that_was_ahead_takes_back_what_it_said_of_times_to_come(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-20T13:00:01")
    site.clock.step(hours=3)
    site.work()
    site.clock.step(hours=-3)
    site.work()
    assert nominals(site) == ["20 13:00 succeeded", "20 16:00 succeeded"]
    assert coming(site, hours=4) == ["14:00 due", "15:00 due", "16:00 succeeded", "17:00 due"]
    for hour in (14, 15, 16, 17):
        site.at(f"2026-11-20T{hour}:00:01")
    assert sorted(nominals(site)) == [f"20 {hour}:00 succeeded" for hour in (13, 14, 15, 16, 17)]


def test_a_routine_that_is_written_after_the_clock_was_set_back_does_not_sleep(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-20T13:40:00")
    site.clock.step(minutes=-50)
    site.write("routines/other.yaml", HOURLY.replace("1h", "10m"))
    site.work()
    site.at("2026-11-20T13:00:00")
    assert len(site.runs("other")) == 1
    assert len(site.runs("hourly")) == 1


def test_years_ahead_believed_and_set_back_neither_silence_routines_nor_digests(house: Callable[..., Any]) -> None:
    daily = HOURLY.replace("{every: 1h}", '{every: day, at: "02:30"}')
    site = house({"hourly": daily})
    site.at("2026-11-21T02:30:00")
    site.at("2026-11-21T07:00:01")
    site.clock.step(days=300)
    site.work()
    site.clock.move(minutes=11)
    site.work()
    books = site.app.books
    assert len(site.runs("hourly")) == 301
    assert books.digests.last("daily").until_at.year == 2027
    books.holds.pause(
        "hourly", until=site.clock.now() + timedelta(days=1), reason="", actor="boss", at=site.clock.now()
    )
    books.holds.resume("hourly", actor="boss", at=site.clock.now())

    site.clock.step(days=-300)
    site.work()
    site.clock.move(minutes=11)
    site.work()
    assert len(site.runs("hourly")) == 2
    assert all(mail.next_try_at <= site.clock.now() for mail in books.outbox.queued())
    site.at("2026-11-22T02:30:00")
    site.at("2026-11-22T07:00:01")
    assert nominals(site)[-1] == "22 02:30 succeeded"
    assert books.digests.last("daily", until=site.clock.now()).until_at == datetime(2026, 11, 22, 7, tzinfo=UTC)


@pytest.mark.parametrize("when", ["before the first pass", "later"])
def test_a_clock_before_the_ledger_is_never_believed(house: Callable[..., Any], when: str) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-24T12:30:00")
    before = state(site)
    site.clock.step(days=-200)
    if when == "before the first pass":
        reopen(site)
    for _ in range(20):
        site.work()
        site.clock.move(minutes=5)
    assert state(site) == before
    site.clock.step(days=200)
    site.work()
    assert nominals(site)[-1] == "24 14:00 succeeded"


def test_after_a_long_time_switched_off_it_waits_ten_minutes(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY.replace("1h", "12h")})
    site.at("2026-11-20T13:00:00")
    site.clock.move(days=31)
    site.clock.reboot()
    reopen(site)
    site.work()
    assert site.runs("hourly") == []
    site.clock.move(minutes=10)
    site.work()
    assert len(site.runs("hourly")) == 62


def test_who_asks_for_a_run_is_told_why_nothing_happens(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.work()
    site.clock.step(days=3700)
    site.work()
    holder = type(site.app.lock)(site.app.state)
    with holder, pytest.raises(Refused, match="the daemon holds everything: the clock says 2037"):
        site.app.run_by_hand("hourly", actor="boss")
    assert site.app.books.requests.waiting() == []


@pytest.mark.parametrize("back", [{"milliseconds": 160}, {"minutes": 20}])
def test_a_clock_set_back_a_little_owes_no_second_digest(house: Callable[..., Any], back: dict[str, int]) -> None:
    own = house({})
    own.at("2026-11-20T13:00:00")
    own.at("2026-11-21T09:59:59")  # two hours late
    count = "SELECT count(*) FROM digests WHERE series = 'daily'"
    assert own.app.books.ledger.one(count)[0] == 1

    own.clock.step(**{name: -value for name, value in back.items()})
    own.work()
    own.work()

    assert own.app.books.ledger.one(count)[0] == 1
    own.at("2026-11-22T07:00:01")
    assert own.app.books.ledger.one(count)[0] == 2
