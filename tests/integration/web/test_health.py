"""Health on the page: what the doctor found, files, mails, and times without planning."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.engine.checkup import look_after
from opsrunner.engine.state import StateLock
from opsrunner.ledger.service import Gap
from opsrunner.model.mail import NewMail
from opsrunner.testing import FakeClock
from opsrunner.web.application import Web

SignedIn = Callable[[str], Any]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsrunner.web.checkups.PATIENCE_SECONDS", 60)


@pytest.fixture
def at_work(app: App, clock: FakeClock) -> Iterator[None]:
    """A daemon that has just planned."""
    daemon = StateLock(app.state)
    daemon.take()
    app.books.service.note_planned(clock.now() - timedelta(seconds=20))
    yield
    daemon.release()


def break_file(app: App, name: str, text: str) -> None:
    path: Path = app.root / name
    path.write_text(text)
    path.chmod(0o600)
    app.in_force.refresh()


@pytest.mark.usefixtures("at_work")
def test_where_all_is_well_the_headline_says_so(app: App, signed_in: SignedIn) -> None:
    text = signed_in("boss").get("/health").text
    assert "<h1>All is well with opsrunner itself</h1>" in text
    assert "Last planned today 08:59" in text
    assert "the daemon works" in text
    assert "GB free of" in text
    assert "Every mail has left" in text
    assert "opsrunner has planned all the time" in text
    assert "mail can leave" not in text, "no server is reached for a page"
    assert "opsrunner doctor" in text


def test_what_the_doctor_finds_comes_worst_first(app: App, signed_in: SignedIn) -> None:
    app.state.chmod(0o755)
    text = signed_in("boss").get("/health").text
    assert "2 things want a look" in text
    assert text.index("others may look into the state") < text.index("no daemon works here")
    assert f"chmod go= {app.state}" in text
    assert "opsrunner serve" in text


@pytest.mark.usefixtures("at_work")
def test_a_mistake_stands_with_its_line_and_leads_to_its_routine(app: App, signed_in: SignedIn) -> None:
    app.in_force.refresh()
    break_file(app, "routines/nightly.yaml", "name: Nightly backups\naccountable: sysadmin\nsteps:\n  - rum: 'true'\n")
    break_file(app, "routines/new.yaml", f"name: '{HOSTILE}'\naccountable: '{HOSTILE}'\nsteps:\n  - run: 'true'\n")
    text = signed_in("boss").get("/health").text
    assert "2 things want a look" in text
    assert '<a href="/routines/nightly">routines/nightly.yaml:4</a>' in text
    assert "did you mean &#39;run&#39;?" in text
    assert "its last good version stays in force" in text
    assert "<b>routines/new.yaml:2</b>" in text
    assert "<script>alert" not in text


@pytest.mark.usefixtures("at_work")
def test_the_queue_tells_what_waits_and_why_but_no_address(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    outbox, now = app.books.outbox, clock.now()
    mails = [NewMail(to=to, subject="s", text="t", about="welcome") for to in ("ops1@example.com", "anna@example.net")]
    for mail_id in outbox.put(mails, at=now - timedelta(hours=3)):
        outbox.retry(mail_id, now, now + timedelta(hours=1), f"450 <anna@example.net> {HOSTILE}")
    (lost,) = outbox.put([NewMail(to="gone@example.net", subject="s", text="t", about="x")], at=now - timedelta(days=6))
    outbox.failed(lost, now - timedelta(hours=1), "550 gone@example.net: unknown")
    outbox.put([NewMail(to="eye@example.com", subject="s", text="t", not_before=now + timedelta(hours=8))], at=now)
    text = signed_in("boss").get("/health").text
    assert "2 things want a look" in text
    assert "3 mails wait" in text
    assert "2 tried in vain, 1 held by quiet hours" in text
    assert "The oldest is from today 06:00" in text
    assert "First technician" in text
    assert "a…@example.net" in text
    assert "a mail to g…@example.net was given up: 550 g…@example.net: unknown" in text
    assert "1 given up in 7 days" in text
    for address in ("anna@", "gone@", "<script>alert"):
        assert address not in text


@pytest.mark.usefixtures("at_work")
def test_times_without_planning_are_told_newest_first(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    day, now = timedelta(days=1), clock.now()
    for from_, hours, reason in ((now - 40 * day, 1, "not running"), (now - 9 * day, 2, "clock"), (now - day, 4, "x")):
        app.books.service.note_gap(Gap(from_=from_, until=from_ + timedelta(hours=hours), reason=reason))
    text = signed_in("boss").get("/health").text
    assert text.index("for 4 h, until yesterday 13:00") < text.index("for 2 h, until Wed 11 Nov 11:00")
    assert "the clock was not believed" in text
    assert "for 1 h" not in text


@pytest.mark.parametrize("person", ["ops1", "eye"])
def test_it_is_for_owners(signed_in: SignedIn, person: str) -> None:
    browser = signed_in(person)
    assert browser.get("/health").status_code == 403
    assert 'href="/health"' not in browser.get("/").text


def test_it_takes_no_questions(signed_in: SignedIn) -> None:
    assert signed_in("boss").get("/health?every=page").status_code == 400


@pytest.mark.usefixtures("at_work")
def test_the_doctor_looks_again_after_a_while_and_not_for_every_look_at_the_page(
    app: App, signed_in: SignedIn, clock: FakeClock
) -> None:
    browser = signed_in("boss")
    assert "All is well" in browser.get("/health").text
    app.state.chmod(0o755)
    assert "All is well" in browser.get("/health").text
    clock.move(seconds=11)
    assert "1 thing wants a look" in browser.get("/health").text


def test_a_look_that_takes_long_holds_up_no_page(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()

    def slow(patient: Any) -> Any:
        may_end.wait(30)
        return look_after(patient)

    monkeypatch.setattr("opsrunner.web.checkups.look_after", slow)
    monkeypatch.setattr("opsrunner.web.checkups.PATIENCE_SECONDS", 0.1)
    browser = signed_in("boss")
    try:
        text = browser.get("/health").text
        assert "The doctor has not ended yet" in text
        assert "Every mail has left" in text
    finally:
        may_end.set()


@pytest.mark.parametrize(("after", "looked"), [(timedelta(seconds=30), 1), (timedelta(days=1), 2)])
def test_a_look_that_ended_when_nobody_waited_any_more_is_shown_soon_or_never(
    signed_in: SignedIn, web: Web, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, after: timedelta, looked: int
) -> None:
    may_end, looks = threading.Event(), []

    def slow(patient: Any) -> Any:
        may_end.wait(30)
        looks.append(patient.now)
        return look_after(patient)

    monkeypatch.setattr("opsrunner.web.checkups.look_after", slow)
    monkeypatch.setattr("opsrunner.web.checkups.PATIENCE_SECONDS", 0.2)
    browser = signed_in("boss")
    assert "has not ended yet" in browser.get("/health").text
    may_end.set()
    web._around.checkups._thread.submit(int).result()  # one thread: the look before it has ended
    monkeypatch.setattr("opsrunner.web.checkups.PATIENCE_SECONDS", 60)
    clock.move(seconds=after.total_seconds())
    assert "has not ended yet" not in browser.get("/health").text
    assert len(looks) == looked
