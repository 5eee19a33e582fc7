"""Maintenance windows and incidents on the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App, open_app
from opsrunner.engine.downtime_acts import By
from opsrunner.testing import FakeClock

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  eye: {name: The auditor, email: eye@example.com, roles: [viewer]}
  desk: {name: The partner, email: desk@example.com, roles: [partner]}
sources:
  services: {csv: data/services.csv, columns: {service: text, email: text, name: text, customer: text, host: text}}
"""
WINDOWS = """\
windows:
  kernel:
    name: Kernel <b>updates</b>
    schedule: {every: week, on: tuesday, at: "02:00"}
    lasts: 2h
    hosts: [web1]
    audience: {source: services}
    approve: 8d
incidents:
  audience: {source: services}
"""
SERVICES = "service,email,name,customer,host\nshop.example,kari@customer.example,Kari <script>,C1,web1\n"


@pytest.fixture
def app(tmp_path: Path, clock: FakeClock) -> Iterator[App]:
    """The site, opened."""
    root = tmp_path / "site"
    for folder in ("routines", "data"):
        (root / folder).mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    files = {"opsrunner.yaml": SITE, "maintenance.yaml": WINDOWS, "data/services.csv": SERVICES}
    for name, text in files.items():
        (root / name).write_text(text)
        (root / name).chmod(0o600)
    opened = open_app(root, clock=clock)
    yield opened
    opened.close()


def look(app: App, clock: FakeClock) -> None:
    app.in_force.refresh()
    app.announcer.work(clock.now())


def test_it_shows_what_comes_and_whether_customers_know(
    app: App, clock: FakeClock, signed_in: Callable[[str], Any]
) -> None:
    look(app, clock)
    text = signed_in("ops1").get("/maintenance").text

    assert "Next: Kernel &lt;b&gt;updates&lt;/b&gt;" in text
    assert "not approved yet" in text
    assert "1 customer with 1 service" in text
    assert "<script>" not in text.replace("<script src", "")


@pytest.mark.parametrize("person", ["eye", "desk"])
def test_who_does_not_work_here_does_not_come_in(signed_in: Callable[[str], Any], person: str) -> None:
    browser = signed_in(person)

    assert browser.get("/maintenance").status_code in (403, 404)
    assert browser.post("/maintenance/kernel", act="cancel", on="2026-11-24").status_code in (403, 404)


def test_a_window_is_moved_called_off_and_started_by_forms(
    app: App, clock: FakeClock, signed_in: Callable[[str], Any]
) -> None:
    browser = signed_in("ops1")
    browser.get("/maintenance")
    moved = browser.post(
        "/maintenance/kernel", act="move", on="2026-11-24", to="2026-11-25T01:00", until="", reason="a storm"
    )
    assert (moved.status_code, moved.headers["location"]) == (303, "/maintenance")
    look(app, clock)
    assert "Wed 01:00 to 03:00" in browser.get("/maintenance").text
    assert browser.post("/maintenance/kernel", act="cancel", on="2026-11-25", reason="").status_code == 303
    again = browser.post("/maintenance/kernel", act="cancel", on="2026-11-25", reason="")
    assert again.status_code == 400
    assert "kernel is cancelled already" in again.text
    (first, second) = app.books.audit.about("maintenance kernel")
    assert (first.action, second.action) == ("move", "cancel")
    assert first.address.startswith("web")


def test_a_window_can_be_started_when_its_time_is_near(
    app: App, clock: FakeClock, signed_in: Callable[[str], Any]
) -> None:
    look(app, clock)
    assert 'value="start"' not in signed_in("ops1").get("/maintenance").text
    clock.set(datetime(2026, 11, 24, 0, 20, tzinfo=UTC))
    page = signed_in("ops1").get("/maintenance").text
    assert page.count('value="start"') == 1
    assert signed_in("ops1").post("/maintenance/kernel", act="start", on="2026-11-24").status_code == 303


def test_what_makes_no_sense_is_said_above_the_list(app: App, signed_in: Callable[[str], Any]) -> None:
    browser = signed_in("ops1")
    browser.get("/maintenance")

    answer = browser.post("/maintenance/kernel", act="move", on="", to="2026-11-01T01:00", until="", reason="")
    assert answer.status_code == 400
    assert "it can only be moved to a time to come" in answer.text
    assert browser.post("/maintenance/none", act="end", on="").status_code == 400
    assert browser.post("/maintenance/kernel", act="explode", on="").status_code == 400


def test_an_incident_is_opened_told_of_and_ended(app: App, clock: FakeClock, signed_in: Callable[[str], Any]) -> None:
    browser = signed_in("ops1")
    browser.get("/maintenance")
    slip = browser.post("/incidents", hosts="wbe1", title="Mail is slow", about="")
    assert "did you mean &#39;web1&#39;" in slip.text
    assert 'value="Mail is slow"' in slip.text
    assert browser.post("/incidents", hosts="web1", title="Mail is slow", about="").status_code == 303
    look(app, clock)
    text = browser.get("/maintenance").text
    assert "Mail is slow" in text
    assert "1 told" in text
    assert browser.post("/incidents/1", act="post", text="A disk is <b>copied</b>.").status_code == 303
    assert "A disk is &lt;b&gt;copied&lt;/b&gt;." in browser.get("/maintenance").text
    assert browser.post("/incidents/1", act="end", text="").status_code == 303
    look(app, clock)
    text = browser.get("/maintenance").text
    assert "Incidents of the last 90 days" in text
    assert browser.post("/incidents/1", act="end", text="").status_code == 400
    assert browser.post("/incidents/9", act="end", text="").status_code == 400


def test_the_calendar_and_the_page_of_the_owner_show_it(
    app: App, clock: FakeClock, signed_in: Callable[[str], Any]
) -> None:
    text = signed_in("boss").get("/calendar").text

    assert "Kernel &lt;b&gt;updates&lt;/b&gt;" in text
    assert 'href="/maintenance"' in text


def test_a_form_of_another_page_does_nothing(app: App, signed_in: Callable[[str], Any]) -> None:
    browser = signed_in("ops1")
    browser.token = "0" * 80

    assert browser.post("/maintenance/kernel", act="cancel", on="2026-11-24").status_code == 403
    assert app.books.audit.about("maintenance kernel") == []


def test_the_page_of_notices_foretells_it_with_the_task_in_which_it_waits(
    app: App, clock: FakeClock, signed_in: Callable[[str], Any]
) -> None:
    look(app, clock)
    (task,) = [task for task in app.books.tasks.opened() if "Approve what" in task.title]
    browser = signed_in("boss")
    page = browser.get("/notices").text
    assert f'<a href="/tasks/{task.id}">Its list waits for the owner: task {task.id}.</a>' in page
    assert "waits for approval" in page
    assert "Kernel &lt;b&gt;updates&lt;/b&gt;, " in page
    assert "<b>updates" not in page
    links = [unescape(link) for link in re.findall(r'href="(/notices/mail[?][^"]+)"', page)]
    assert "7d · kari@customer.example · held" in page
    shown = browser.get(links[0]).text
    assert "Kernel &lt;b&gt;updates&lt;/b&gt;: Tuesday" in shown
    assert "Kari &lt;script&gt;" in shown
    assert browser.get(links[0].replace("/mail", "/letter")).status_code == 200


def test_the_page_of_notices_says_what_was_told_of_a_window(
    app: App, clock: FakeClock, signed_in: Callable[[str], Any]
) -> None:
    app.downtime_acts.open_incident(
        ["web1"], title="Mail is slow", by=By(actor=app.site.people["boss"], at=clock.now())
    )
    look(app, clock)
    page = signed_in("boss").get("/notices").text
    assert "Mail is slow, since " in page
    assert re.search(r"sent</span> incident 1 <small>start · kari@customer.example", page)
    assert "Its end is told when somebody says that it is over." in page
