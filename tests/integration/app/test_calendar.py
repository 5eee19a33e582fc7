"""The calendar: what it says of the past is the ledger, what it says of the future is what happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.calendar import CalendarMaker
from opsrunner.engine.calendar_span import span_of
from opsrunner.engine.calendar_view import CalendarView, Entry
from opsrunner.engine.forecast import Forecast, forecast

HOURLY = 'name: Hourly\naccountable: sysadmin\nschedule: {every: 1h}\nsteps:\n  - run: ["true"]\n'
SIGNED = "name: Signed\naccountable: sysadmin\nschedule: {every: day, at: '13:00'}\nsteps:\n  - task: Sign\n"
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
calendars:
  business: {days_off: [2026-11-21]}
mail: {from: ops@example.com}
"""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


def calendar(site: Any, from_: str, until: str) -> list[Forecast]:
    return forecast(
        site.app.site,
        site.app.almanac,
        from_=moment(from_),
        until=moment(until),
        now=site.clock.now(),
        books=site.app.books,
        people=site.app.people,
    )


def told(found: list[Forecast]) -> list[str]:
    return [f"{item.planned_at:%d %H:%M} {item.routine} {item.status} {item.reason}".strip() for item in found]


def test_it_shows_nothing_before_a_routine_was_known(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    assert told(calendar(site, "20T09:30", "20T13:30")) == ["20 13:00 hourly due"]
    site.at("2026-11-20T13:00:01")
    assert told(calendar(site, "20T09:30", "20T14:30")) == ["20 13:00 hourly succeeded", "20 14:00 hourly due"]


def test_it_keeps_what_ran_under_a_schedule_that_was_edited_and_of_a_routine_that_is_gone(
    house: Callable[..., Any],
) -> None:
    site = house({"hourly": HOURLY, "signed": SIGNED})
    site.at("2026-11-20T13:00:01")
    site.write("routines/hourly.yaml", HOURLY.replace("1h", "15m"))
    (site.root / "routines" / "signed.yaml").unlink()
    site.at("2026-11-20T13:05:00")
    found = calendar(site, "20T12:00", "20T13:30")
    assert told(found) == [
        "20 13:00 hourly succeeded",
        "20 13:00 signed waiting",
        "20 13:15 hourly due",
        "20 13:30 hourly due",
    ]
    assert found[1].name == "Signed"
    assert [(task.title, task.assignee) for task in found[1].tasks] == [("Sign", "First technician")]


def test_a_move_is_told_before_and_after_it_happened(house: Callable[..., Any]) -> None:
    text = HOURLY.replace("{every: 1h}", "{every: day, at: '13:00', on_holiday: next business day}")
    site = house({"moved": text}, site=SITE)
    site.work()
    before = [(item.nominal_at, item.planned_at, item.shift) for item in calendar(site, "21T00:00", "22T00:00")]
    assert before == []
    site.at("2026-11-23T13:00:01")
    (item,) = [item for item in calendar(site, "23T00:00", "24T00:00") if item.nominal_at == moment("21T13:00")]
    assert (item.status, item.shift) == ("skipped", "Day off, moved to the next business day")


@pytest.mark.parametrize(
    ("until", "status"),
    [("20T13:00", "due"), ("20T13:01", "skipped")],
    ids=["it ends as the occurrence is due", "it ends after"],
)
def test_a_pause_holds_up_to_its_end_and_no_longer(house: Callable[..., Any], until: str, status: str) -> None:
    """A pause until Thursday ends as Friday begins, so what is due at Friday's midnight runs."""
    site = house({"hourly": HOURLY})
    site.work()
    site.app.books.holds.pause("hourly", until=moment(until), reason="disks", actor="boss", at=site.clock.now())
    assert [item.status for item in calendar(site, "20T12:30", "20T13:30")] == [status]
    site.at("2026-11-20T13:00:01")
    assert site.told("hourly") == [{"due": "succeeded schedule", "skipped": "skipped paused"}[status]]


def test_a_pause_that_is_over_cannot_be_ended_again(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    holds = site.app.books.holds
    holds.pause("hourly", until=moment("20T13:30"), reason="disks", actor="boss", at=site.clock.now())
    assert not holds.resume("hourly", actor="boss", at=moment("20T13:30"))
    assert holds.resume("hourly", actor="boss", at=moment("20T13:29"))


ROSTERED = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  ops2: {name: Second technician, email: ops2@example.com, roles: [sysadmin]}
rosters:
  on-call: {rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops1, ops2]}
calendars:
  business: {days_off: [2026-11-21]}
mail: {from: ops@example.com}
"""


def view_of(site: Any, first: str = "2026-11-20", *, routine: str | None = None) -> CalendarView:
    maker = CalendarMaker(site.app.desk, site.app.people, now=site.clock.now(), routine=routine)
    return maker.of(span_of("month", date.fromisoformat(first)))


def counted(entries: list[Entry]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for one in entries:
        found[(one.routine, one.status, one.reason)] += one.times
    return found


def test_the_page_s_calendar_and_the_forecast_count_the_same(house: Callable[..., Any]) -> None:
    """Days with runs, what was missed while nobody was there, a pause, a holiday, and what comes after."""
    moved = "{every: day, at: '13:00', on_holiday: next business day}"
    routines = {"hourly": HOURLY, "signed": SIGNED, "moved": HOURLY.replace("{every: 1h}", moved)}
    site = house(routines, site=ROSTERED)
    site.work()
    site.app.books.holds.pause("moved", until=moment("24T13:30"), reason="disks", actor="boss", at=site.clock.now())
    for at in ("2026-11-20T13:00:01", "2026-11-20T15:00:01", "2026-11-23T12:30:00", "2026-11-23T12:30:20"):
        site.at(at)
    zone = ZoneInfo("Europe/Oslo")
    days = view_of(site).days
    for day in days:
        begin, end = (datetime.combine(day.day + timedelta(days=more), time(0), zone) for more in (0, 1))
        instant = timedelta(microseconds=1)
        told = forecast(
            site.app.site,
            site.app.almanac,
            from_=begin - instant,
            until=end - instant,
            now=site.clock.now(),
            books=site.app.books,
            people=site.app.people,
        )
        entries = [*day.entries, *day.folded, *day.fine]
        assert counted(entries) == Counter((one.routine, one.status, one.reason) for one in told), day.day
    statuses = {entry.status for day in days for entry in (*day.entries, *day.folded, *day.fine)}
    assert statuses >= {"succeeded", "missed", "waiting", "skipped", "due"}


def test_a_waiting_run_stands_with_who_has_its_tasks_and_a_coming_one_with_who_will(house: Callable[..., Any]) -> None:
    site = house({"signed": SIGNED.replace("sysadmin", "on-call")}, site=ROSTERED)
    site.work()
    site.at("2026-11-21T12:00:01")
    days = view_of(site).days
    (waiting,) = days[20].entries
    assert (waiting.status, waiting.people) == ("waiting", "1 task with Second technician")
    assert [days[number].entries[0].people for number in (21, 22)] == [
        "1 task for Second technician",
        "1 task for First technician",  # since 09:00 on Monday 23
    ]
    assert [(each.clock, each.name) for each in days[22].known.rosters[0].passes_on] == [("09:00", "First technician")]


def test_one_routine_s_calendar_names_what_went_well_and_knows_nothing_of_the_others(
    house: Callable[..., Any],
) -> None:
    site = house({"hourly": HOURLY, "signed": SIGNED})
    site.work()
    for at in ("2026-11-20T13:00:01", "2026-11-20T14:00:01"):
        site.at(at)
    today = view_of(site, routine="hourly").days[19]
    assert [(line.routine, line.status, line.times) for line in today.entries] == [
        ("hourly", "succeeded", 2),
        ("hourly", "due", 9),
    ]
    assert today.fine == ()
    assert {entry.routine for entry in view_of(site, routine="signed").days[19].entries} == {"signed"}
    assert view_of(site, routine="gone").said == ""


def test_a_clock_that_was_ahead_shows_what_is_on_record_once(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.at("2026-11-20T13:00:01")
    site.clock.step(hours=-2)
    days = view_of(site).days
    assert counted([*days[19].entries, *days[19].folded, *days[19].fine])[("hourly", "succeeded", "")] == 1


def test_what_is_due_at_the_very_moment_of_a_pass_is_shown_once(house: Callable[..., Any]) -> None:
    site = house({"hourly": HOURLY})
    site.work()
    site.at("2026-11-20T13:00:00")
    day = view_of(site).days[19]
    assert counted([*day.entries, *day.folded, *day.fine]) == {
        ("hourly", "succeeded", ""): 1,
        ("hourly", "due", ""): 10,
    }


def test_what_is_on_record_does_not_come_again_where_an_edit_moves_it_ahead(house: Callable[..., Any]) -> None:
    daily = "name: Daily\naccountable: sysadmin\nschedule: {every: day, at: '13:00'MORE}\nsteps:\n  - run: ['true']\n"
    site = house({"daily": daily.replace("MORE", "")}, site=SITE)
    site.at("2026-11-21T13:00:01")
    site.write("routines/daily.yaml", daily.replace("MORE", ", on_holiday: next business day"))
    site.at("2026-11-21T14:00:00")
    coming = [(item.nominal_at, item.planned_at) for item in calendar(site, "21T14:00", "23T14:00")]
    assert coming == [(moment("22T13:00"), moment("22T13:00")), (moment("23T13:00"), moment("23T13:00"))]
    site.at("2026-11-23T13:00:01")
    assert Counter(run.nominal_at for run in site.runs("daily")).most_common(1)[0][1] == 1
