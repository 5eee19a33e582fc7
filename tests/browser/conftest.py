"""Real browsers on a real `opsrunner serve`."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ..front_door import FrontDoor

SCRIPT = Path(sys.executable).with_name("opsrunner")
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner, sysadmin], phone: "+44 20 7946 0123"}}
  ops1: {{name: First technician, email: ops1@example.com, roles: [sysadmin]}}
hosts:
  web1: {{address: 192.0.2.10, groups: [shared]}}
{hosts}rosters:
  on-call: {{rotate: week, handover: mon 09:00, from: 2026-01-05, people: [boss, ops1]}}
  desk: {{shifts: [{{hours: "07:00-15:00", person: ops1}}, {{hours: "15:00-23:00", person: boss}}]}}
sources:
  services: {{csv: services.csv, columns: {{service: text, customer: text, name: text, email: text, host: text}}}}
web: {{listen: "127.0.0.1:{port}"}}
"""
WINDOWS = """\
windows:
  kernel:
    name: Updates of the shared servers
    schedule: {once: "%s"}
    lasts: 2h
    hosts: [web1]
    audience: {source: services}
incidents:
  audience: {source: services}
"""
SERVICES = "service,customer,name,email,host\nshop.example,C1,Kari Vik,kari@customer.example,web1\n"
REVIEW = """\
name: Weekly review
accountable: sysadmin
steps:
  - id: look
    run: echo "all databases are there"
  - task: Read the restore report and sign it off
    evidence: {note: required}
    how: |
      1. Open the **report**.
      2. Look for `missing`.
  - task: Confirm that the mail queue is empty
    link: https://mail.example.com/queue
  - task: Take a picture of rack 4
    evidence:
      file: required
      form:
        units_free: {number: [0, 42], need: optional}
        order: {number: [1, 5], need: optional}
        door: {choice: [locked, open], need: optional}
"""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A daemon with its page."""

    root: Path
    address: str
    door: FrontDoor

    def ask(self, *words: str) -> str:
        """Run a verb and return what it printed."""
        done = self.door.call(*words, folder=self.root, environment=os.environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def link(self, person: str) -> str:
        """Return a link that signs a person in."""
        return self.ask("person", "link", person).strip()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each opens windows of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def more_files() -> dict[str, str]:
    """Files of the site beside those that all tests share; a test module may have its own."""
    return {}


@pytest.fixture
def more_site() -> str:
    """Keys of opsrunner.yaml beside those that all tests share."""
    return ""


@pytest.fixture
def more_hosts() -> str:
    """Hosts beside the one that all tests share, as lines of YAML."""
    return ""


@pytest.fixture
def served(
    tmp_path: Path, more_site: str, more_hosts: str, more_files: dict[str, str], front_door: FrontDoor
) -> Iterator[Served]:
    """A site with one run whose checklist is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = tmp_path / "site"
    (root / "routines").mkdir(parents=True, mode=0o700)
    root.chmod(0o700)
    files = {"opsrunner.yaml": SITE.format(port=port, hosts=more_hosts) + more_site, "routines/review.yaml": REVIEW}
    files |= {"maintenance.yaml": WINDOWS % _in_weeks(), "services.csv": SERVICES}
    for name, text in {**files, **more_files}.items():
        (root / name).write_text(text)
        (root / name).chmod(0o600)
    with (tmp_path / "log").open("w") as log:
        daemon = subprocess.Popen([str(SCRIPT), "serve"], cwd=root, stdout=log, stderr=log, env=dict(os.environ))
        try:
            _until(lambda: "the page is at" in (tmp_path / "log").read_text(), "the page is there")
            found = Served(root=root, address=f"http://127.0.0.1:{port}", door=front_door)
            found.ask("run", "review", "--as", "boss")
            yield found
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


def _in_weeks() -> str:
    """Return when a window is of which customers hear within a month, and whose list nobody is asked for yet."""
    return f"{date.today() + timedelta(days=25)}T02:00"


def _until(is_so: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.05)


@pytest.fixture
def window(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open windows: `window(width=390, dark=True, scripts=False)`. Whatever a page complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def build(*, width: int = 1280, dark: bool = False, scripts: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        return page

    yield build
    for context in contexts:
        context.close()
    assert [text for text in complaints if not re.search("status of (4|5)", text)] == []


@pytest.fixture
def signed_in(served: Served, window: Callable[..., Page]) -> Callable[..., Page]:
    """Open a window in which a person is signed in: `signed_in("ops1", width=390)`."""

    def build(person: str, *, width: int = 1280, dark: bool = False, scripts: bool = True) -> Page:
        page = window(width=width, dark=dark, scripts=scripts)
        page.goto(served.link(person))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", level=1).wait_for()
        return page

    return build
