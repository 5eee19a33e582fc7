"""The routines about what ends, end to end on the sample company's own data: what opens, what closes, what is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.model.run import RunStatus
from opsrunner.model.task import TaskStatus

from ..expiries.authority import TlsServer, context, make
from .test_customers import ROOT, Company, company

__all__ = ["company"]
MORNING = "2026-11-23T06:10:01"  # 07:10 in Oslo
NEXT = "2026-11-24T06:10:01"
TODAY = date(2026, 11, 23)


def near(made: Company, *, days: int) -> set[str]:
    """Return the active domains that end within so many days, or have ended."""
    last = (TODAY + timedelta(days=days)).isoformat()
    rows = made.rows("domains")
    return {row["domain"] for row in rows if row["status"] == "active" and "" < row["expires_at"] <= last}


def dateless(made: Company) -> set[str]:
    return {row["domain"] for row in made.rows("domains") if row["status"] == "active" and not row["expires_at"]}


def test_what_lapses_in_three_days_is_a_call_until_it_is_renewed(company: Callable[..., Company]) -> None:
    made = company("renewals", MORNING)
    calls = {task.key: task for task in made.tasks("chase")}
    assert set(calls) == near(made, days=3)
    assert calls, "the sample has one on any day"
    name, task = next((str(key), task) for key, task in calls.items())
    (row,) = [row for row in made.rows("domains") if row["domain"] == name]
    assert row["name"][:40] in task.title
    assert task.link == f"https://billing.example.com/domains/{name}"
    made.change("domains", name, expires_at="2027-11-24")
    made.site.at(NEXT)
    assert made.task(task.id).status is TaskStatus.DONE
    assert made.task(task.id).closed_by == "source"


def test_what_nobody_knows_is_one_task_with_the_list_until_somebody_wrote_it_down(
    company: Callable[..., Company],
) -> None:
    made = company("renewals", MORNING)
    (task,) = made.tasks("unknown")
    assert set(re.findall(r"^- (\S+): ", task.how, flags=re.MULTILINE)) == dateless(made)
    assert made.site.runs("renewals")[-1].status is RunStatus.WARNING
    for name in dateless(made):
        made.change("domains", name, expires_at="2028-01-01")
    made.site.at(NEXT)
    assert made.tasks("unknown") == []


def test_a_reminder_that_the_billing_system_forgot_is_a_task_until_its_log_has_it(
    company: Callable[..., Company],
) -> None:
    made = company("renewals", MORNING)
    for _ in range(12):  # the sample's billing system forgets a reminder every ninth day
        if made.tasks("reminders"):
            break
        made.site.clock.move(days=1)
        made.site.at(made.site.clock.now().strftime("%Y-%m-%dT06:10:01"))
    forgotten = made.tasks("reminders")
    assert forgotten
    assert all("did not go" in task.title for task in forgotten)

    task = forgotten[0]
    (row,) = [row for row in made.rows("domains") if row["domain"] in task.title]
    now = made.site.clock.now()
    subject = f"Your domain {row['domain']} ends on {row['expires_at']}: 30 days"
    sent_at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    made.add("mail_log", mail="M-late", customer=row["customer"], to=row["email"], subject=subject, sent_at=sent_at)
    made.site.clock.move(days=1)
    made.site.at(made.site.clock.now().strftime("%Y-%m-%dT06:10:01"))
    assert not made.task(task.id).is_open, "the log has it"


def test_a_domain_that_is_let_go_or_renewed_by_its_row_ends_what_it_opened_and_only_that(
    company: Callable[..., Company],
) -> None:
    made = company("renewals", MORNING)
    calls = {str(task.key): task for task in made.tasks("chase")}
    gone, *others = sorted(calls)
    made.change("domains", gone, status="cancelled")
    made.site.at(NEXT)
    assert made.task(calls[gone].id).closed_by == "source"
    assert all(made.task(calls[name].id).is_open for name in others)


def test_letters_of_ours_wait_for_the_owner(company: Callable[..., Company]) -> None:
    made = company("renewals", MORNING)
    steps = made.site.app.books.steps.of_run(made.site.runs("renewals")[-1].id)
    (letters,) = [step.outcome for step in steps if step.id == "letters"]
    assert "not live" in letters.message
    assert not [mail for mail in made.site.app.books.outbox.queued() if mail.bulk]


def test_a_licence_that_ends_is_decided_on_and_one_without_a_date_is_asked_for(
    company: Callable[..., Company],
) -> None:
    made = company("licences", "2026-11-23T06:20:01")
    last = (TODAY + timedelta(days=45)).isoformat()
    ending = {row["licence"] for row in made.rows("licences") if "" < row["expires_at"] <= last}
    assert made.keys("decide") == ending
    assert ending
    assert len(made.tasks("unknown")) == 1
    for row in made.rows("licences"):
        made.change("licences", row["licence"], expires_at="2028-06-01")
    made.site.at("2026-11-24T06:20:01")
    assert made.tasks() == []


@pytest.fixture
def certificates(house: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Open a house with the shipped routine, which looks into a folder of the test and at one server."""

    def build(port: int) -> Any:
        text = (ROOT / "routines/certificates.yaml").read_text(encoding="utf-8").replace("on-call", "ops1")
        text = text.replace("/etc/", f"{tmp_path}/etc/").replace(
            "- files:", f"- tls: [localhost:{port}]\n        - files:"
        )
        return house({"certificates": text})

    return build


def test_certificates_that_end_or_are_wrong_are_tasks_until_they_are_right(
    certificates: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make("Our authority", is_authority=True, days=(-100, 3000))
    (tmp_path / "authority.pem").write_bytes(authority.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    live = tmp_path / "etc/letsencrypt/live"
    for name, days in (("shop", 400), ("old", 10)):
        (live / name).mkdir(parents=True)
        made = make("x", by=authority, names=(f"{name}.example",), days=(-1, days))
        (live / name / "cert.pem").write_bytes(made.pem())
    (live / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    server = TlsServer(context(tmp_path, make("x", by=authority, names=("elsewhere.example",))))
    site = certificates(server.port)
    site.at("2026-11-21 06:50")
    tasks = {task.key: task for task in site.app.books.tasks.opened()}
    titles = {str(key).removeprefix(f"{live}/"): task.title for key, task in tasks.items()}
    assert titles == {
        "old/cert.pem": f"Renew {live}/old/cert.pem: ends in 9 days, on 2026-11-30",
        "broken.pem": f"Look at {live}/broken.pem: nobody says when it ends; its certificate cannot be read",
        f"localhost:{server.port}": f"Look at localhost:{server.port}: ends in 89 days, on 2027-02-18; it is not for "
        "localhost, but for elsewhere.example",
    }
    assert "It is for: `old.example`" in tasks[f"{live}/old/cert.pem"].how
    assert site.runs("certificates")[-1].status is RunStatus.WARNING
    server.close()
    (live / "broken.pem").unlink()
    renewed = make("x", by=authority, names=("old.example",), days=(-1, 90))
    (live / "old/cert.pem").write_bytes(renewed.pem())
    site.at("2026-11-22 06:50")
    assert [task.key for task in site.app.books.tasks.opened()] == [f"localhost:{server.port}"]


def test_certificates_that_nobody_can_find_are_not_fine(certificates: Callable[..., Any], tmp_path: Path) -> None:
    site = certificates(1)
    text = (site.root / "routines/certificates.yaml").read_text(encoding="utf-8")
    site.write("routines/certificates.yaml", text.replace("- tls: [localhost:1]\n", "\n"))
    site.at("2026-11-21 06:50")
    assert site.told("certificates")[-1].startswith("warning")
    (step, *_) = site.app.books.steps.of_run(site.runs("certificates")[-1].id)
    assert step.outcome.message == "nothing was looked at: no place named anything that ends"
