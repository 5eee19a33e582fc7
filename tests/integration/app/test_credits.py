"""A credit by HTTP that is `once`: posted at most once, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import opsrunner
from opsrunner.app import open_app
from opsrunner.model.task import TaskKind

from ...web_answers import answering

ROUTINE = """\
name: Credits
accountable: boss
steps:
  - id: ok
    query: {{source: earned}}
  - id: credit
    http:
      post: {url}/credits
      json: {{customer: "{{{{ row.customer }}}}", amount: "{{{{ row.credit }}}}"}}
      expect: {{status: 201}}
    for_each: steps.ok.rows
    key: row.customer
    once: "reward-{{{{ row.customer }}}}-2026-11"
    retry: {{times: 3, wait: 1s}}
"""
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
sources:
  earned: {csv: earned.csv, columns: {customer: text, credit: number}}
"""


class Billing:
    """A billing system on loopback, which counts what it was asked to give. `on_post` may make it go wrong."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.on_post: Callable[[str], int] = lambda _: 201
        billing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                billing.given.append(body["customer"])
                status = billing.on_post(body["customer"])
                if status:
                    self.send_response(status)
                    self.end_headers()

        self.handler = Handler
        self.url = ""


@pytest.fixture
def billing() -> Iterator[Billing]:
    one = Billing()
    with answering(one.handler) as one.url:
        yield one


@pytest.fixture
def site(make_site: Callable[..., Path], billing: Billing) -> Path:
    return make_site(
        {
            "opsrunner.yaml": SITE,
            "routines/credits.yaml": ROUTINE.format(url=billing.url),
            "earned.csv": "customer,credit\nC1,250\nC2,250\nC3,250\n",
        }
    )


def command(site: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("opsrunner")), "run", "credits", "--site", str(site)]


def environment() -> dict[str, str]:
    """Return an environment in which the program is the one that is tested."""
    package = Path(opsrunner.__path__[0]).parent
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(package), "LANG": "C.UTF-8", "HOME": "/nowhere"}


def run(site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(site),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_second_run_gives_no_second_credit(site: Path, billing: Billing) -> None:
    assert run(site).returncode == 0
    assert run(site).returncode == 0
    assert billing.given == ["C1", "C2", "C3"]


def test_an_answer_that_says_no_is_not_asked_again_but_told(site: Path, billing: Billing) -> None:
    billing.on_post = lambda customer: 500 if customer == "C2" else 201
    assert run(site).returncode == 1
    (site / "earned.csv").write_text("customer,credit\nC1,250\nC2,250\nC3,250\nC4,250\n")
    assert run(site).returncode == 0
    assert billing.given == ["C1", "C2", "C3", "C4"], "no try after the first, and none in a second run"
    app = open_app(site)
    try:
        (task,) = app.books.tasks.opened()
        assert (task.kind, task.key) == (TaskKind.FOLLOW_UP, "C2")
        assert "500" in task.message
        assert "no run does it again" in task.how
    finally:
        app.close()


def test_killed_with_a_credit_in_flight_a_person_is_asked_and_nothing_is_given_twice(
    site: Path, billing: Billing
) -> None:
    arrived, let_go = threading.Event(), threading.Event()

    def hold(customer: str) -> int:
        if customer != "C2":
            return 201
        arrived.set()
        let_go.wait(30)
        return 0

    billing.on_post = hold
    with subprocess.Popen(
        command(site), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as killed:
        assert arrived.wait(30)
        killed.send_signal(signal.SIGKILL)
        killed.wait(30)
    let_go.set()
    billing.on_post = lambda _: 201

    again = run(site)

    assert billing.given == ["C1", "C2", "C3"]
    app = open_app(site)
    try:
        first = app.books.runs.listed(routine="credits", limit=10)[-1]
        told: list[Any] = [(first.status.value, first.reason)]
        asked = [task.title for task in app.books.tasks.opened()]
    finally:
        app.close()
    assert told == [("interrupted", "crash")]
    assert len(asked) == 1, again.stdout
    assert "how far credit of Credits came" in asked[0]
