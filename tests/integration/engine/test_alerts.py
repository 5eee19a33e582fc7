"""The mails that go at once: to whom, when, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.alerts import Alerts
from opsrunner.engine.desk import Desk
from opsrunner.engine.outputs import output_file
from opsrunner.model.person import Person
from opsrunner.model.routine import Escalation, Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.site import Site, WebSettings
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus

NIGHT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
SEVEN = datetime(2026, 11, 20, 6, tzinfo=UTC)
DUMP = StepPlan(id="dump", kind="run")
Open = Callable[..., Task]


@pytest.fixture
def alerts(desk: Desk) -> Alerts:
    return Alerts(desk)


@pytest.fixture
def open_task(desk: Desk) -> Open:
    """Open a task that is due at seven."""

    def open_one(**changes: Any) -> Task:
        new = NewTask(
            kind=TaskKind.ROUTINE,
            run=None,
            routine="nightly",
            step="ask",
            item="ask",
            title="Read the report",
            how="Log in and **look**.",
            link="https://example.com/report",
            role="sysadmin",
            due_at=SEVEN,
            opened_at=NIGHT,
        )
        return desk.books.tasks.open(replace(new, **changes))[0]

    return open_one


def test_a_mail_in_quiet_hours_waits_for_their_end(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    alerts.reminder(open_task(), "remind -3600", NIGHT)
    (mail,) = desk.books.outbox.queued()
    assert (mail.to, mail.not_before) == ("ops1@example.com", SEVEN)
    assert desk.books.outbox.due(SEVEN - timedelta(seconds=1)) == []
    assert [due.id for due in desk.books.outbox.due(SEVEN)] == [mail.id]


def test_a_mail_shows_what_is_text_in_markdown_as_people_read_it(alerts: Alerts, desk: Desk, open_task: Open) -> None:
    alerts.reminder(open_task(how=r"By a\_b \(c\): `a\_b`."), "remind -3600", NIGHT)
    (mail,) = desk.books.outbox.queued()
    assert r"By a_b (c): `a\_b`." in mail.text
    assert r"By a_b (c): `a\_b`." in mail.html


def tell(alerts: Alerts, task: Task, what: str) -> None:
    if what == "reminder":
        alerts.reminder(task, "remind -3600", NIGHT)
    elif what == "escalation":
        alerts.escalated(task, Escalation(after_seconds=60, to="sysadmin"), NIGHT)
    else:
        alerts.follow_up_opened(task, NIGHT)


@pytest.mark.parametrize("templates", ["packaged", "none"])
@pytest.mark.parametrize("what", ["reminder", "escalation", "follow-up"])
def test_a_mail_that_quiet_hours_hold_is_taken_back_when_its_task_closes(
    desk: Desk, open_task: Open, tmp_path: Path, what: str, templates: str
) -> None:
    alerts = Alerts(desk if templates == "packaged" else replace(desk, reports=(tmp_path / "nothing",)))
    task = open_task()
    tell(alerts, task, what)
    assert len(desk.books.outbox.queued()) == 1
    desk.books.tasks.close(task.id, status=TaskStatus.DONE, by="boss", evidence=Evidence(), at=NIGHT)
    assert desk.books.outbox.queued() == desk.books.outbox.due(SEVEN) == []


def test_a_mail_about_several_follow_ups_stays_when_the_first_closes(
    desk: Desk, alerts: Alerts, open_task: Open
) -> None:
    tasks = [open_task(kind=TaskKind.FOLLOW_UP, key=key) for key in ("web1", "web2")]
    alerts.follow_ups_opened(tasks, NIGHT)
    desk.books.tasks.close(tasks[0].id, status=TaskStatus.DONE, by="check", evidence=Evidence(), at=NIGHT)
    assert len(desk.books.outbox.due(SEVEN)) == 1


def test_reminders_of_one_night_are_one_mail_that_says_how_late_it_is_when_it_arrives(
    desk: Desk, alerts: Alerts, open_task: Open
) -> None:
    task = open_task(due_at=NIGHT + timedelta(hours=1))
    alerts.reminder(task, "remind -3600", NIGHT)
    alerts.reminder(task, "remind 0", NIGHT + timedelta(hours=1))
    assert [mail.subject for mail in desk.books.outbox.queued()] == ["2 h overdue: Read the report"]
    alerts.reminder(task, "remind 14400", SEVEN + timedelta(hours=1))
    assert len(desk.books.outbox.queued()) == 2


def test_each_reader_has_quiet_hours_of_their_own(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    alerts.reminder(open_task(role="support"), "remind -3600", NIGHT)
    assert {mail.to: mail.not_before for mail in desk.books.outbox.queued()} == {
        "ops1@example.com": SEVEN,
        "ops2@example.com": None,
    }


def test_a_mail_after_quiet_hours_goes_at_once(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    alerts.reminder(open_task(), "remind 0", SEVEN)
    (mail,) = desk.books.outbox.queued()
    assert mail.not_before is None


def test_nothing_goes_twice_for_one_cause(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    task = open_task()
    for _ in range(2):
        alerts.reminder(task, "remind -3600", SEVEN)
        alerts.escalated(task, Escalation(after_seconds=60, to="owner"), SEVEN)
        alerts.follow_up_opened(replace(task, kind=TaskKind.FOLLOW_UP, run=7), SEVEN)
    assert len(desk.books.outbox.queued()) == 3
    alerts.reminder(task, "remind 0", SEVEN)
    alerts.reminder(open_task(), "remind -3600", SEVEN)
    assert len(desk.books.outbox.queued()) == 5


def test_a_reminder_says_what_when_why_and_how(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    task = open_task()
    alerts.reminder(task, "remind -3600", SEVEN - timedelta(hours=1))
    (mail,) = desk.books.outbox.queued()
    assert mail.subject == "Due now: Read the report"
    for words in (
        "Due Fri 20 Nov 07:00",
        "Open since Fri 20 Nov 03:30",
        "you are the only sysadmin here",
        "Log in and **look**.",
        "https://example.com/report",
        f"opsrunner tick {task.id}",
    ):
        assert words in mail.text
    assert "Read the report" in mail.html
    assert mail.about == f"reminder {task.id}"


def test_a_mail_leads_to_the_page_where_people_elsewhere_have_one(
    desk: Desk, alerts: Alerts, open_task: Open, in_force: list[Site]
) -> None:
    task = open_task()
    alerts.reminder(task, "remind -3600", SEVEN - timedelta(hours=1))
    in_force.append(replace(in_force[-1], web=WebSettings(url="https://ops.example.com/")))
    alerts.reminder(task, "remind 0", SEVEN)
    before, after = desk.books.outbox.queued()
    assert "127.0.0.1" not in before.text + before.html
    assert f"https://ops.example.com/tasks/{task.id}\n" in after.text
    assert f'href="https://ops.example.com/tasks/{task.id}"' in after.html


def test_a_reminder_goes_to_who_took_the_task(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    alerts.reminder(open_task(role="support", person="ops2"), "remind 0", SEVEN)
    assert [mail.to for mail in desk.books.outbox.queued()] == ["ops2@example.com"]


def test_an_escalation_tells_the_next_one_with_whom_it_is(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    alerts.escalated(open_task(), Escalation(after_seconds=7200, to="owner"), SEVEN + timedelta(hours=2))
    (mail,) = desk.books.outbox.queued()
    assert mail.to == "owner@example.com"
    assert mail.subject == "2 h overdue, escalated to you: Read the report"
    assert "It is with First technician." in mail.text
    assert "it comes to owner when it is 2 h late" in mail.text


def test_a_follow_up_shows_the_end_of_the_output(
    desk: Desk,
    alerts: Alerts,
    open_task: Open,
    start: Callable[..., Run],
    make_routine: Callable[..., Routine],
) -> None:
    make_routine(DUMP)
    run = start()
    path = output_file(desk.state, run.id, "dump", "web1")
    path.parent.mkdir(parents=True)
    path.write_text("first\n<b>lost connection</b>\n")
    task = open_task(kind=TaskKind.FOLLOW_UP, run=run.id, step="dump", item="dump", key="web1", message="exit 2")
    alerts.follow_up_opened(task, SEVEN)
    (mail,) = desk.books.outbox.queued()
    assert mail.subject == "Failed: Nightly work: dump (web1)"
    assert f"It failed in run {run.id}: exit 2" in mail.text
    assert "| <b>lost connection</b>" in mail.text
    assert "&lt;b&gt;lost connection" in mail.html
    assert f"opsrunner logs {run.id} dump" in mail.text


def test_an_urgent_failure_without_follow_up_mails_each_time(
    desk: Desk, alerts: Alerts, start: Callable[..., Run], make_routine: Callable[..., Routine]
) -> None:
    plan = StepPlan(id="dump", kind="run", urgent=True, follow_up=False)
    routine = make_routine(plan)
    for _ in range(2):
        alerts.urgent_failure(start(), routine, plan, "exit 1", NIGHT)
    mails = desk.books.outbox.queued()
    assert [(mail.to, mail.not_before) for mail in mails] == [("ops1@example.com", None)] * 2


@pytest.mark.parametrize(
    "broken", ["{% if %}", "Subject: {{ alert.nothing.at.all }}\n\nx"], ids=["does not parse", "does not render"]
)
def test_a_sites_own_template_that_is_no_good_costs_no_mail(
    desk: Desk, alerts: Alerts, open_task: Open, tmp_path: Path, broken: str
) -> None:
    folder = tmp_path / "site" / "reports"
    folder.mkdir(parents=True)
    for ending in ("txt", "html"):
        (folder / f"reminder.{ending}.j2").write_text(broken)
    alerts.reminder(open_task(), "remind 0", SEVEN)
    (mail,) = desk.books.outbox.queued()
    assert mail.subject == "Due now: Read the report"


def test_without_any_template_a_plain_mail_goes(desk: Desk, open_task: Open, tmp_path: Path) -> None:
    bare = replace(desk, reports=(tmp_path / "nothing",))
    Alerts(bare).reminder(open_task(), "remind 0", SEVEN)
    (mail,) = desk.books.outbox.queued()
    assert (mail.subject, mail.html) == ("Due now: Read the report", "")
    assert "Due Fri 20 Nov 07:00." in mail.text


def test_a_person_without_an_address_stops_no_mail_to_others(
    desk: Desk, alerts: Alerts, open_task: Open, put_in_force: Callable[..., Site], team: dict[str, Person]
) -> None:
    put_in_force(people={**team, "ops1": replace(team["ops1"], email="")})
    alerts.reminder(open_task(role="support"), "remind 0", SEVEN)
    assert [mail.to for mail in desk.books.outbox.queued()] == ["ops2@example.com"]


def test_quiet_hours_are_the_sites_wall_clock(
    desk: Desk, alerts: Alerts, open_task: Open, put_in_force: Callable[..., Site], team: dict[str, Person]
) -> None:
    put_in_force(
        timezone="Pacific/Auckland", people={**team, "ops1": replace(team["ops1"], quiet=(time(15), time(16)))}
    )
    alerts.reminder(open_task(), "remind 0", NIGHT)  # 15:30 in Auckland
    (mail,) = desk.books.outbox.queued()
    assert mail.not_before == NIGHT + timedelta(minutes=30)


def test_a_mail_and_its_cause_are_written_together_or_not_at_all(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    task = open_task()

    def fail_after_mail() -> None:
        with desk.books.transaction():
            alerts.reminder(task, "remind 0", SEVEN)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_mail()
    assert desk.books.outbox.queued() == []


def test_the_mail_of_a_question_in_no_file_calls_it_as_people_do(desk: Desk, alerts: Alerts, open_task: Open) -> None:
    desk.books.routines.note_asked("ask-0123abcd", "Ask: uptime", at=SEVEN)
    task = open_task(kind=TaskKind.FOLLOW_UP, routine="ask-0123abcd", step="ask", item="ask", key="web1", run=None)

    alerts.escalated(task, Escalation(after_seconds=7200, to="owner"), SEVEN + timedelta(hours=2))

    (mail,) = desk.books.outbox.queued()
    assert "It belongs to Ask: uptime." in mail.text
    assert "ask-0123abcd" not in mail.text
