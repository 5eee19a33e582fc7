"""A page is made once for all who look within a second; whoever looks sees what was written before."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.model.task import Task
from opsrunner.templates.own_pages import OwnPages
from opsrunner.testing import FakeClock

SignedIn = Callable[[str], Any]
Open = Callable[..., Task]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that were rendered."""
    names: list[str] = []
    render = OwnPages.render

    def listening(self: OwnPages, name: str, context: Any) -> str:
        names.append(name)
        return render(self, name, context)

    monkeypatch.setattr(OwnPages, "render", listening)
    return names


@pytest.fixture
def looking(signed_in: SignedIn) -> Any:
    """A browser whose requests share a thread, as they do in a server."""
    browser = signed_in("ops1")
    with browser.client:
        yield browser


def test_the_same_page_is_made_once_a_second(looking: Any, made: list[str], clock: FakeClock) -> None:
    first, second = looking.get("/"), looking.get("/")
    assert first.text == second.text
    assert len(made) == 1
    looking.get("/?open=3")
    assert len(made) == 2
    clock.move(seconds=2)
    looking.get("/")
    assert len(made) == 3


def test_what_was_written_is_seen_at_once(looking: Any, open_task: Open) -> None:
    looking.get("/")
    task = open_task(title="A new one")
    assert "A new one" in looking.get("/").text
    looking.post(f"/tasks/{task.id}/tick")
    assert f"/tasks/{task.id}/undo" in looking.get("/").text


def test_an_edit_of_the_site_is_seen_at_once(looking: Any, app: App) -> None:
    looking.get("/")
    path = app.root / "opsrunner.yaml"
    path.write_text(path.read_text().replace("Example Hosting", "Another Hosting"))
    app.in_force.refresh()
    assert "Another Hosting" in looking.get("/").text


def test_each_session_has_its_own_token_in_a_page_that_is_shared(
    looking: Any, signed_in: SignedIn, open_task: Open
) -> None:
    other = signed_in("ops1")
    other.client.portal = looking.client.portal  # the same thread
    task = open_task()
    ours, theirs = looking.get("/").text, other.get("/").text
    tokens = [set(re.findall(r'name="token" value="([0-9a-f]{80})"', text)) for text in (ours, theirs)]
    assert all(len(found) == 1 for found in tokens)
    assert not tokens[0] & tokens[1]
    assert other.post(f"/tasks/{task.id}/tick").status_code == 303


def test_nobody_gets_what_was_made_for_another(looking: Any, signed_in: SignedIn, open_task: Open) -> None:
    open_task(title="Only mine", role="ops1")
    other = signed_in("ops2")
    other.client.portal = looking.client.portal
    assert "Only mine" in looking.get("/").text
    assert "Only mine" not in other.get("/").text


def test_a_page_is_packed_where_the_browser_can_unpack_it(looking: Any, open_task: Open) -> None:
    for number in range(20):
        open_task(title=f"Task {number}")
    with looking.client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer:
        body = b"".join(answer.iter_raw())
    plain = looking.get("/", **{"Accept-Encoding": "identity"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    assert "content-encoding" not in plain.headers
    assert b"Task 19" in gzip.decompress(body)
    assert "Task 19" in plain.text


def test_no_text_of_anybody_is_taken_for_the_token(looking: Any, open_task: Open) -> None:
    open_task(title="@@token@@ token-", link="https://example.com/?token-")
    assert "@@token@@ token-" in looking.get("/").text
