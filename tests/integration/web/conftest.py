"""The page over a real ledger: a site of four people, a clock that stands, and browsers that speak HTTP only."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from starlette.testclient import TestClient

from opsrunner.app import App, open_app
from opsrunner.ledger.runs import NewRun
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.task import NewTask, Task, TaskKind
from opsrunner.templates import own_pages
from opsrunner.testing import FakeClock
from opsrunner.web.application import Web

HOST = "127.0.0.1:8420"
PAGE = f"http://{HOST}"
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  ops2: {name: Second technician, email: ops2@example.com, roles: [sysadmin]}
  eye: {name: The auditor, email: eye@example.com, roles: [viewer]}
"""
NIGHTLY = """\
name: Nightly backups
accountable: sysadmin
steps:
  - run: "true"
"""


@pytest.fixture
def clock() -> FakeClock:
    """Friday 20 November 2026, 09:00 in Oslo."""
    return FakeClock(datetime(2026, 11, 20, 8, tzinfo=UTC))


@pytest.fixture
def app(tmp_path: Path, clock: FakeClock) -> Iterator[App]:
    """The site, opened."""
    root = tmp_path / "site"
    (root / "routines").mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    for name, text in {"opsrunner.yaml": SITE, "routines/nightly.yaml": NIGHTLY}.items():
        (root / name).write_text(text)
        (root / name).chmod(0o600)
    opened = open_app(root, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def web(app: App) -> Web:
    """The page's application, in one piece for all browsers."""
    return Web(app)


class KeptTemplates(BytecodeCache):
    """Templates as they were compiled first: half of a test's time, where each has a page of its own."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])  # unless its source is another one now

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def _kept_templates() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_pages, "Environment", partial(Environment, bytecode_cache=KeptTemplates()))
        yield


class Browser:
    """What one person looks through: cookies, forms with their token, and the headers that browsers send."""

    def __init__(self, web: Web) -> None:
        self.client = TestClient(web.application(), base_url=PAGE, follow_redirects=False)
        self.token = ""

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """Look at a page, and remember the token of its forms."""
        answer = self.client.get(path, headers=headers)
        if found := re.search(r'name="token" value="([0-9a-f]{80})"', answer.text):
            self.token = found[1]
        return answer

    def post(self, path: str, *, files: Any = None, **fields: Any) -> httpx2.Response:
        """Send a form of this page."""
        data = {**({"token": self.token} if self.token else {}), **fields}
        return self.client.post(path, data=data, files=files, headers={"Origin": PAGE, "Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def browser(web: Web) -> Browser:
    """A browser that nobody is signed in with."""
    return Browser(web)


@pytest.fixture
def signed_in(app: App, web: Web, clock: FakeClock) -> Callable[[str], Browser]:
    """Give the browser of a person: `signed_in("ops1")`."""

    def enter(person: str) -> Browser:
        found = Browser(web)
        link = app.sign_in.link(app.site.people[person], made_by="boss", at=clock.now())
        assert found.post(f"/sign-in/{link}").status_code == 303
        found.get("/")
        return found

    return enter


@pytest.fixture
def open_task(app: App, clock: FakeClock) -> Callable[..., Task]:
    """Open a task: `open_task(title="Read the report", role="ops1")`."""

    def open_one(**changes: Any) -> Task:
        values: dict[str, Any] = {
            "kind": TaskKind.AD_HOC,
            "run": None,
            "routine": None,
            "step": "",
            "item": "ad-hoc",
            "title": "Read the report",
            "role": "ops1",
            "expires": "never",
            "opened_at": clock.now(),
        }
        task, _ = app.books.tasks.open(NewTask(**{**values, **changes}))
        return task

    return open_one


@pytest.fixture
def start_run(app: App, clock: FakeClock) -> Callable[..., Run]:
    """Write a run of the routine `nightly`: `start_run(status=RunStatus.FAILED)`."""

    def start(status: RunStatus = RunStatus.RUNNING, reason: str = "") -> Run:
        new = NewRun(routine="nightly", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, actor="boss")
        run = app.books.runs.claim(new, at=clock.now())
        assert run is not None
        if status is not RunStatus.RUNNING:
            app.books.runs.finish(run.id, status=status, reason=reason, at=clock.now() + timedelta(seconds=14))
        return app.books.runs.get(run.id)

    return start


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody listens at, kept until the test has ended: nobody else is given it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def served(app: App, port: int) -> Iterator[App]:
    """The site opened by a real clock, with its page at `port`."""
    path = app.root / "opsrunner.yaml"
    path.write_text(f'{path.read_text()}web: {{listen: "127.0.0.1:{port}"}}\n')
    opened = open_app(app.root)
    yield opened
    opened.close()
