"""The shipped routines of support over a whole site: clocks, trends, samples and the partner's desk."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.cli.main import call
from opsrunner.errors import Refused
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import Evidence, Task, TaskStatus

ROUTINES = Path(__file__).parents[3] / "routines"
CHECKLISTS = ROUTINES.parent / "checklists"
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [front-desk, support], login: ops1}
  ops2: {name: Second technician, email: ops2@example.com, roles: [support]}
mail: {from: ops@example.com}
calendars:
  business: {working_hours: "08:00-16:00"}
sources:
  tickets:
    csv: data/tickets.csv
    columns:
      ticket: text
      customer: text
      name: text
      email: text
      subject: text
      category: text
      priority: text
      status: text
      opened_at: moment
      first_answer_at: moment?
      last_customer_at: moment?
      last_staff_at: moment?
      closed_at: moment?
      staff: text?
      desk: text
  customers:
    csv: data/customers.csv
    columns: {customer: text, name: text, email: text, since: date, status: text, weight: number, language: text?}
  orders:
    csv: data/orders.csv
    columns: {number: text, product: text, channel: text, placed_at: moment}
  company: {tables: [tickets]}
  ledger: {sqlite: $STATE/ledger.db}
"""
HOSTILE = '{{7*7}} <script>alert(1)</script>\r\nBcc: x@evil.example, "a, b@evil" \u2028 \' OR 1=1; $(touch P)'
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""Friday; work ends at 16:00."""
Row = dict[str, Any]


def ticket(number: str, opened: str, **changes: Any) -> Row:
    """Return a row of the tickets' source; times are UTC."""
    values = {
        "ticket": number,
        "customer": "C1",
        "name": "Fjord Bakery",
        "email": "post@fjord.example",
        "subject": "No mail",
        "category": "e-mail",
        "priority": "normal",
        "status": "open",
        "opened_at": opened,
        "first_answer_at": "",
        "last_customer_at": opened,
        "last_staff_at": "",
        "closed_at": "",
        "staff": "",
        "desk": "own",
    }
    return values | changes


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Support:
    """A site with the shipped routines, and the help desk that they read."""

    def __init__(self, house: Any) -> None:
        self.house = house
        self.tickets: dict[str, Row] = {}

    def put(self, *rows: Row) -> None:
        """Let the help desk say this of tickets."""
        self.tickets |= {str(row["ticket"]): row for row in rows}
        self.write("tickets", list(self.tickets.values()) or [ticket("none", text(NOON))], is_empty=not self.tickets)

    def write(self, name: str, rows: Sequence[Mapping[str, Any]], *, is_empty: bool = False) -> None:
        sheet = io.StringIO()
        writer = csv.DictWriter(sheet, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows([] if is_empty else rows)
        (self.house.root / "data").mkdir(exist_ok=True, mode=0o700)
        self.house.write(f"data/{name}.csv", sheet.getvalue())

    def look(self, at: str) -> None:
        """Let time pass, and do what is due."""
        self.house.at(f"2026-11-{at}")

    def opened(self, routine: str = "support-queue") -> list[Task]:
        return list(self.house.app.books.tasks.opened(routine=routine))

    def ever(self, routine: str = "support-queue") -> list[Task]:
        """Return every task that a routine ever opened."""
        closed = self.house.app.books.tasks.closed(since=NOON - timedelta(days=1))
        return [*self.opened(routine), *(task for task in closed if task.routine == routine)]

    def last(self, routine: str) -> Run:
        run: Run = self.house.runs(routine)[-1]
        return run

    def rows(self, routine: str, step: str) -> list[Mapping[str, Any]]:
        """Return the rows of a step of the last run."""
        records = self.house.app.books.steps.of_run(self.last(routine).id)
        (outcome,) = [record.outcome for record in records if record.id == step]
        assert outcome is not None
        return list(outcome.rows)

    def mails(self) -> list[tuple[str, str]]:
        """Return to whom what was written."""
        rows = self.house.app.books.ledger.all(
            'SELECT "to", subject FROM outbox WHERE about <> ? ORDER BY id', ("digest",)
        )
        return [(row["to"], row["subject"]) for row in rows]

    def tick(self, task: Task, actor: str = "ops1", **evidence: Any) -> Task:
        app = self.house.app
        return app.ticks.tick(  # type: ignore[no-any-return]
            task.id,
            actor=app.site.people[actor],
            status=TaskStatus.DONE,
            evidence=Evidence(**evidence),
            at=self.house.clock.now(),
        )


@pytest.fixture
def support(house: Callable[..., Any]) -> Callable[..., Support]:
    """Make a site with some of the shipped routines."""

    def build(*names: str) -> Support:
        made = Support(
            house({name: (ROUTINES / f"{name}.yaml").read_text(encoding="utf-8") for name in names}, site=SITE)
        )
        big = {
            "customer": "C9",
            "name": "Big One",
            "email": "big@one.example",
            "since": "2020-01-01",
            "status": "active",
        }
        made.write("customers", [{**big, "weight": 2, "language": ""}])
        made.write("orders", [{"number": "1", "product": "Server L", "channel": "by hand", "placed_at": text(NOON)}])
        made.put()
        assert made.house.app.loaded.problems == ()
        return made

    return build


def test_a_ticket_warns_is_over_once_escalates_once_and_closes_itself_when_it_is_answered(
    support: Callable[..., Support],
) -> None:
    """Done when: warn before, breach once, escalate, closed by the source."""
    desk = support("support-queue")
    desk.look("20T12:15")
    desk.put(ticket("T1", "2026-11-20T10:00:00Z"))
    desk.look("20T12:30")
    assert [one.message for one in desk.opened()] == [], "two and a half of its four hours have passed"

    desk.look("20T13:00")  # a quarter is left
    (task,) = desk.opened()
    assert (task.title, task.key) == ("Answer ticket T1 of Fjord Bakery: No mail", "T1 first")
    assert task.due_at == datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert desk.mails() == []

    desk.look("20T14:00")
    (late,) = desk.opened()
    assert late.id == task.id
    assert [to for to, _ in desk.mails()] == ["ops1@example.com"], "who has it is reminded as it is over"
    for quarter in range(1, 20):
        desk.look(f"20T{14 + quarter // 4}:{quarter % 4 * 15:02}")
    assert [to for to, _ in desk.mails()] == ["ops1@example.com", "owner@example.com"]
    assert len([one for one in desk.ever() if one.key == "T1 first"]) == 1

    answer = "2026-11-20T19:00:00Z"
    desk.put(ticket("T1", "2026-11-20T10:00:00Z", status="answered", first_answer_at=answer, last_staff_at=answer))
    desk.look("20T19:15")
    closed = desk.house.app.books.tasks.get(task.id)
    assert (closed.status, closed.closed_by) == (TaskStatus.DONE, "source")
    assert desk.opened() == []


def test_one_clock_opens_one_task_over_a_hundred_runs_restarts_and_ticks(support: Callable[..., Support]) -> None:
    desk = support("support-queue")
    desk.look("20T12:15")
    desk.put(ticket("T1", "2026-11-20T08:00:00Z"))
    ticked = False
    for number in range(100):
        desk.house.clock.move(minutes=15)
        desk.house.work()
        if number % 20 == 7:
            desk.house.close()
            desk.house.open()
        if number == 30:
            (task,) = [one for one in desk.opened() if one.key == "T1 first"]
            desk.tick(task, note="called them")
            ticked = True

    assert ticked
    assert len(desk.house.runs("support-queue")) >= 100
    keys = [task.key for task in desk.ever()]
    assert keys.count("T1 first") == 1, "who ticked it has said what there is to say"
    assert len(keys) == len(set(keys))


def test_a_ticket_that_is_opened_again_has_a_clock_of_its_own(support: Callable[..., Support]) -> None:
    desk = support("support-queue")
    desk.look("20T12:15")
    opened = "2026-11-20T12:00:00Z"
    desk.put(ticket("T1", opened, priority="critical"))
    desk.look("20T12:30")
    assert {task.key for task in desk.opened()} == {"T1 first"}

    answered = {"first_answer_at": "2026-11-20T13:10:00Z", "last_staff_at": "2026-11-20T13:10:00Z"}
    desk.put(ticket("T1", opened, priority="critical", status="closed", closed_at="2026-11-20T13:10:00Z", **answered))
    desk.look("20T13:15")
    assert desk.opened() == []

    written = "2026-11-20T20:00:00Z"
    desk.put(ticket("T1", opened, priority="critical", last_customer_at=written, **answered))
    desk.look("20T20:15")
    assert desk.opened() == [], "it was opened again a quarter of an hour ago, and not eight hours"
    desk.look("20T20:30")
    assert {task.key for task in desk.opened()} == {"T1 next 2026-11-20T20:00Z"}
    desk.look("20T20:45")
    assert {task.key for task in desk.opened()} == {"T1 next 2026-11-20T20:00Z", "T1 solved 2"}


def test_what_is_critical_is_dealt_with_in_an_hour_and_warned_of_before(support: Callable[..., Support]) -> None:
    """R11, on a Saturday: what is critical waits for nobody's working hours."""
    desk = support("support-queue")
    desk.look("21T11:45")
    desk.put(ticket("T1", "2026-11-21T12:00:00Z", priority="critical"))
    desk.look("21T12:30")
    desk.look("21T12:45")
    (task,) = [one for one in desk.opened() if one.key == "T1 solved"]
    assert task.due_at == datetime(2026, 11, 21, 13, tzinfo=UTC)
    assert task.title == "Solve ticket T1 of Fjord Bakery: No mail"
    for quarter in range(20):
        desk.look(f"21T{13 + quarter // 4}:{quarter % 4 * 15:02}")
    of_task = [
        row["to"] for row in desk.house.app.books.ledger.all('SELECT "to" FROM outbox WHERE task = ?', (task.id,))
    ]
    assert of_task == ["ops1@example.com", "owner@example.com"], "reminded once, escalated once"
    assert [one.key for one in desk.ever()].count("T1 solved") == 1


def test_nothing_that_waits_for_us_lies_untouched_for_a_day_whatever_it_was_promised(
    support: Callable[..., Support],
) -> None:
    """R11: from Friday evening on no clock of working hours goes, and still somebody looks on Saturday."""
    desk = support("support-queue")
    desk.look("20T16:00")
    desk.put(ticket("T1", "2026-11-20T17:00:00Z", priority="low"))
    desk.look("21T10:45")
    assert desk.opened() == []
    desk.look("21T11:00")  # six hours are left
    (task,) = desk.opened()
    assert task.title == "Look at ticket T1 of Fjord Bakery: No mail"
    assert task.due_at == datetime(2026, 11, 21, 17, tzinfo=UTC)
    word = "2026-11-21T12:00:00Z"
    desk.put(ticket("T1", "2026-11-20T17:00:00Z", priority="low", first_answer_at=word, last_staff_at=word))
    desk.look("21T12:15")
    assert desk.house.app.books.tasks.get(task.id).closed_by == "source"
    assert desk.opened() == []


def test_who_counts_more_is_asked_for_first_and_earlier(support: Callable[..., Support]) -> None:
    desk = support("support-queue")
    desk.look("20T12:15")
    desk.put(ticket("T1", "2026-11-20T12:00:00Z"), ticket("T9", "2026-11-20T12:00:00Z", customer="C9"))
    desk.look("20T13:30")

    assert [task.key for task in desk.opened()] == ["T9 first"]
    desk.look("20T15:00")
    assert [row["ticket"] for row in desk.rows("support-queue", "clocks")] == ["T9", "T1"]


def test_a_late_start_does_not_bury_the_day(support: Callable[..., Support]) -> None:
    desk = support("support-queue")
    desk.put(*(ticket(f"T{number:02}", "2026-11-02T09:00:00Z") for number in range(40)))
    desk.look("20T12:15")
    opened = desk.opened()
    (backlog,) = [task for task in opened if task.key == "backlog"]

    assert len(opened) == 21, "ten tickets with two clocks each, and the rest"
    assert backlog.title == "30 tickets were over their time before anybody looked"
    assert "- T10, wants a first answer" in backlog.how
    assert "- T09, wants a first answer" not in backlog.how
    desk.look("20T12:30")
    assert len(desk.opened()) == len(opened)

    answered = {"status": "answered", "first_answer_at": text(NOON), "last_staff_at": text(NOON)}
    desk.put(*(ticket(f"T{number:02}", "2026-11-02T09:00:00Z", **answered) for number in range(40)))
    desk.look("20T12:45")
    assert desk.opened() == []
    assert desk.house.app.books.tasks.get(backlog.id).closed_by == "check"


def test_a_source_that_cannot_be_read_closes_nothing_and_says_where_it_is_wrong(
    support: Callable[..., Support],
) -> None:
    desk = support("support-queue")
    desk.look("20T12:15")
    desk.put(ticket("T1", "2026-11-20T08:00:00Z"))
    desk.look("20T12:30")
    (task,) = desk.opened()
    desk.put(ticket("T2", "2026-11-20T08:00:00Z", opened_at="yesterday"))
    desk.look("20T12:45")

    assert desk.last("support-queue").status is RunStatus.FAILED
    follow_up, kept = sorted(desk.opened(), key=lambda one: one.kind)
    assert kept.id == task.id
    assert "data/tickets.csv:3: column 'opened_at'" in follow_up.message


def test_the_digest_says_how_old_the_oldest_ticket_is_and_when_nobody_looked(support: Callable[..., Support]) -> None:
    desk = support("support-queue")

    def told() -> str:
        return " ".join(desk.house.app.digests.preview("daily", desk.house.clock.now()).text.split())

    assert "○ tickets not looked at yet" in told()
    desk.look("20T12:15")
    assert "✓ no ticket waits " in told()
    desk.put(ticket("T1", "2026-11-20T08:00:00Z"), ticket("T2", "2026-11-20T12:00:00Z"))
    desk.look("20T12:30")
    assert "oldest ticket 4 h, 1 of 2 tickets over their time " in told()
    desk.house.clock.move(days=3)
    assert "over their time, looked at 3 days ago" in told()


def figure(desk: Support, name: str) -> tuple[str, str]:
    """Return what a figure of the house line says, and its tone."""
    house = desk.house.app.digests.preview("daily", desk.house.clock.now()).digest.house
    return next((one.text, one.tone) for one in house if one.name == name)


def test_the_digest_adds_up_the_desks_that_look_at_the_same_tickets(support: Callable[..., Support]) -> None:
    desk = support("support-queue", "partner-desk")
    waits = {"last_staff_at": "2026-11-20T09:00:00Z", "first_answer_at": "2026-11-20T09:00:00Z", "status": "answered"}
    opened = "2026-11-20T08:00:00Z"
    desk.put(*(ticket(f"T{number:02}", opened, **waits) for number in range(50)))
    desk.put(*(ticket(f"P{number}", "2026-11-16T08:00:00Z", desk="partner") for number in range(3)))
    desk.look("20T12:15")
    assert figure(desk, "Tickets") == ("no ticket waits, Partner desk has not looked yet", "nothing")
    desk.look("20T15:00:01")
    assert figure(desk, "Tickets") == ("oldest ticket 4 days, 3 of 3 tickets over their time", "look")
    desk.house.app.books.holds.pause(
        "partner-desk", until=NOON + timedelta(days=30), reason="", actor="boss", at=desk.house.clock.now()
    )
    for day in ("21", "22", "23"):
        desk.look(f"{day}T15:00:01")
    assert figure(desk, "Tickets")[0].endswith(", looked at 3 days ago by Partner desk")


def test_what_strangers_write_stays_data(support: Callable[..., Support]) -> None:
    """C19, C22, C24, C26: subjects, names, categories and statuses of tickets."""
    desk = support("support-queue", "repeat-tickets")
    desk.look("20T12:15")
    hostile = {"subject": HOSTILE, "name": HOSTILE, "category": HOSTILE, "staff": HOSTILE, "priority": HOSTILE}
    desk.put(*(ticket(f"T{number}{HOSTILE[:6]}", "2026-11-19T08:00:00Z", **hostile) for number in range(30)))
    desk.look("20T12:30")
    desk.house.at("2026-11-23T09:30")
    tasks = [*desk.opened(), *desk.opened("repeat-tickets")]

    ran = {run.status.value for run in desk.house.runs("support-queue") if run.status is not RunStatus.MISSED}
    assert ran == {"succeeded"}
    assert len(tasks) > 2
    for task in tasks:
        assert "49" not in task.title.replace("T49", "")
        assert not re.search(r"[\r\n\u2028]", task.title + (task.key or ""))
        assert "%7B%7B7*7" in task.link or not task.link or "%7B" in task.link
    desk.look("23T14:00")
    for row in desk.house.app.books.ledger.all("SELECT subject, text, html FROM outbox", ()):
        assert not re.search(r"[\r\n\u2028]", row["subject"])
        assert "<script>" not in row["html"]
    assert not list(desk.house.root.rglob("P"))


def test_what_comes_again_and_again_has_one_task_until_it_has_had_its_time(support: Callable[..., Support]) -> None:
    desk = support("repeat-tickets")
    days = [NOON - timedelta(days=day) for day in range(4, 88)]
    desk.put(*(ticket(f"T{number}", text(day), category="e-mail") for number, day in enumerate(days)))
    desk.put(*(ticket(f"R{number}", text(NOON - timedelta(days=number % 3)), category="dns") for number in range(9)))
    orders = [
        {"number": str(n), "product": "Server L", "channel": "by hand", "placed_at": text(day)}
        for n, day in enumerate(days)
    ]
    desk.write("orders", orders[::2])
    desk.look("23T09:30")

    opened = {task.key: task for task in desk.opened("repeat-tickets")}
    assert set(opened) == {"dns", "e-mail", "Order by hand: Server L"}
    assert "9 this week, usually 0, 9 in 13 weeks" in opened["dns"].how
    assert "Week by week, the oldest first: " in opened["e-mail"].how

    desk.tick(opened["dns"], choice="article written", note="https://example.com/dns")
    desk.look("30T09:30")
    assert "dns" not in {task.key for task in desk.opened("repeat-tickets")}
    later = NOON + timedelta(days=50)
    desk.put(*(ticket(f"S{number}", text(later), category="dns") for number in range(30)))
    desk.house.at("2027-01-11T09:30")
    assert "dns" in {task.key for task in desk.opened("repeat-tickets")}, "seven weeks later it still comes"


def test_categories_that_were_left_out_are_told(
    support: Callable[..., Support], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = support("repeat-tickets")
    days = [NOON - timedelta(days=day) for day in range(4, 88)]
    for name in ("e-mail", "dns"):
        desk.put(*(ticket(f"{name}-{number}", text(day), category=name) for number, day in enumerate(days)))
    monkeypatch.setattr("opsrunner.steps.trend_run.MOST_ROWS", 1)
    desk.look("23T09:30")
    run = desk.house.runs("repeat-tickets")[-1]
    (told,) = [one.outcome for one in desk.house.app.books.steps.of_run(run.id) if one.kind == "trend"]
    assert (len(told.rows), told.facts["rows_left_out"] > 0, told.facts["truncated"]) == (1, True, True)


def closed_tickets(staff: Sequence[str], count: int = 5) -> list[Row]:
    """Return so many tickets of each, closed in the week from 16 November."""
    return [
        ticket(
            f"{person}-{number}",
            "2026-11-18T09:00:00Z",
            status="closed",
            staff=person,
            first_answer_at="2026-11-18T09:30:00Z",
            last_staff_at="2026-11-18T10:00:00Z",
            closed_at="2026-11-19T09:00:00Z",
        )
        for person in staff
        for number in range(count)
    ]


SCORES = {"knowledge": 4.0, "courtesy": 5.0, "empathy": 3.0, "responsibility": 5.0, "speed": 4.0}


def test_a_sample_of_the_week_is_scored_by_somebody_else_and_becomes_the_months_result(
    support: Callable[..., Support],
) -> None:
    desk = support("support-quality")
    desk.put(*closed_tickets(("ops1", "ops2")))
    desk.look("24T10:00")
    tasks = desk.opened("support-quality")
    assert sorted(task.not_by for task in tasks) == ["ops1", "ops1", "ops2", "ops2"]
    assert "First answer 30 min, closed after 24 h" in tasks[0].how

    own, other = (next(task for task in tasks if task.not_by == person) for person in ("ops1", "ops2"))
    with pytest.raises(Refused, match="own work: somebody else has to do it"):
        desk.tick(own, note="splendid", form=SCORES)
    with pytest.raises(Refused, match=r"needs speed \(from 1 to 5\)"):
        desk.tick(other, note="good", form={name: value for name, value in SCORES.items() if name != "speed"})
    with pytest.raises(Refused, match=r"knowledge \(from 1 to 5\): 6 is not within"):
        desk.tick(other, note="good", form=SCORES | {"knowledge": 6})
    with pytest.raises(Refused, match="needs a note"):
        desk.tick(other, form=SCORES)
    ticked = desk.tick(other, note="kind, and a day too late", form=SCORES | {"speed": "2,5"})
    assert ticked.evidence.form == SCORES | {"speed": 2.5}

    desk.house.app.routine_acts.ask_for_run("support-quality", actor="boss", at=desk.house.clock.now())
    desk.house.work()
    assert len([task for task in desk.ever("support-quality") if task.item == "score"]) == 4, "the same four again"

    desk.house.at("2026-12-01T10:00")
    (report,) = [task for task in desk.opened("support-quality") if task.item == "report"]
    assert "| ops2 | 2026-11 | 1 | 4.0 | 5.0 | 3.0 | 5.0 | 2.5 |" in report.how


def test_the_partners_desk_is_shown_at_each_shift_and_judged_each_month(support: Callable[..., Support]) -> None:
    desk = support("partner-desk", "partner-scorecard")
    partner = {"desk": "partner", "staff": "partner-a"}
    october = [datetime(2026, 10, day, 9, tzinfo=UTC) for day in range(1, 26)]
    desk.put(
        *(
            ticket(
                f"P{number}",
                text(day),
                status="closed",
                first_answer_at=text(day + timedelta(hours=1 if number % 5 else 9)),
                last_staff_at=text(day + timedelta(hours=10)),
                closed_at=text(day + timedelta(hours=20)),
                **partner,
            )
            for number, day in enumerate(october)
        ),
        ticket("P90", "2026-11-20T08:00:00Z", **partner),
        *(
            ticket(
                f"P8{hours}",
                "2026-11-05T08:00:00Z",
                status="closed",
                first_answer_at=f"2026-11-05T{8 + hours:02}:00:00Z",
                last_staff_at=f"2026-11-05T{8 + hours:02}:00:00Z",
                closed_at="2026-11-06T08:00:00Z" if hours == 1 else "2026-11-09T08:00:00Z",
                **partner | {"staff": "partner-b"},
            )
            for hours in (1, 9)
        ),
        ticket("T1", "2026-11-02T08:00:00Z"),
    )
    desk.look("20T15:00")
    (shift,) = desk.opened("partner-desk")
    assert shift.title == "Look over the partner's desk: 1 of 1 tickets press"
    assert "- P90 (normal), wants a first answer, 3 h over its time; with partner-a" in shift.how
    with pytest.raises(Refused, match="needs a note"):
        desk.tick(shift)

    desk.house.at("2026-12-02T10:00")
    (verdict,) = desk.opened("partner-scorecard")
    assert verdict.title == "Partner desk in 2026-11: too few"
    assert desk.last("partner-scorecard").status is RunStatus.WAITING
    rows = desk.rows("partner-scorecard", "card")
    assert [(row["month"], row["verdict"], row["first_percent"]) for row in rows[:2]] == [
        ("2026-11", "too few", 33),
        ("2026-10", "broken", 80),
    ]
    assert "| 2026-10 | broken | 25 | 80 % | 540 min | 100 % | 20 h | 80 % |" in verdict.how
    assert "| partner-b | 2 | 50 % | 50 % |" in verdict.how, "who answers since November is on trial"
    assert "| partner-a |" not in verdict.how
    assert desk.tick(verdict, "boss", choice="trial month", note="until January").evidence.choice == "trial month"


def test_who_joins_and_leaves_has_a_list_that_names_every_access(support: Callable[..., Support]) -> None:
    desk = support("partner-joins", "partner-leaves")
    for name in ("partner-joins", "partner-leaves"):
        desk.house.app.routine_acts.ask_for_run(name, actor="boss", at=desk.house.clock.now())
        desk.house.work()
        assert len(desk.opened(name)) >= 6
    (trial,) = [task for task in desk.opened("partner-joins") if "trial month" in task.title]
    assert trial.due_at is not None
    assert trial.due_at - desk.house.clock.now() > timedelta(days=30)


def test_a_form_is_filled_on_the_command_line(
    support: Callable[..., Support], capsys: pytest.CaptureFixture[str]
) -> None:
    desk = support("support-quality")
    desk.put(*closed_tickets(("ops1",), count=1))
    desk.look("24T10:00")
    (task,) = desk.opened("support-quality")
    desk.house.close()

    def say(*words: str) -> tuple[int, str]:
        code = call([words[0], *words[1:], "--site", str(desk.house.root)])
        told = capsys.readouterr()
        return code, told.out + told.err

    code, shown = say("task", "show", str(task.id))
    assert code == 0
    assert "knowledge (from 1 to 5)" in " ".join(shown.split())
    assert "--evidence knowledge=5 --evidence courtesy=5" in " ".join(shown.split())

    tick = ("tick", str(task.id), "--as", "ops2", "--note", "kind")
    scores = [word for name in SCORES for word in ("--evidence", f"{name}=4")]
    for words, said in (
        (("--evidence", "knowledge"), "--evidence 'knowledge': write FIELD=ANSWER, such as knowledge=4"),
        (("--evidence", "knowledge=4", "--evidence", "knowledge=5"), "--evidence knowledge is given twice"),
        ((*scores, "--evidence", "spede=4"), "does not ask for 'spede' (known: knowledge, courtesy"),
        (scores[:-2], "needs speed (from 1 to 5)"),
    ):
        code, told = say(*tick, *words)
        assert code != 0
        assert said in " ".join(told.split())
        assert "Traceback" not in told
    code, told = say(*tick, *scores)
    assert (code, "Saved: Score ticket ops1-0" in told) == (0, True)
    _, shown = say("task", "show", str(task.id), "--json")
    assert json.loads(shown)["evidence"]["form"] == dict.fromkeys(SCORES, 4.0)
    desk.house.open()
