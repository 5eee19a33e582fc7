"""Hosts on the page: how each stands, and what is not told of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Outcome, Part, StepStatus, worst
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.task import Task, TaskKind
from opsrunner.testing import FakeClock

SignedIn = Callable[[str], Any]
Open = Callable[..., Task]
HOSTILE = "<script>alert(1)</script>"
HOSTS = """\
hosts:
  web1: {address: 192.0.2.10, user: deploy, groups: [shared]}
  web2: {address: 192.0.2.11, port: 2222, user: deploy, key_file: secrets/special, groups: [shared]}
  mx1: {address: mx1.example.com}
"""
WATCH = """\
name: Disk space
accountable: sysadmin
steps:
  - id: room
    ssh: {hosts: shared, run: df -h}
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"


@pytest.fixture
def app(app: App) -> App:
    """The site with three hosts, of which two are reached."""
    site_file, watch = app.root / "opsrunner.yaml", app.root / "routines/disk-space.yaml"
    site_file.write_text(site_file.read_text() + HOSTS)
    watch.write_text(WATCH)
    watch.chmod(0o600)
    app.in_force.refresh()
    app.known_hosts.write_text(f"192.0.2.10 {KEY}\n[192.0.2.11]:2222 {KEY}\nmx1.example.com {KEY}\n")
    return app


@pytest.fixture
def ended(app: App, clock: FakeClock) -> Callable[..., Run]:
    """Write a run of the watch: `ended(web1="", web2="no room")`; what has a message failed."""

    def write(*, hours_ago: float = 0, **said: str) -> Run:
        at = clock.now() - timedelta(hours=hours_ago)
        new = NewRun(routine="disk-space", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, actor="boss")
        run = app.books.runs.claim(new, at=at)
        assert run is not None
        parts = tuple(
            Part(key=host, status=StepStatus.FAILED if message else StepStatus.SUCCEEDED, message=message)
            for host, message in said.items()
        )
        status = worst([part.status for part in parts])
        app.books.steps.finish(
            run.id, 0, StepPlan(id="room", kind="ssh"), outcome=Outcome(status=status, parts=parts), at=at
        )
        app.books.runs.finish(run.id, status=RunStatus(status.value), reason="", at=at)
        return app.books.runs.get(run.id)

    return write


def test_what_failed_comes_first_with_what_it_said(signed_in: SignedIn, ended: Callable[..., Run]) -> None:
    ended(hours_ago=2, web1="it was full", web2="")
    run = ended(web1="", web2=f"exit code 1: {HOSTILE}")
    text = signed_in("ops1").get("/hosts").text
    assert "1 of 3 hosts wants a look" in text
    assert text.index("/hosts/web2") < text.index("/hosts/web1")
    assert f'<a href="/runs/{run.id}">Disk space, room</a>' in text
    assert "exit code 1: &lt;script&gt;" in text
    assert "it was full" not in text, "what was mended is over"
    assert "1 of 1 step fine, the newest today 09:00" in text
    assert "no step reaches it" in text


def test_no_host_is_fine_that_was_not_asked(signed_in: SignedIn, ended: Callable[..., Run]) -> None:
    browser = signed_in("ops1")
    assert "None of 3 hosts was asked yet" in browser.get("/hosts").text
    ended(web1="", web2="")
    assert "2 of 3 hosts are fine" in browser.get("/hosts").text


def test_no_host_stays_fine_once_it_should_have_been_asked_again(
    app: App, signed_in: SignedIn, ended: Callable[..., Run]
) -> None:
    watch = app.root / "routines/disk-space.yaml"
    watch.write_text(WATCH.replace("steps:", 'schedule: {every: day, at: "02:30"}\nsteps:'))
    app.in_force.refresh()
    browser = signed_in("ops1")
    ended(hours_ago=40, web1="", web2="no room")
    text = browser.get("/hosts").text
    assert "1 of 3 hosts wants a look" in text, "what failed stays so until it is asked again"
    assert "0 of 1 step fine, 1 not asked of late" in text
    assert '<span class="tag idle">not asked since</span>' in browser.get("/hosts/web1").text
    ended(hours_ago=39, web1="", web2="")
    assert "None of 3 hosts was asked of late" in browser.get("/hosts").text
    ended(web1="", web2="")
    assert "2 of 3 hosts are fine" in browser.get("/hosts").text


def test_a_host_tells_its_history_its_tasks_and_what_reaches_it(
    signed_in: SignedIn, ended: Callable[..., Run], open_task: Open
) -> None:
    old, new = ended(hours_ago=30, web1="no room", web2=""), ended(web1="", web2="no answer")
    follow_up = {"kind": TaskKind.FOLLOW_UP, "routine": "disk-space", "step": "room", "item": "room"}
    task = open_task(**follow_up, key="web2", title="Look at why room of Disk space failed for web2")
    open_task(**follow_up, key="web1", title="Another matter")
    text = signed_in("ops1").get("/hosts/web2").text
    assert f'href="/tasks/{task.id}"' in text
    assert "Another matter" not in text
    assert text.index(f'"/runs/{new.id}"') < text.index(f'"/runs/{old.id}"')
    assert "room: no answer" in text
    assert "of the last 20 runs of each routine that reaches it" in text
    assert "/routines/disk-space" not in text
    assert '<a href="/routines/disk-space">Disk space</a>' in signed_in("boss").get("/hosts/web2").text


def test_keys_users_and_their_paths_are_not_told(signed_in: SignedIn, ended: Callable[..., Run]) -> None:
    ended(web1="", web2="")
    browser = signed_in("boss")
    for path in ("/hosts", "/hosts/web2"):
        text = browser.get(path).text
        assert "192.0.2.11, port 2222" in text
        for secret in ("secrets/special", "deploy", KEY.split()[1]):
            assert secret not in text


def test_a_host_whose_key_is_not_trusted_says_so(app: App, signed_in: SignedIn) -> None:
    app.known_hosts.write_text("")
    browser = signed_in("ops1")
    assert "opsrunner hosts trust web1" in browser.get("/hosts").text
    assert "opsrunner hosts trust web1" in browser.get("/hosts/web1").text


@pytest.mark.parametrize("person", ["boss", "ops1", "eye"])
def test_everybody_may_look(signed_in: SignedIn, person: str) -> None:
    browser = signed_in(person)
    assert 'href="/hosts"' in browser.get("/").text
    assert browser.get("/hosts").status_code == 200
    assert browser.get("/hosts/local").status_code == 200
    assert "/tick" not in signed_in("eye").get("/hosts/web2").text


def test_a_host_that_is_none_is_no_page(signed_in: SignedIn) -> None:
    browser = signed_in("ops1")
    assert browser.get("/hosts/web9").status_code == 404
    assert browser.get("/hosts/WEB1").status_code == 404
    assert browser.get("/hosts/web1?sort=x").status_code == 400
