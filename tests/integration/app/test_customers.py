"""The routines about customers, end to end on the sample company's own data: what opens, what closes, what is told."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.sample.names import HOSTILE
from opsrunner.sample.writing import write_samples
from opsrunner.templates.markdown import readable
from opsrunner.templates.own_pages import markdown

ROOT = Path(__file__).parents[3]
Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Company:
    """A house on a frozen copy of the sample's tables, which a test changes row by row."""

    site: Any
    data: Path

    def rows(self, table: str) -> list[Row]:
        with (self.data / f"{table}.csv").open(encoding="utf-8", newline="") as sheet:
            return list(csv.DictReader(sheet))

    def write(self, table: str, rows: list[Row]) -> None:
        with (self.data / f"{table}.csv").open("w", encoding="utf-8", newline="") as sheet:
            writer = csv.DictWriter(sheet, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    def change(self, table: str, key: str, **cells: str) -> None:
        """Change the row whose first column is `key`."""
        rows = self.rows(table)
        (row,) = [row for row in rows if next(iter(row.values())) == key]
        row.update(cells)
        self.write(table, rows)

    def change_where(self, table: str, column: str, value: str, **cells: str) -> None:
        """Change the rows that have a value in a column."""
        rows = self.rows(table)
        assert [row.update(cells) for row in rows if row[column] == value]
        self.write(table, rows)

    def add(self, table: str, **cells: str) -> None:
        rows = self.rows(table)
        self.write(table, [*rows, dict.fromkeys(rows[0], "") | cells])

    def welcome(self, order: Mapping[str, str], *, at: str) -> None:
        """Have the billing system write the welcome letter of an order."""
        subject = f"Welcome: {order['domain']} is ready"
        self.add("mail_log", mail="M1", customer="C1", to=order["email"], subject=subject, sent_at=at)

    def tasks(self, step: str = "") -> list[Task]:
        opened = self.site.app.books.tasks.opened()
        return [task for task in opened if step in ("", task.step)]

    def keys(self, step: str) -> set[str | None]:
        return {task.key for task in self.tasks(step)}

    def task(self, task_id: int) -> Task:
        found: Task = self.site.app.books.tasks.get(task_id)
        return found

    def tick(self, task: Task, *, struck: tuple[int, ...] = (), **evidence: Any) -> None:
        """Let the owner tick a task, and the run go on when undo is over."""
        app, at = self.site.app, self.site.clock.now()
        given = Evidence(**({"note": "looked at"} | evidence))
        boss = app.people.named("boss")
        app.ticks.tick(task.id, actor=boss, status=TaskStatus.DONE, evidence=given, struck=struck, at=at)
        self.site.clock.move(seconds=36)
        self.site.work()

    def mails(self, about: str) -> list[Any]:
        return [mail for mail in self.site.app.books.outbox.queued() if mail.about == about]

    def told(self, routine: str) -> str:
        return str(self.site.told(routine)[-1])


@pytest.fixture
def company(house: Callable[..., Any], tmp_path: Path) -> Callable[..., Company]:
    """Open a house with one shipped routine: `company("feedback", "2026-11-23T08:00:01")`, in UTC."""

    def build(routine: str, at: str, *, text: str | None = None, **tables: list[Row]) -> Company:
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
        write_samples(tmp_path, Path("made"), seed=2026, now=moment)
        site_text = (ROOT / "opsrunner.yaml").read_text(encoding="utf-8").replace("$STATE/sample/", "data/")
        site_text = "".join(line for line in site_text.splitlines(keepends=True) if not line.startswith("sample:"))
        shipped = (ROOT / f"routines/{routine}.yaml").read_text(encoding="utf-8")
        site = house({routine: shipped if text is None else text}, site=site_text)
        (tmp_path / "made/sample").rename(site.root / "data")
        made = Company(site=site, data=site.root / "data")
        for table, rows in tables.items():
            made.write(table, rows)
        site.work()
        site.at(at)
        return made

    return build


def test_letters_that_did_not_go_are_tasks_until_the_log_has_them(company: Callable[..., Company]) -> None:
    made = company("letters", "2026-11-24T07:45:01")
    assert made.told("letters").startswith(("succeeded", "waiting"))
    mailed = {(row["to"], row["subject"]) for row in made.rows("mail_log")}
    lacking = {
        row["number"]
        for row in made.rows("orders")
        if "2026-11-17T07:45:01" <= row["activated_at"] < "2026-11-24T06:45:01"
        and (row["email"], f"Welcome: {row['domain']} is ready") not in mailed
    }
    assert made.keys("welcome") == lacking
    assert lacking, "the sample forgets one now and then"

    number = min(lacking)
    (task,) = [task for task in made.tasks("welcome") if task.key == number]
    assert task.link == f"https://billing.example.com/orders/{number}"
    (order,) = [row for row in made.rows("orders") if row["number"] == number]
    made.welcome(order, at="2026-11-24T10:00:00Z")
    made.site.at("2026-11-25T07:45:01")

    assert made.task(task.id).status is TaskStatus.DONE
    assert made.task(task.id).closed_by == "check"
    (asked,) = made.tasks("asked")
    assert "without the letter" in asked.title
    made.site.at("2026-12-04T07:45:01")
    assert lacking - {number} <= made.keys("welcome"), "nothing is done because it is long ago"


def test_unhappy_customers_come_first_and_are_done_when_the_source_says_so(company: Callable[..., Company]) -> None:
    made = company("feedback", "2026-11-23T08:00:01")
    unhappy = [row for row in made.rows("feedback") if int(row["score"]) <= 6 and not row["handled_at"]]
    assert made.keys("answer") == {row["feedback"] for row in unhappy}
    scores = [int(task.title.partition("gave us ")[2].split()[0]) for task in made.tasks("answer")]
    assert scores == sorted(scores), "the lowest first"

    first = made.tasks("answer")[0]
    made.change("feedback", str(first.key), handled_at="2026-11-23T12:00:00Z")
    made.site.at("2026-11-24T08:00:01")

    assert made.task(first.id).closed_by == "source"
    assert made.keys("answer") == {row["feedback"] for row in unhappy} - {first.key}


def test_hostile_words_of_customers_are_nothing_but_words(company: Callable[..., Company]) -> None:
    """C22, C24, C26."""
    made = company("feedback", "2026-11-23T08:00:01")
    rows = [
        {
            "feedback": f"V{number}",
            "customer": "C1",
            "name": name,
            "email": "post@fjord.example",
            "score": "1",
            "comment": f"{name}\n\n# {{{{ 7*7 }}}} [the screenshot](https://evil.example/login) **urgent**",
            "given_at": "2026-11-23T09:00:00Z",
            "handled_at": "",
        }
        for number, name in enumerate(HOSTILE)
    ]
    made.write("feedback", rows)
    made.site.at("2026-11-24T08:00:01")

    tasks = {task.key: task for task in made.tasks("answer")}
    assert tasks.keys() == {row["feedback"] for row in rows}
    assert all("49" not in task.title + task.how for task in tasks.values())
    for task in tasks.values():
        assert "# {{ 7*7 }} [the screenshot](https://evil.example/login) **urgent**" in readable(task.how)
        page = markdown(task.how)
        assert "evil.example" not in "".join(re.findall(r"<[^>]+>", page)), "no link of theirs"
        assert "<h1" not in page, "no heading of theirs"
        assert "<strong>urgent" not in page
    assert tasks["V0"].title.startswith("{{7*7}} Fjord Data gave us 1 of 10")


def test_disputes_have_their_dates_and_a_last_call(company: Callable[..., Company]) -> None:
    made = company("disputes", "2026-11-23T07:30:01")
    pending = {row["dispute"]: row for row in made.rows("disputes") if not row["closed_at"]}
    assert made.keys("answer") == pending.keys()
    last = {key for key, row in pending.items() if row["answer_by"] <= "2026-11-26"}
    assert made.keys("last_days") == last
    soonest = min(pending.values(), key=lambda row: row["answer_by"])
    assert made.tasks("answer")[0].key == soonest["dispute"]
    assert soonest["invoice"] in made.tasks("answer")[0].how

    made.change("disputes", soonest["dispute"], closed_at="2026-11-23T09:00:00Z", outcome="won")
    made.site.at("2026-11-24T07:30:01")

    assert soonest["dispute"] not in made.keys("answer") | made.keys("last_days")


def test_the_digest_tells_what_is_open_by_name_and_what_the_routine_found(company: Callable[..., Company]) -> None:
    made = company("disputes", "2026-11-23T07:30:01")
    last = [task.title for task in made.tasks("last_days")]
    made.site.at("2026-11-24T06:00:01")

    (mail,) = [mail for mail in made.mails("digest daily") if "24 Nov" in mail.subject]
    said = " ".join(mail.text.split())
    assert last
    assert all(title in said for title in last), "escalated to the owner, as nobody has answered"
    assert "Disputes and chargebacks" in said


def test_abuse_is_by_host_and_customer_and_closes_when_the_report_does(company: Callable[..., Company]) -> None:
    made = company("abuse", "2026-11-23T08:00:00")
    waiting = {row["report"]: row for row in made.rows("abuse") if not row["closed_at"]}
    assert made.keys("act") == waiting.keys()
    names = {row["customer"]: row["name"] for row in made.rows("customers")}
    for task in made.tasks("act"):
        row = waiting[str(task.key)]
        assert row["host"] in task.title
        assert (names[row["customer"]][:20] if row["customer"] else "customer unknown") in task.title

    key = next(iter(waiting))
    made.change("abuse", key, closed_at="2026-11-23T08:30:00Z")
    made.site.at("2026-11-23T09:00:00")

    assert made.keys("act") == waiting.keys() - {key}


def test_the_reward_goes_to_whom_the_owner_left_on_the_list_and_once(company: Callable[..., Company]) -> None:
    made = company("rewards", "2026-12-02T09:00:01")
    (ok,) = made.tasks("ok")
    assert len(ok.rows) == 5
    picked = [str(row["customer"]) for row in ok.rows]
    loud = {row["customer"] for name in ("tickets", "abuse", "disputes") for row in made.rows(name)}
    assert not loud & set(picked)
    assert [row["since"] for row in ok.rows] == sorted(row["since"] for row in ok.rows), "the longest with us first"

    made.tick(ok, struck=(1,))
    (credit,) = made.tasks("credit")
    assert picked[1] not in credit.how
    assert made.mails("rewards letter") == [], "not before somebody has given it"
    made.tick(credit)

    emails = {row["customer"]: row["email"] for row in made.rows("customers")}
    letters = made.mails("rewards letter")
    assert sorted(mail.to for mail in letters) == sorted(emails[one] for one in picked if one != picked[1])
    assert all("250" in mail.text and "250" in mail.html for mail in letters)
    (verdict,) = made.tasks("verdict")
    given = {row["customer"] for row in made.rows("credits") if row["given_at"].startswith("2026-06")}
    customers = {row["customer"]: row for row in made.rows("customers")}
    here = sum(customers[one]["status"] == "active" for one in given)
    assert given
    assert f"{here} of {len(given)} are still here" in verdict.title
    for one in given:
        since = {"tickets": ("customer", one, "opened_at"), "orders": ("email", customers[one]["email"], "placed_at")}
        counts = [
            sum(row[column] == value and row[at] > "2026-06-03T09:00:00Z" for row in made.rows(table))
            for table, (column, value, at) in sorted(since.items())
        ]
        assert f"| {customers[one]['status']} | {counts[0]} | {counts[1]} |" in verdict.how

    again = made.site.app.books.requests.ask_for_run("rewards", actor="desk", at=made.site.clock.now())
    made.site.clock.move(seconds=6)
    made.site.work()
    run = made.site.app.books.requests.get(again).run
    (second,) = [task for task in made.tasks("ok") if task.run == run]
    made.tick(second)
    made.tick(next(task for task in made.tasks("credit") if task.run == run))
    told = [mail.to for mail in made.mails("rewards letter")]
    assert len(told) == len(set(told)) == 5, "who had a letter gets no second one; who was struck then gets it now"


def test_what_is_ordered_and_lies_there_empty_is_not_in_use_and_earns_nothing(company: Callable[..., Company]) -> None:
    made = company("rewards", "2026-12-02T09:00:01")
    (ok,) = made.tasks("ok")
    by_mail = {str(row["email"]): str(row["customer"]) for row in ok.rows}
    order = next(row for row in made.rows("orders") if row["email"] in by_mail and row["activated_at"])
    made.change_where("accounts", "order", order["number"], disk_mb="0")
    made.tick(ok)
    made.site.app.books.requests.ask_for_run("rewards", actor="desk", at=made.site.clock.now())
    made.site.clock.move(seconds=6)
    made.site.work()
    assert by_mail[order["email"]] not in {row["customer"] for row in made.tasks("ok")[-1].rows}


def test_letters_of_the_reward_that_a_stop_held_back_go_after_it_and_once(
    company: Callable[..., Company],
) -> None:
    made = company("rewards", "2026-12-02T09:00:01")
    made.tick(made.tasks("ok")[0])
    (credit,) = made.tasks("credit")
    app, at = made.site.app, made.site.clock.now()
    boss = app.people.named("boss")
    app.ticks.tick(credit.id, actor=boss, status=TaskStatus.DONE, evidence=Evidence(note="given"), at=at)
    made.site.close()
    made.site.clock.move(seconds=60)
    made.site.open()
    made.site.work()
    letters = [mail.to for mail in made.mails("rewards letter")]
    assert len(letters) == len(set(letters)) == 5, "the letters that were still to be written go once"
    made.site.close()
    made.site.open()
    made.site.work()
    assert [mail.to for mail in made.mails("rewards letter")] == letters


def test_whoever_had_the_reward_is_not_picked_for_twelve_months(company: Callable[..., Company]) -> None:
    made = company("rewards", "2026-12-02T09:00:01")
    (ok,) = made.tasks("ok")
    first = str(ok.rows[0]["customer"])
    made.add("credits", credit="K1", customer=first, amount="250", given_at="2026-12-02T10:00:00Z", reason="reward")
    made.tick(ok)
    made.site.at("2027-01-05T09:00:01")

    newest = made.tasks("ok")[-1]
    assert newest.id != ok.id
    assert first not in {row["customer"] for row in newest.rows}


def test_books_name_what_does_not_match_and_are_signed_with_their_totals(company: Callable[..., Company]) -> None:
    made = company("books", "2026-12-02T08:00:01")
    payments = made.rows("payments")
    unmatched = {row["payment"] for row in payments if not row["invoice"]}
    assert made.keys("place") == unmatched
    task = made.tasks("place")[0]
    assert "Unpaid invoices of that amount: W" in task.how
    (sign,) = made.tasks("sign")
    november = [row for row in payments if row["received_at"].startswith("2026-11")]
    for method in {row["method"] for row in november}:
        total = sum(float(row["amount"]) for row in november if row["method"] == method)
        count = sum(row["method"] == method for row in november)
        assert f"| {method} | {count} | {total:.2f} |" in sign.how

    (row,) = [row for row in payments if row["payment"] == task.key]
    invoice = task.how.partition("that amount: ")[2].split()[0]
    made.change("payments", row["payment"], invoice=invoice, customer="C1000")
    made.site.at("2027-01-05T08:00:01")

    assert made.task(task.id).closed_by == "source"


def test_an_invoice_that_was_paid_twice_or_short_is_a_task(company: Callable[..., Company]) -> None:
    made = company("books", "2026-11-30T08:00:01")
    paid = [row for row in made.rows("invoices") if row["paid_at"].startswith("2026-11-1") and row["status"] == "paid"]
    twice, short, never = (row["invoice"] for row in paid[:3])
    payments = [row for row in made.rows("payments") if row["invoice"] != never]
    (first,) = [row for row in payments if row["invoice"] == twice]
    (other,) = [row for row in payments if row["invoice"] == short]
    other["amount"] = "1"
    made.write("payments", [*payments, first | {"payment": "P-again"}])
    made.site.at("2026-12-02T08:00:01")

    assert {twice, short, never} <= made.keys("settle")
    titles = {task.key: task.title for task in made.tasks("settle")}
    assert f"{2 * int(first['amount'])} received for {first['amount']}" in titles[twice]
    assert "0 received for" in titles[never]


def test_the_month_of_keeping_customers_has_its_notes_lists_and_figures(company: Callable[..., Company]) -> None:
    made = company("retention", "2026-12-01T10:00:01")
    customers = {row["customer"]: row for row in made.rows("customers")}
    notes = made.tasks("note")
    assert notes
    for task in notes:
        number, _, years = str(task.key).partition("/")
        since = customers[number]["since"]
        assert int(years) in (1, 3, 5, 10)
        day = since[5:]
        year = 2026 if day >= "12-01" else 2027
        assert year - int(since[:4]) == int(years)
        assert "12-01" <= day <= "12-31"
    (sign,) = made.tasks("sign")
    active = sum(row["status"] == "active" for row in customers.values())
    assert f"{active} customers" in sign.title
    november = [row for row in made.rows("invoices") if row["due_at"].startswith("2026-11")]
    renewed = [row for row in november if row["status"] == "paid"]
    assert f"{len(renewed)} of {len(november)} renewals paid" in sign.title
    paid_lately = {row["customer"] for row in made.rows("invoices") if row["paid_at"] >= "2025-12-01"}
    left = sum(row["status"] != "active" and number in paid_lately for number, row in customers.items())
    assert left, "somebody always leaves"
    assert (
        f"- **Churn** of the last twelve months: {round(100 * left / (active + left), 1)} % ({left} who paid"
        in sign.how
    )
    assert f"- **Renewal rate** of last month: {round(100 * len(renewed) / len(november), 1)} %" in sign.how
    assert {task.step for task in made.tasks()} >= {"talk", "renewals", "upgrade"}


def test_what_nobody_holds_and_who_is_away_is_seen_before_it_hurts(company: Callable[..., Company]) -> None:
    text = (ROOT / "routines/cover.yaml").read_text(encoding="utf-8")
    made = company("cover", "2026-11-26T08:00:01", text=text)
    assert made.keys("gap") | made.keys("freeze") == set(), "every duty is held, and the freeze is declared"
    (room,) = made.tasks("room")
    assert room.title == "Black Friday and the weeks to Christmas: 1 of 1 host not measured"
    assert "- local: never measured. Nobody knows" in room.how
    assert made.told("cover").startswith("warning"), "what nobody measured is never fine"

    app, now = made.site.app, made.site.clock.now()
    boss, ops2 = app.people.named("boss"), app.people.named("ops2")
    from opsrunner.model.person import Absence  # noqa: PLC0415 - beside its use

    app.absences.enter(
        Absence(
            id=0,
            kind="leave",
            person="ops2",
            other=None,
            roster=None,
            from_=datetime(2026, 12, 3, tzinfo=UTC),
            until=datetime(2026, 12, 12, tzinfo=UTC),
        ),
        actor=ops2,
        at=now,
    )
    made.site.at("2026-12-03T08:00:01")

    gaps = made.tasks("gap")
    assert any("front-desk" in task.title and "23:00" in task.title for task in gaps)
    assert boss.is_owner
    made.site.at("2026-12-17T08:00:01")
    assert made.tasks("gap") == [], "the leave is over"


CHANGES = """\
name: Changes
accountable: on-call
tags: [changes]
schedule: {every: day, at: "03:00"}
steps: [{run: ["true"]}]
"""


def test_a_freeze_that_a_person_declares_ends_its_task_and_holds_what_is_tagged(
    company: Callable[..., Company],
) -> None:
    made = company("cover", "2027-10-28T07:00:01")
    (task,) = made.tasks("freeze")
    assert task.title.startswith("Black Friday and the weeks to Christmas begins 20 Nov: declare the freeze")

    text = (made.site.root / "opsrunner.yaml").read_text(encoding="utf-8")
    word = "{from: 2027-11-20, until: 2027-12-24, tags: [changes], reason: Black Friday}"
    made.site.write("opsrunner.yaml", text.replace("freezes:\n", f"freezes:\n  - {word}\n"))
    made.site.write("routines/changes.yaml", CHANGES)
    made.site.clock.move(seconds=31)
    made.site.work()
    made.site.at("2027-11-04T08:00:01")
    assert made.task(task.id).closed_by == "source"

    for day, told in (("19", "succeeded schedule"), ("20", "skipped frozen")):
        made.site.at(f"2027-11-{day}T02:00:01")
        assert made.told("changes") == told


def test_each_order_that_is_not_live_has_its_task_with_its_age_until_it_is(company: Callable[..., Company]) -> None:
    made = company("order-intake", "2026-11-23T09:00:00")
    waiting = {row["number"]: row for row in made.rows("orders") if not row["activated_at"] and not row["cancelled_at"]}
    paid = {number for number, row in waiting.items() if row["paid_at"]}
    assert paid
    assert made.keys("paid") == paid
    assert made.keys("unpaid") == waiting.keys() - paid
    task = made.tasks("paid")[0]
    assert " ago, for " in task.how
    assert "why this order was not self-serve" in task.how
    assert task.evidence_spec is not None

    made.change("orders", str(task.key), activated_at="2026-11-23T09:10:00Z")
    made.site.at("2026-11-23T09:15:00")

    assert made.task(task.id).closed_by == "source"
    assert made.keys("paid") == paid - {task.key}


def test_each_new_account_is_looked_at_in_the_morning_and_its_slips_are_said(company: Callable[..., Company]) -> None:
    made = company("overnight-orders", "2026-11-23T07:15:01")
    fresh = [row for row in made.rows("accounts") if row["created_at"] > "2026-11-19T07:15:01Z"]
    assert fresh
    assert made.keys("review") == {row["username"] for row in fresh}
    for task in made.tasks("review"):
        (row,) = [row for row in fresh if row["username"] == task.key]
        assert ("No welcome letter" in task.how) == (not row["welcome_sent_at"])
        assert ("and it got" in task.how) == (row["plan"] != row["ordered_plan"])
    done = made.tasks("review")[0]
    made.tick(done, choice="right")
    made.site.at("2026-11-24T07:15:01")
    assert done.key not in made.keys("review")


def test_accounts_made_while_nothing_ran_are_looked_at_when_it_does(company: Callable[..., Company]) -> None:
    made = company("overnight-orders", "2026-11-23T07:15:01")
    (first, *_) = made.rows("accounts")
    for day in (24, 30):
        made.add("accounts", **first | {"username": f"new{day}", "created_at": f"2026-11-{day}T01:00:00Z"})
    made.site.at("2026-12-03T07:15:01")  # nine days without a look
    assert {"new24", "new30"} <= made.keys("review")
