"""How the lines of a day are folded, on the terminal and on the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from opsrunner.engine.calendar_lines import MANY, lines_of_day
from opsrunner.engine.forecast import Forecast, ForecastTask

START = datetime(2026, 11, 22, tzinfo=UTC)


def item(routine: str = "queues", *, number: int = 0, status: str = "due", **fields: Any) -> Forecast:
    at = START + timedelta(hours=number)
    return Forecast(routine=routine, name=routine, nominal_at=at, planned_at=at, status=status, **fields)


def told(items: list[Forecast]) -> list[tuple[str, str, int]]:
    return [(line.first.routine, line.first.status, line.times) for line in lines_of_day(items)]


def task(assignee: str, title: str = "Read") -> ForecastTask:
    return ForecastTask(title=title, role="desk", assignee=assignee)


def test_what_comes_up_to_so_often_stands_by_itself() -> None:
    assert told([item(number=number) for number in range(MANY)]) == [("queues", "due", 1)] * MANY


def test_what_comes_oftener_is_one_line_at_its_first_time() -> None:
    items = [item(number=number) for number in range(24)]
    items.insert(3, item("backups", number=2))
    assert told(items) == [("queues", "due", 24), ("backups", "due", 1)]


def test_what_failed_never_hides_behind_what_succeeded() -> None:
    items = [item(number=number, status="failed" if number in (5, 7) else "succeeded") for number in range(24)]
    assert told(items) == [("queues", "succeeded", 22), ("queues", "failed", 2)]


def test_each_reason_stands_for_itself() -> None:
    items = [item(number=number, status="skipped", reason="frozen" if number < 6 else "paused") for number in range(8)]
    assert [(line.first.reason, line.times) for line in lines_of_day(items)] == [("frozen", 6), ("paused", 2)]


def test_who_holds_the_tasks_is_said_for_all_of_a_line() -> None:
    """The desk changes hands in the middle of the day."""
    items = [item(number=number, tasks=(task("Ann" if number < 16 else "Bob"),)) for number in range(24)]
    (line,) = lines_of_day(items)
    assert line.people == "1 task each time for Ann, Bob"
    assert line.names == ("Ann", "Bob")


def test_tasks_for_rows_are_not_counted_before_there_are_rows() -> None:
    (line,) = lines_of_day([item(tasks=(task("Ann"), task("Ann"), task("Bob", "Verify {{ row.number }}")))])
    assert line.people == "2 tasks for Ann, a task a row for Bob"
    assert lines_of_day([item()])[0].people == ""
