"""A failing step opens one follow-up, which counts and closes itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from opsrunner.engine.alerts import INTERRUPTED_KEY, Alerts
from opsrunner.engine.desk import Desk
from opsrunner.engine.follow_ups import FollowUps
from opsrunner.model.outcome import Part, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.task import TaskKind, TaskStatus

DUMP = StepPlan(id="dump", kind="run", name="the billing dump")
HOUR = timedelta(hours=1)
Start = Callable[..., Run]
Make = Callable[..., Routine]


@pytest.fixture
def follow_ups(desk: Desk) -> FollowUps:
    return FollowUps(desk)


def test_forty_failures_are_one_follow_up_that_says_so_and_closes_at_the_next_success(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine = make_routine(DUMP)
    ends = [
        follow_ups.failed(start(), routine, DUMP, key="", message=f"exit {number}", at=now + number * HOUR)
        for number in range(1, 41)
    ]
    assert [is_new for _, is_new in ends] == [True] + [False] * 39
    (task,) = desk.books.tasks.opened()
    assert (task.count, task.message, task.kind) == (40, "exit 40", TaskKind.FOLLOW_UP)
    assert (task.title, task.role) == ("Look at why the billing dump of Nightly work failed", "sysadmin")
    assert len(desk.books.outbox.queued()) == 1
    good = start()
    (closed,) = follow_ups.succeeded(good, routine, DUMP, keys=[""], at=now + 41 * HOUR)
    assert (closed.id, closed.status, closed.closed_by) == (task.id, TaskStatus.DONE, "check")
    assert closed.evidence.outcome == f"succeeded again in run {good.id} after 40 failures"
    assert desk.books.tasks.opened() == []


def test_the_next_failure_after_a_success_opens_a_new_one_and_mails_again(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine = make_routine(DUMP)
    follow_ups.failed(start(), routine, DUMP, key="", message="no", at=now)
    (closed,) = follow_ups.succeeded(start(), routine, DUMP, keys=[""], at=now)
    assert closed.evidence.outcome.endswith("after 1 failure")
    task, is_new = follow_ups.failed(start(), routine, DUMP, key="", message="no", at=now)
    assert (is_new, task.count) == (True, 1)
    assert len(desk.books.outbox.queued()) == 2


def test_a_success_with_nothing_open_closes_nothing(
    follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    assert follow_ups.succeeded(start(), make_routine(DUMP), DUMP, keys=[""], at=now) == []


def test_a_run_that_is_told_of_twice_counts_once(
    follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine, run = make_routine(DUMP), start()
    for _ in range(2):
        task, _ = follow_ups.failed(run, routine, DUMP, key="", message="no", at=now)
    assert task.count == 1


def test_its_steps_name_the_newest_run(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine = make_routine(DUMP)
    for _ in range(3):
        task, _ = follow_ups.failed(start(), routine, DUMP, key="", message="no", at=now)
    assert task.run == 3
    assert "`opsrunner show 3` and `opsrunner logs 3 dump`" in desk.books.tasks.get(task.id).how


def test_each_host_has_its_own_and_closes_by_its_own_success(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine = make_routine(DUMP)
    for key in ("web1", "web2"):
        task, _ = follow_ups.failed(start(), routine, DUMP, key=key, message="no", at=now)
        assert task.title == f"Look at why the billing dump of Nightly work failed for {key}"
    follow_ups.succeeded(start(), routine, DUMP, keys=["web1"], at=now)
    assert [task.key for task in desk.books.tasks.opened()] == ["web2"]


def test_hosts_that_succeed_together_close_each_its_own(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine = make_routine(DUMP)
    for key in ("web1", "web2", "web3"):
        follow_ups.failed(start(), routine, DUMP, key=key, message="no", at=now)
    closed = follow_ups.succeeded(start(), routine, DUMP, keys=["web3", "web1", "web7"], at=now)
    assert [task.key for task in closed] == ["web1", "web3"]
    assert [task.key for task in desk.books.tasks.opened()] == ["web2"]
    assert follow_ups.succeeded(start(), routine, DUMP, keys=[], at=now) == []


def test_a_success_of_the_whole_step_closes_also_what_failed_for_a_host_that_is_gone(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    other = StepPlan(id="copy", kind="run")
    routine = make_routine(DUMP, other)
    follow_ups.failed(start(), routine, DUMP, key="web9", message="no", at=now)
    follow_ups.failed(start(), routine, other, key="", message="no", at=now)
    follow_ups.succeeded(start(), routine, DUMP, keys=[""], at=now)
    assert [task.step for task in desk.books.tasks.opened()] == ["copy"]


def test_what_a_step_no_longer_comes_to_is_closed_by_the_source_while_others_still_fail(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    other = StepPlan(id="copy", kind="run")
    routine = make_routine(DUMP, other)
    for key in ("web1", "web9", ""):
        follow_ups.failed(start(), routine, DUMP, key=key, message="timed out", at=now)
    follow_ups.failed(start(), routine, other, key="web9", message="no", at=now)
    follow_ups.interrupted(start(), routine, DUMP, at=now)
    run = start()
    (closed,) = follow_ups.unlisted(run, routine, DUMP, listed={"web1", "web2"}, at=now)
    assert (closed.key, closed.status, closed.closed_by) == ("web9", TaskStatus.DONE, "source")
    assert closed.evidence.outcome == f"no longer listed in run {run.id}; failed last: timed out"
    assert sorted((task.step, task.key) for task in desk.books.tasks.opened()) == [
        ("copy", "web9"),
        ("dump", ""),
        ("dump", INTERRUPTED_KEY),
        ("dump", "web1"),
    ]


def test_many_hosts_that_fail_together_are_many_follow_ups_in_one_mail(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine, run = make_routine(DUMP), start()
    bad = [(f"web{number}", "connection refused") for number in range(50)]
    ends = follow_ups.failed_for(run, routine, DUMP, bad=bad, at=now)
    assert len(desk.books.tasks.opened()) == len(ends) == 50
    (mail,) = desk.books.outbox.queued()
    assert "And 49 more of the same step" in mail.text


def test_hosts_of_one_run_that_are_told_one_by_one_are_one_mail_too(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine, run = make_routine(DUMP), start()
    for key in ("web1", "web2"):
        follow_ups.failed(run, routine, DUMP, key=key, message="no", at=now)
    assert len(desk.books.outbox.queued()) == 1


def test_an_interrupted_step_asks_a_person_and_closes_when_the_step_next_succeeds(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    routine = make_routine(DUMP)
    task, is_new = follow_ups.interrupted(start(), routine, DUMP, at=now)
    again, is_new_again = follow_ups.interrupted(start(), routine, DUMP, at=now)
    assert (is_new, is_new_again, again.id, again.count) == (True, False, task.id, 2)
    assert task.title == "See how far the billing dump of Nightly work came before it was cut off"
    (mail,) = desk.books.outbox.queued()
    assert mail.subject == "Interrupted: Nightly work: the billing dump"
    (closed,) = follow_ups.succeeded(start(), routine, DUMP, keys=[""], at=now)
    assert closed.evidence.outcome.endswith("after it was cut off")


def test_a_question_about_an_act_that_happens_once_is_not_lost_in_the_next_one(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    credit = StepPlan(id="credit", kind="http", once="credit-{{ row.number }}", for_each="steps.due.rows")
    routine, first, second = make_routine(credit), start(), start()
    for run, key in ((first, "b"), (second, "d"), (second, "d")):
        parts = [Part(key=key, status=StepStatus.INTERRUPTED), Part(key="z", status=StepStatus.FAILED)]
        follow_ups.interrupted(run, routine, credit, parts=parts, message="cut off", at=now)
    (task,) = desk.books.tasks.opened()
    assert (task.count, task.message) == (2, f"d: cut off; before, in run {first.id}: b: cut off")


def test_a_failure_of_an_act_that_happens_once_keeps_what_was_asked_before(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    credit = StepPlan(id="credit", kind="http", once="credit-{{ run.id }}")
    routine, first, second = make_routine(credit), start(), start()
    for run, message in ((first, "status 402"), (second, "status 500"), (second, "status 500")):
        follow_ups.failed(run, routine, credit, key="", message=message, at=now)
    (task,) = desk.books.tasks.opened()
    assert (task.count, task.message) == (2, f"status 500; before, in run {first.id}: status 402")


def test_of_a_week_of_long_questions_about_acts_that_happen_once_each_run_is_named(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    credit = StepPlan(id="credit", kind="http", once="credit-{{ today }}")
    routine, runs = make_routine(credit), [start() for _ in range(12)]
    for run in runs:
        follow_ups.failed(run, routine, credit, key="", message=f"run {run.id} " + "w" * 550, at=now)
    (task,) = desk.books.tasks.opened()
    assert task.message.startswith(f"run {runs[-1].id} ")
    assert f"; before, in run {runs[-2].id}: run {runs[-2].id} www" in task.message
    assert task.message.endswith(f"…; also in runs {', '.join(str(run.id) for run in runs[:3])}")


def test_an_urgent_step_mails_once_through_quiet_hours_and_not_as_a_follow_up_too(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make
) -> None:
    urgent = StepPlan(id="dump", kind="run", urgent=True)
    routine, night = make_routine(urgent), datetime.fromisoformat("2026-11-20T02:30:00+00:00")
    alerts = Alerts(desk)
    for _ in range(3):
        run = start()
        follow_ups.failed(run, routine, urgent, key="", message="exit 1", at=night)
        alerts.urgent_failure(run, routine, urgent, "exit 1", night)
        alerts.urgent_failure(run, routine, urgent, "exit 1", night)
    (mail,) = desk.books.outbox.queued()
    assert (mail.to, mail.not_before) == ("ops1@example.com", None)
    assert mail.subject == "Urgent, failed: Nightly work: dump"


def test_an_urgent_step_that_was_cut_off_once_still_mails_when_it_fails(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    urgent = StepPlan(id="dump", kind="run", urgent=True)
    routine = make_routine(urgent)
    follow_ups.interrupted(start(), routine, urgent, at=now)
    run = start()
    follow_ups.failed(run, routine, urgent, key="", message="exit 1", at=now)
    Alerts(desk).urgent_failure(run, routine, urgent, "exit 1", now)
    assert [mail.subject for mail in desk.books.outbox.queued()] == [
        "Interrupted: Nightly work: dump",
        "Urgent, failed: Nightly work: dump",
    ]


def test_an_urgent_step_mails_when_another_host_begins_to_fail(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    urgent = StepPlan(id="dump", kind="run", urgent=True)
    routine, alerts = make_routine(urgent), Alerts(desk)
    for bad in (["web1"], ["web1"], ["web1", "web2"]):
        run = start()
        follow_ups.failed_for(run, routine, urgent, bad=[(key, "no") for key in bad], at=now)
        alerts.urgent_failure(run, routine, urgent, "no", now)
    assert len(desk.books.outbox.queued()) == 2


def test_data_in_a_key_and_a_message_is_data(
    desk: Desk, follow_ups: FollowUps, start: Start, make_routine: Make, now: datetime
) -> None:
    key, message = "a\r\nBcc: evil@example.com {{7*7}}", "<script>alert(1)</script>\x00{{7*7}}\nline"
    task, _ = follow_ups.failed(start(), make_routine(DUMP), DUMP, key=key, message=message, at=now)
    assert task.title.endswith("failed for a Bcc: evil@example.com {{7*7}}")
    assert task.message == "<script>alert(1)</script>{{7*7}}\nline"
    (mail,) = desk.books.outbox.queued()
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject
    assert "<script>" not in mail.html
    assert "{{7*7}}" in mail.text
    assert desk.books.tasks.open_about("nightly", "dump", TaskKind.FOLLOW_UP, key) == task
