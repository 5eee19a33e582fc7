"""What customers hear from us, and what we hear from them, end to end on the sample company's own data."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome
from opsrunner.model.task import TaskStatus

from ...bounced import report_of
from .test_customers import ROOT, Company, company

__all__ = ["company"]
MONDAY = "2026-11-23"
LIVE = (ROOT / "routines/letters.yaml").read_text(encoding="utf-8").replace("live: false", "live: true")


def outcome(made: Company, routine: str, step: str) -> Outcome:
    """Return what came of a step of the last run."""
    records = made.site.app.books.steps.of_run(made.site.runs(routine)[-1].id)
    found: list[Outcome] = [record.outcome for record in records if record.id == step]
    (one,) = found
    return one


def letters(made: Company) -> list[tuple[str, str]]:
    """Return the letters of ours, as they were queued."""
    return [(mail.to, mail.subject) for mail in made.site.app.books.outbox.queued() if mail.bulk]


def approve_all(made: Company) -> None:
    for task in [task for task in made.tasks() if task.approve_by]:
        made.tick(task)


def test_letters_of_ours_are_switched_off_and_say_what_would_go(company: Callable[..., Company]) -> None:
    made = company("letters", "2026-11-24T07:45:01")
    lacking = len(made.keys("welcome"))
    assert lacking
    assert outcome(made, "letters", "our_welcome").message.startswith(f"not live: {lacking} would go now")
    assert letters(made) == []
    assert not any(task.approve_by for task in made.tasks())


def test_where_ours_is_switched_on_the_owner_approves_and_each_order_and_ticket_has_one_letter(
    company: Callable[..., Company],
) -> None:
    made = company("letters", "2026-11-24T07:45:01", text=LIVE)
    orders = {row["number"]: row for row in made.rows("orders")}
    lacking = {str(key) for key in made.keys("welcome")}
    late = {number for number in lacking if orders[number]["activated_at"] < "2026-11-17T11:45:01"}
    asked = {row["ticket"] for row in outcome(made, "letters", "no_question").rows}
    assert lacking
    assert asked
    assert letters(made) == [], "not before the owner has seen the list"

    approve_all(made)
    made.site.at("2026-11-24T11:45:01")

    welcomes = [to for to, subject in letters(made) if subject.startswith("Welcome to Nordlys Hosting")]
    assert sorted(welcomes) == sorted(orders[number]["email"] for number in lacking - late)
    solved = {subject for _, subject in letters(made) if subject.startswith("Is it solved? Ticket ")}
    assert solved == {f"Is it solved? Ticket {ticket}" for ticket in asked}
    assert made.keys("welcome") == late, "who has had ours needs nobody to chase the other one"
    assert made.tasks("asked") == []

    before = letters(made)
    for at in ("2026-11-24T15:45:01", "2026-11-25T07:45:01"):
        made.site.at(at)
    assert letters(made) == before, "each once, while the log goes on to lack the other one"


def test_a_letter_that_the_billing_system_wrote_is_not_written_again_by_us(company: Callable[..., Company]) -> None:
    made = company("letters", "2026-11-24T07:45:01", text=LIVE)
    number = min(str(key) for key in made.keys("welcome"))
    (order,) = [row for row in made.rows("orders") if row["number"] == number]
    made.welcome(order, at="2026-11-24T08:00:00Z")
    approve_all(made)
    made.site.at("2026-11-24T11:45:01")
    told = made.site.app.books.notices.told("letters.our_welcome", [number])
    assert told.get(number, []) == []


def test_kind_words_of_days_on_which_nothing_ran_are_not_lost(company: Callable[..., Company]) -> None:
    made = company("feedback", f"{MONDAY}T08:00:01")
    assert made.tasks("thanks") == [], "the first look is a baseline"
    known = {row["feedback"] for row in made.rows("feedback")}
    for day in (24, 25, 26, 27):
        made.add(
            "feedback",
            feedback=f"V{day}",
            customer="C1",
            name=f"Kari of the {day}th",
            email="kari@fjord.example",
            score="9",
            comment="Quick and friendly.",
            given_at=f"2026-11-{day}T06:00:00Z",
        )
    assert not {"V24", "V25"} & known

    made.site.at("2026-11-27T08:00:01")  # three days without a look

    (task,) = made.tasks("thanks")
    assert task.title == "Kind words since the last look (4): read them, pass them on"
    assert all(f"Kari of the {day}th" in task.how for day in (24, 25, 26, 27))
    made.site.at("2026-11-28T08:00:01")
    assert all("Kari" not in one.how for one in made.tasks("thanks")), "told once"


def test_who_complained_hears_what_was_done_or_somebody_is_asked_to_say_it(company: Callable[..., Company]) -> None:
    made = company("feedback", "2026-11-27T08:00:01")
    mailed = {row["to"] for row in made.rows("mail_log") if "what we did" in row["subject"]}
    rows = [
        row for row in made.rows("feedback") if int(row["score"]) <= 6 and row["handled_at"] >= "2026-11-20T08:00:01"
    ]
    answered = {row["email"]: row["last_staff_at"] for row in made.rows("tickets") if row["last_staff_at"]}
    silent = {
        row["feedback"]: row
        for row in rows
        if row["email"] not in mailed and answered.get(row["email"], "") < row["given_at"]
    }
    assert mailed, "some were told"
    assert made.keys("say") == set(silent)
    assert silent, "somebody is always forgotten"

    key, row = next(iter(silent.items()))
    (task,) = [one for one in made.tasks("say") if one.key == key]
    made.add(
        "mail_log",
        mail="M1",
        customer=row["customer"],
        to=row["email"],
        subject="What you told us, and what we did",
        sent_at="2026-11-27T09:00:00Z",
    )
    made.site.at("2026-12-13T08:00:01")  # long after the week in which it was new
    assert made.task(task.id).closed_by == "check"
    assert silent.keys() - {key} <= made.keys("say"), "nothing is done because it is long ago"


def test_who_waits_long_without_a_word_is_on_the_list_until_somebody_has_written(
    company: Callable[..., Company],
) -> None:
    made = company("long-problems", f"{MONDAY}T08:00:01")
    now = datetime.fromisoformat(f"{MONDAY}T08:00:00+00:00")
    waiting = {str(row["ticket"]): row for row in outcome(made, "long-problems", "waiting").rows}
    assert waiting, "the sample neglects somebody on any day"
    tickets = {row["ticket"]: row for row in made.rows("tickets")}
    for number, row in tickets.items():
        hours = 4 if row["priority"] in ("critical", "high") else 24
        ages = [
            (now - datetime.fromisoformat(row[name])).total_seconds() / 3600
            for name in ("opened_at", "last_staff_at")
            if row[name]
        ]
        assert (number in waiting) == (row["status"] == "open" and min(ages) > hours), number
    (task,) = made.tasks("say")
    assert f"{len(waiting)} customers wait for a word" in task.title
    assert all(number in task.how for number in waiting)

    written, mailed, *left = sorted(waiting)
    made.change("tickets", written, last_staff_at=f"{MONDAY}T09:00:00Z")
    told = {"to": tickets[mailed]["email"], "subject": f"[{mailed}] we are still at it", "mail": "M1", "customer": "C1"}
    made.add("mail_log", sent_at=f"{MONDAY}T09:00:00Z", **told)
    made.site.at(f"{MONDAY}T12:00:01")

    later = {str(row["ticket"]) for row in outcome(made, "long-problems", "waiting").rows}
    assert not {written, mailed} & later, "whoever got a word waits for none"
    assert set(left) <= later
    assert made.task(task.id).status is TaskStatus.MISSED, "nobody ticked it: that is said"
    (task,) = made.tasks("say")
    assert written not in task.how


def test_a_dead_address_gets_no_notices_and_its_customer_is_asked_for_another(
    company: Callable[..., Company],
) -> None:
    made = company("bounces", f"{MONDAY}T07:50:01")
    comes_back(made, emails(made)[:2])
    made.site.at("2026-11-24T07:50:01")
    dead = set(emails(made)[:2])
    assert {one.address for one in suppressed(made)} == dead
    assert all("5.1.1" in one.why and one.by == "opsrunner" for one in suppressed(made))
    (task,) = made.tasks("ask")
    customers = {row["email"]: row for row in made.rows("customers")}
    assert all(address in task.how for address in dead)
    assert "mailbox full" not in task.how

    let_in = min(dead)
    made.site.app.books.suppressions.lift(let_in, at=made.site.clock.now())
    for report in sorted((made.data / "bounces/new").glob("ours*")):
        again = report.read_text(encoding="utf-8").replace("Date: Mon, 23", "Date: Tue, 24")
        report.with_name(f"again-{report.name}").write_text(again, encoding="utf-8")
    for address in dead:
        made.change("customers", customers[address]["customer"], email=f"new-{address}")
    made.site.at("2026-11-25T07:50:01")

    assert made.task(task.id).closed_by == "source"
    assert let_in not in {one.address for one in suppressed(made)}, "the same mail does not count twice"


def test_a_report_that_a_stranger_made_up_silences_nobody_and_a_person_looks_at_it(
    company: Callable[..., Company],
) -> None:
    made = company("bounces", f"{MONDAY}T07:50:01")
    victim, other = emails(made)[:2]
    comes_back(made, [other])
    (report,) = (made.data / "bounces/new").glob("ours*")
    known = report.read_text(encoding="utf-8")
    of_another = known.replace(other, victim)
    guessed = of_another.replace("Message-ID: <", "Message-ID: <0")
    for name, text in {"of-another": of_another, "guessed": guessed}.items():
        report.with_name(name).write_text(text, encoding="utf-8")
    made.site.at("2026-11-24T07:50:01")

    assert {one.address for one in suppressed(made)} == {other}
    assert {(row["report"], row["address"]) for row in outcome(made, "bounces", "doubtful").rows} == {
        ("of-another/1", victim),
        ("guessed/1", victim),
    }
    (task,) = made.tasks("look")
    assert task.title == "Mails that came back, of which none is ours: 2"
    assert victim in task.how
    assert other not in task.how
    made.site.at("2026-11-25T07:50:01")
    assert [one.id for one in made.tasks("look")] == [task.id], "each is shown once, and waits until somebody looked"


def test_one_dead_target_of_an_address_that_others_read_silences_nobody_and_a_person_looks_at_it(
    company: Callable[..., Company],
) -> None:
    made = company("bounces", f"{MONDAY}T07:50:01")
    alias = emails(made)[0]
    comes_back(made, [alias], forwarded_to="left@shop.example")
    made.site.at("2026-11-24T07:50:01")

    assert suppressed(made) == []
    assert made.tasks("ask") == made.tasks("look") == []
    (task,) = made.tasks("look-forwarded")
    assert task.title == "Mails of ours that came back from where they were forwarded to: 1"
    assert re.search(rf"\| {re.escape(alias)} \| left@shop.example \|.*5\.1\.1", task.how)
    made.site.at("2026-11-25T07:50:01")
    assert [one.id for one in made.tasks("look-forwarded")] == [task.id], (
        "it is shown once, and waits until somebody looked"
    )


def emails(made: Company) -> list[str]:
    """Return the addresses of active customers."""
    return sorted({row["email"] for row in made.rows("customers") if row["status"] == "active"})


def comes_back(made: Company, addresses: list[str], *, forwarded_to: str = "") -> None:
    """Send each a mail, and have its server report that there is no such user, or none to whom it was forwarded."""
    books, now = made.site.app.books, made.site.clock.now()
    books.outbox.put([NewMail(to=address, subject="s", text="t", bulk=True) for address in addresses], at=now)
    for mail in [mail for mail in books.outbox.queued() if mail.to in addresses]:
        books.outbox.sent(mail.id, now)
        last, first = (forwarded_to, mail.to) if forwarded_to else (mail.to, "")
        report = report_of(last, message_id=f"{mail.message_id}@example.com", original=first)
        (made.data / f"bounces/new/ours{mail.id}").write_text(report, encoding="utf-8")


def suppressed(made: Company) -> list[Any]:
    found: list[Any] = made.site.app.books.suppressions.listed(at=made.site.clock.now())
    return found
