"""How a human step becomes open tasks, and how the machine ticks some of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from opsrunner.engine.desk import Desk
from opsrunner.engine.people import People
from opsrunner.engine.rights import Rights
from opsrunner.engine.tasks import TaskOpener, approved_rows
from opsrunner.errors import ExpressionError, Refused
from opsrunner.model.person import Person
from opsrunner.model.routine import Approval, Due, Routine, StepPlan, TaskPlan
from opsrunner.model.run import Run, Trigger
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus

DAY = timedelta(days=1)
Start = Callable[..., Run]
Make = Callable[..., Routine]


@pytest.fixture
def opener(desk: Desk) -> TaskOpener:
    return TaskOpener(desk)


def asks(*tasks: TaskPlan, **changes: Any) -> StepPlan:
    """A human step `ask` with these tasks."""
    return StepPlan(id="ask", kind="checklist", tasks=tasks, **changes)


def for_orders(**changes: Any) -> StepPlan:
    """A step with one keyed task an order."""
    task = TaskPlan(id="ask", title="Verify funds for order {{ row.number }}", **changes)
    return asks(task, for_each="steps.unpaid.rows", key="row.number")


def listing(*numbers: int, status: str = "succeeded", **columns: Any) -> dict[str, Any]:
    """What the step `unpaid` found."""
    return {"steps": {"unpaid": {"status": status, "message": "", "rows": [{"number": n, **columns} for n in numbers]}}}


def test_it_opens_every_item_with_its_texts_and_the_accountable_as_its_role(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = asks(
        TaskPlan(id="ask.a", title="Look at {{ host }}", how="Log in to **{{ host }}**", group="Web"),
        TaskPlan(id="ask.b", title="Sign it", role="boss", due=Due(at=time(10)), link="https://example.com/{{ host }}"),
    )
    first, second = opener.open(start(), make_routine(plan), plan, {"host": "web1"}, at=now)
    assert (first.title, first.how, first.group, first.role) == (
        "Look at web1",
        "Log in to **web1**",
        "Web",
        "sysadmin",
    )
    assert (first.item, first.step, first.due_at, first.kind) == ("ask.a", "ask", None, TaskKind.ROUTINE)
    assert (second.role, second.link) == ("boss", "https://example.com/web1")
    assert second.due_at == datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "plan",
    [
        asks(TaskPlan(id="ask.a", title="A"), TaskPlan(id="ask.b", title="B")),
        asks(TaskPlan(id="ask", title="Look at {{ row.number }}"), for_each="steps.unpaid.rows"),
        for_orders(),
    ],
    ids=["plain items", "rows without a key", "rows with a key"],
)
def test_it_opens_nothing_twice_when_a_crash_repeats_the_step(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, plan: StepPlan
) -> None:
    run, routine = start(), make_routine(plan)
    first = opener.open(run, routine, plan, listing(1, 1 + 1), at=now)
    desk.books.tasks.close(first[0].id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(), at=now)
    again = opener.open(run, routine, plan, listing(1, 2), at=now)
    assert [task.id for task in again] == [task.id for task in first]
    assert len(first) == 2
    assert len(desk.books.tasks.of_run(run.id)) == 2


def test_the_same_order_in_three_runs_opens_one_task_with_its_newest_row(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders()
    routine = make_routine(plan)
    opened = [opener.open(start(), routine, plan, listing(17, days=day), at=now + day * DAY) for day in range(3)]
    assert [len(tasks) for tasks in opened] == [1, 0, 0]
    (task,) = desk.books.tasks.opened()
    assert (task.key, task.title, task.row, task.count) == (
        "17",
        "Verify funds for order 17",
        {"number": 17, "days": 2},
        3,
    )
    assert task.run == opened[0][0].run


def test_one_order_twice_in_one_list_opens_one_task(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders()
    assert len(opener.open(start(), make_routine(plan), plan, listing(17, 17), at=now)) == 1


def test_an_empty_key_is_an_error_that_opens_nothing_and_misses_nothing(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders()
    routine = make_routine(plan)
    rows = {"steps": {"unpaid": {"status": "succeeded", "rows": [{"number": 1}, {"number": None, "name": "Ann"}]}}}
    with pytest.raises(ExpressionError, match="is empty for name Ann"):
        opener.open(start(), routine, plan, rows, at=now)
    assert desk.books.tasks.opened() == []


def test_it_closes_what_the_source_no_longer_names_and_says_what_it_last_saw(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders(closes_when_gone=True)
    routine = make_routine(plan)
    gone, _ = opener.open(start(), routine, plan, listing(17, 18, amount=40), at=now)
    opener.open(start(), routine, plan, listing(18, amount=40), at=now + DAY)
    closed = desk.books.tasks.get(gone.id)
    assert (closed.status, closed.closed_by) == (TaskStatus.DONE, "source")
    assert closed.evidence.outcome == "no longer listed; last seen: number 17, amount 40"
    assert [task.key for task in desk.books.tasks.opened()] == ["18"]


def test_an_order_that_comes_back_opens_a_new_task(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders(closes_when_gone=True)
    routine = make_routine(plan)
    for numbers in ((17,), (), (17,)):
        opener.open(start(), routine, plan, listing(*numbers), at=now)
    (task,) = desk.books.tasks.opened()
    assert (task.key, task.count) == ("17", 1)


@pytest.mark.parametrize("status", ["failed", "skipped", "timed_out"])
def test_rows_that_are_missing_because_their_step_failed_close_nothing(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, status: str
) -> None:
    plan = for_orders(closes_when_gone=True)
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    opener.open(start(), routine, plan, listing(status=status), at=now)
    assert [task.key for task in desk.books.tasks.opened()] == ["17"]


def test_rows_that_are_missing_because_they_were_left_out_close_nothing(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders(closes_when_gone=True)
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    seen = listing(status="warning")
    seen["steps"]["unpaid"]["truncated"] = True
    opener.open(start(), routine, plan, seen, at=now)
    assert [task.key for task in desk.books.tasks.opened()] == ["17"]


@pytest.mark.parametrize(("kind", "left"), [("query", ["17", "18"]), ("run", ["18"]), ("ssh", ["18"])])
def test_rows_that_one_turn_left_out_close_nothing(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, kind: str, left: list[str]
) -> None:
    plan = for_orders(closes_when_gone=True)
    routine = make_routine(StepPlan(id="unpaid", kind=kind, for_each="['a', 'b']"), plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    seen = listing(18, status="warning")
    parts = [{"key": "a", "status": "succeeded"}, {"key": "b", "status": "warning", "truncated": True}]
    seen["steps"]["unpaid"]["parts"] = parts
    opener.open(start(), routine, plan, seen, at=now)
    assert sorted(task.key or "" for task in desk.books.tasks.opened()) == left, "of a log that was cut all rows came"


def test_a_log_that_was_cut_takes_no_rows_of_a_command(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders(closes_when_gone=True)
    routine = make_routine(StepPlan(id="unpaid", kind="run", rows="json"), plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    seen = listing(18)
    seen["steps"]["unpaid"]["truncated"] = True
    opener.open(start(), routine, plan, seen, at=now)
    assert [task.key for task in desk.books.tasks.opened()] == ["18"]


def test_what_was_not_ticked_is_missed_when_the_next_occurrence_opens_its_list(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = asks(
        TaskPlan(id="ask.next", title="Daily"),
        TaskPlan(id="ask.due", title="By ten", expires="due"),
        TaskPlan(id="ask.never", title="Some day", expires="never"),
    )
    routine = make_routine(plan)
    first = opener.open(start(), routine, plan, {}, at=now)
    second_run = start(trigger=Trigger.CATCH_UP)
    opener.open(second_run, routine, plan, {}, at=now + DAY)
    after = [desk.books.tasks.get(task.id) for task in first]
    assert [task.status for task in after] == [TaskStatus.MISSED, TaskStatus.OPEN, TaskStatus.OPEN]
    assert after[0].closed_by == "opsrunner"
    assert after[0].closed_at == now + DAY
    assert after[0].evidence.outcome == f"not ticked before run {second_run.id} opened its list"


@pytest.mark.parametrize("trigger", [Trigger.MANUAL, Trigger.RERUN, Trigger.ROWS])
def test_a_run_by_hand_is_no_next_occurrence(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, trigger: Trigger
) -> None:
    plan = asks(TaskPlan(id="ask", title="Daily"))
    routine = make_routine(plan)
    opener.open(start(), routine, plan, {}, at=now)
    opener.open(start(trigger=trigger), routine, plan, {}, at=now)
    assert [task.status for task in desk.books.tasks.opened()] == [TaskStatus.OPEN] * 2


def test_an_older_run_that_opens_late_does_not_miss_the_list_of_a_newer_one(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = asks(TaskPlan(id="ask", title="Daily"))
    routine = make_routine(plan)
    older, newer = start(), start()
    opener.open(newer, routine, plan, {}, at=now)
    opener.open(older, routine, plan, {}, at=now)
    assert len(desk.books.tasks.opened()) == 2


def test_keyed_tasks_and_follow_ups_never_expire(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders()
    routine = make_routine(plan)
    run = start()
    opener.open(run, routine, plan, listing(17), at=now)
    follow_up = NewTask(
        kind=TaskKind.FOLLOW_UP,
        run=run.id,
        routine="nightly",
        step="x",
        item="x",
        title="X",
        role="boss",
        opened_at=now,
    )
    desk.books.tasks.open(follow_up)
    opener.open(start(), routine, plan, listing(18), at=now)
    assert len(desk.books.tasks.opened()) == 3


def test_an_approval_freezes_its_rows_and_belongs_to_who_approves(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    approve = Approval(rows="steps.unpaid.rows", by="owner", not_self=True)
    plan = asks(TaskPlan(id="ask", title="Approve the list", role="support", approve=approve, wait=True))
    (task,) = opener.open(start(), make_routine(plan), plan, listing(1, 2, 3), at=now)
    assert (task.role, task.approve_by, task.approve_not_self) == ("owner", "owner", True)
    assert [row["number"] for row in task.rows] == [1, 2, 3]
    assert approved_rows(task) == ()
    desk.books.tasks.close(task.id, status=TaskStatus.DONE, by="boss", evidence=Evidence(), at=now, struck=[1])
    assert [row["number"] for row in approved_rows(desk.books.tasks.get(task.id))] == [1, 3]


@pytest.mark.parametrize("status", [TaskStatus.NOT_APPLICABLE, TaskStatus.COULD_NOT, TaskStatus.MISSED])
def test_only_what_was_approved_is_approved(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, status: TaskStatus
) -> None:
    plan = asks(TaskPlan(id="ask", title="Approve the list", approve=Approval(rows="steps.unpaid.rows", by="owner")))
    (task,) = opener.open(start(), make_routine(plan), plan, listing(1, 2), at=now)
    desk.books.tasks.close(task.id, status=status, by="boss", evidence=Evidence(), at=now)
    assert approved_rows(desk.books.tasks.get(task.id)) == ()


def test_an_approval_of_nothing_asks_nobody(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    approve = Approval(rows="steps.unpaid.rows", by="owner")
    plan = asks(TaskPlan(id="ask", title="Approve the list", approve=approve, wait=True))
    (task,) = opener.open(start(), make_routine(plan), plan, listing(), at=now)
    assert (task.status, task.evidence.outcome) == (TaskStatus.NOT_APPLICABLE, "nothing to approve")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("{{ 7*7 }}", "Call {{ 7*7 }}"),
        ("{{''.__class__}}{% for x in y %}", "Call {{''.__class__}}{% for x in y %}"),
        ("Ann\r\nBcc: evil@example.com", "Call Ann Bcc: evil@example.com"),
        ("Ann\x00\u2028\u202eBob", "Call Ann Bob"),
        ("\udcff", "Call \ufffd"),
        ("x" * 500, "Call " + "x" * 194 + "…"),
    ],
    ids=["template", "more template", "line break", "NUL and separators", "broken UTF-8", "too long"],
)
def test_data_in_a_title_is_data_on_one_line(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, name: str, title: str
) -> None:
    plan = asks(TaskPlan(id="ask", title="Call {{ row.name }}", how="{{ row.name }}"), for_each="rows", key="row.id")
    (task,) = opener.open(start(), make_routine(plan), plan, {"rows": [{"id": 1, "name": name}]}, at=now)
    assert task.title == title
    assert "\x00" not in task.how


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "https://example.com/a\nb", "//evil"])
def test_a_link_that_data_made_unsafe_is_dropped(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, link: str
) -> None:
    plan = asks(TaskPlan(id="ask", title="Look", link="{{ link }}"))
    (task,) = opener.open(start(), make_routine(plan), plan, {"link": link}, at=now)
    assert task.link == ""


def test_a_link_holds_nothing_that_no_address_may_hold(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = asks(TaskPlan(id="ask", title="Look", link="https://example.com/{{ name }}?a=1&b=%20"))
    name = 'a b"><script>alert(`1`)</script>'
    (task,) = opener.open(start(), make_routine(plan), plan, {"name": name}, at=now)
    assert task.link == "https://example.com/a%20b%22%3E%3Cscript%3Ealert(%601%60)%3C/script%3E?a=1&b=%20"


def test_the_machine_ticks_what_it_sees_done_and_says_what_it_saw(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    check = "steps.drill.status == 'succeeded'"
    plan = asks(TaskPlan(id="ask.a", title="Restorable", done_when=check), TaskPlan(id="ask.b", title="By hand"))
    routine, run = make_routine(plan), start()
    first, _ = opener.open(run, routine, plan, {}, at=now)
    assert opener.tick_by_machine(run, routine, {"steps": {}}, at=now) == []
    assert opener.tick_by_machine(run, routine, drill("failed"), at=now) == []
    (ticked,) = opener.tick_by_machine(run, routine, drill("succeeded"), at=now + DAY)
    assert (ticked.id, ticked.status, ticked.closed_by) == (first.id, TaskStatus.DONE, "check")
    assert ticked.evidence.outcome == "drill succeeded: 20 of 20 files read back"
    assert ticked.settles_at == now + DAY
    assert [task.title for task in desk.books.tasks.opened()] == ["By hand"]


def test_a_check_of_one_run_does_not_tick_the_list_of_another(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = asks(TaskPlan(id="ask", title="Restorable", done_when="steps.drill.status == 'succeeded'"))
    routine = make_routine(plan)
    opener.open(start(), routine, plan, {}, at=now)
    assert opener.tick_by_machine(start(), routine, drill("succeeded"), at=now) == []


def test_a_keyed_task_from_an_earlier_run_is_ticked_by_its_newest_row(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders(done_when="row.paid")
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17, paid=False), at=now)
    later = start()
    opener.open(later, routine, plan, listing(17, paid=True), at=now)
    ticked = opener.tick_by_machine(later, routine, listing(17, paid=True), at=now)
    assert [(task.key, task.evidence.outcome) for task in ticked] == [("17", "row.paid")]


def drill(status: str) -> dict[str, Any]:
    """How the step `drill` ended."""
    return {"steps": {"drill": {"status": status, "message": "20 of 20 files read back", "rows": []}}}


UNSAID = "row.number not in (steps.unpaid.rows | map(attribute='number') | list)"
SILENT_ENDS = [
    # how the step `unpaid` ended, and its figures
    pytest.param({"status": "failed", "reason": "failed"}, id="it failed"),
    pytest.param({"status": "timed_out", "reason": "timed_out"}, id="it timed out"),
    pytest.param({"status": "skipped", "reason": "not_reached"}, id="it was never reached"),
    pytest.param({"status": "skipped", "reason": "when"}, id="it was not asked"),
    pytest.param({"status": "interrupted", "reason": "shutdown"}, id="it was cut off"),
    pytest.param({"status": "warning", "reason": "partial", "count": 0, "truncated": True}, id="it told a part"),
]


@pytest.mark.parametrize("end", SILENT_ENDS)
@pytest.mark.parametrize(
    "check",
    [UNSAID, "not steps.unpaid.rows", "steps.unpaid.count == 0", "steps.unpaid.parts | length == 0"],
    ids=["not in its rows", "no rows", "a figure of none", "no parts"],
)
def test_rows_that_do_not_come_because_their_step_told_no_more_tick_nothing(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, end: dict[str, Any], check: str
) -> None:
    plan = for_orders(done_when=check)
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    seen = {"steps": {"unpaid": {"message": "", "rows": [], "parts": [], **end}}}
    assert opener.tick_by_machine(start(), routine, seen, at=now) == []


@pytest.mark.parametrize(
    "end",
    [
        pytest.param({"status": "succeeded"}, id="it succeeded"),
        pytest.param({"status": "warning"}, id="it warns"),
        pytest.param({"status": "failed", "reason": "fail_if"}, id="an expression found fault with its rows"),
        pytest.param({"status": "skipped", "reason": "no_rows"}, id="there was nothing to go through"),
    ],
)
def test_rows_that_no_longer_come_from_a_step_that_told_all_tick_the_task(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, end: dict[str, Any]
) -> None:
    plan = for_orders(done_when=UNSAID)
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    seen = {"steps": {"unpaid": {"reason": "", "message": "", "rows": [], "parts": [], **end}}}
    assert [task.key for task in opener.tick_by_machine(start(), routine, seen, at=now)] == ["17"]


@pytest.mark.parametrize(
    ("check", "is_ticked"),
    [
        ("steps.unpaid.status == 'failed'", True),
        ("(steps.unpaid.parts | selectattr('key', 'eq', 'web1') | first).status == 'succeeded'", True),
        ("steps.unpaid.findings == 0", False),  # of the hosts that were reached
        ("steps.unpaid.status == 'failed' or not steps.unpaid.rows", True),
    ],
)
def test_how_a_step_and_its_parts_ended_is_known_also_where_it_failed(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, check: str, is_ticked: bool
) -> None:
    plan = for_orders(done_when=check)
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    parts = [{"key": "web1", "status": "succeeded"}, {"key": "web2", "status": "failed"}]
    view = {"status": "failed", "reason": "failed", "message": "", "rows": [], "parts": parts, "findings": 0}
    ticked = opener.tick_by_machine(start(), routine, {"steps": {"unpaid": view}}, at=now)
    assert bool(ticked) is is_ticked


def test_the_exit_code_of_a_command_that_failed_is_known(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = for_orders(done_when="steps.unpaid.exit_code == 3")
    routine = make_routine(plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    view = {"status": "failed", "reason": "failed", "message": "", "rows": [], "parts": [], "exit_code": 3}
    assert opener.tick_by_machine(start(), routine, {"steps": {"unpaid": view}}, at=now) != []


@pytest.mark.parametrize(("status", "is_ticked"), [("failed", False), ("succeeded", True)])
def test_a_step_over_rows_has_told_no_more_than_the_step_that_they_come_from(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, status: str, is_ticked: bool
) -> None:
    plan = for_orders(done_when="row.number not in (steps.looked.rows | map(attribute='number') | list)")
    looked = StepPlan(id="looked", kind="http", for_each="steps.unpaid.rows")
    routine = make_routine(StepPlan(id="unpaid", kind="query", on_failure="continue"), looked, plan)
    opener.open(start(), routine, plan, listing(17), at=now)
    seen = listing(status=status)
    seen["steps"]["looked"] = {"status": "skipped", "reason": "no_rows", "message": "", "rows": [], "count": 0}
    assert bool(opener.tick_by_machine(start(), routine, seen, at=now)) is is_ticked


def test_a_task_that_was_ticked_meanwhile_stays_as_the_person_left_it(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    plan = asks(TaskPlan(id="ask", title="Restorable", done_when="true"))
    routine, run = make_routine(plan), start()
    (task,) = opener.open(run, routine, plan, {}, at=now)
    desk.books.tasks.close(task.id, status=TaskStatus.COULD_NOT, by="ops1", evidence=Evidence(note="no"), at=now)
    assert opener.tick_by_machine(run, routine, {}, at=now) == []
    closed: Task = desk.books.tasks.get(task.id)
    assert closed.status is TaskStatus.COULD_NOT


def test_a_key_may_not_come_again_before_its_time_or_ever(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime
) -> None:
    for seconds, days in ((None, ()), (28 * 86400, (28, 40)), (0, (1, 27, 28, 40))):
        plan = for_orders(again_seconds=seconds)
        routine = make_routine(plan, routine_id=f"every-{seconds}")
        (task,) = opener.open(start(routine.id), routine, plan, listing(17), at=now)
        desk.books.tasks.close(task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(), at=now)
        came = []
        for day in (1, 27, 28, 40):
            later = now + day * DAY
            fresh = opener.open(start(routine.id), routine, plan, listing(17, 18), at=later)
            if any(one.key == "17" for one in fresh):
                came.append(day)
            for one in fresh if seconds == 0 else ():
                desk.books.tasks.close(one.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(), at=later)
        assert tuple(came) == (days[:1] if seconds else days)
        assert seconds == 0 or "18" in {one.key for one in desk.books.tasks.opened(routine=routine.id)}


@pytest.mark.parametrize(
    ("value", "due"),
    [
        (datetime(2026, 11, 21, 9, tzinfo=UTC), datetime(2026, 11, 21, 9, tzinfo=UTC)),
        (date(2026, 11, 21), datetime(2026, 11, 21, 23, tzinfo=UTC)),  # its midnight in Oslo
        (None, None),
    ],
)
def test_a_task_is_due_when_its_row_says(
    opener: TaskOpener, start: Start, make_routine: Make, now: datetime, value: object, due: datetime | None
) -> None:
    plan = for_orders(due=Due(row="row.until"))
    (task,) = opener.open(start(), make_routine(plan), plan, listing(17, until=value), at=now)
    assert task.due_at == due


@pytest.mark.parametrize("value", ["tomorrow", 5, datetime(2026, 11, 21, 9)])
def test_what_is_no_moment_is_an_error_that_says_so(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, value: object
) -> None:
    plan = for_orders(due=Due(row="row.until"))
    with pytest.raises(ExpressionError, match=r"due: 'row.until' is no moment or date; declare it"):
        opener.open(start(), make_routine(plan), plan, listing(17, until=value), at=now)
    assert desk.books.tasks.opened() == []


def test_whose_own_work_it_is_neither_sees_it_on_their_list_nor_may_take_it(
    desk: Desk, opener: TaskOpener, start: Start, make_routine: Make, now: datetime, team: dict[str, Person]
) -> None:
    plan = for_orders(not_by="row.staff", role="support")
    (task,) = opener.open(start(), make_routine(plan), plan, listing(17, staff="First Technician"), at=now)
    people, rights = People(desk), Rights(desk)
    assert not people.is_for(task, team["ops1"], at=now)
    assert people.is_for(task, team["ops2"], at=now)
    with pytest.raises(Refused, match="is about First technician's own work"):
        rights.require_task(team["ops1"], task, at=now)
    rights.require_task(team["ops2"], task, at=now)
    assert desk.books.tasks.get(task.id).not_by == "First Technician"
