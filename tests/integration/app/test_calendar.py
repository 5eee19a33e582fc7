"""The calendar: what it says of the past is the ledger, what it says of the future is what happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

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
