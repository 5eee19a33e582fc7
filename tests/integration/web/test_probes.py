"""What machines ask of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from opsrunner.app import App
from opsrunner.web.application import Web


@pytest.fixture
def scraper(web: Web) -> TestClient:
    """A monitoring system on this machine."""
    return TestClient(web.application(), base_url="http://127.0.0.1:8420", client=("127.0.0.1", 50000))


def test_figures_are_told_on_this_machine(scraper: TestClient, open_task: Callable[..., Any]) -> None:
    open_task()
    answer = scraper.get("/metrics")
    assert answer.status_code == 200
    assert "opsrunner_tasks_open 1\n" in answer.text
    assert re.search(r'opsrunner_info\{version="[0-9.]+"\} 1\n', answer.text)
    for line in answer.text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) opsrunner_[a-z_]+ .+|opsrunner_[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e+-]+', line
        )


def test_a_broken_file_of_any_kind_is_counted(app: App, scraper: TestClient) -> None:
    assert "opsrunner_files_broken 0\n" in scraper.get("/metrics").text

    for name in ("maintenance.yaml", "checklists/wrong.yaml", "routines/wrong.yaml"):
        path = app.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("nobody: knows this\n", encoding="utf-8")
        path.chmod(0o600)
    app.in_force.refresh()

    assert "opsrunner_files_broken 3\n" in scraper.get("/metrics").text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_a_proxy_hands_on_gets_no_figures(scraper: TestClient, header: str) -> None:
    assert scraper.get("/metrics", headers={header: "for=127.0.0.1"}).status_code == 403


def test_a_proxy_that_says_nothing_of_itself_gets_no_figures(app: App, scraper: TestClient) -> None:
    """As nginx does by itself: the name by which people came is all that tells of it."""
    path = app.root / "opsrunner.yaml"
    path.write_text(f"{path.read_text()}web: {{url: https://ops.example.com}}\n")
    assert app.in_force.refresh()
    assert scraper.get("/healthz", headers={"Host": "ops.example.com"}).status_code == 200
    assert scraper.get("/metrics", headers={"Host": "ops.example.com"}).status_code == 403
    assert scraper.get("/metrics").status_code == 200


def test_a_stranger_from_elsewhere_gets_no_figures(web: Web) -> None:
    elsewhere = TestClient(web.application(), base_url="http://127.0.0.1:8420", client=("192.0.2.7", 50000))
    assert elsewhere.get("/metrics").status_code == 403


def test_an_owner_sees_the_figures(signed_in: Callable[[str], Any]) -> None:
    assert signed_in("boss").get("/metrics").status_code == 200
    assert signed_in("ops1").get("/metrics").status_code == 403


def test_a_ledger_that_is_gone_is_told(app: App, scraper: TestClient) -> None:
    assert scraper.get("/healthz").status_code == 200
    (app.state / "ledger.db").rename(app.state / "away.db")
    assert scraper.get("/healthz").status_code == 503
    (app.state / "away.db").rename(app.state / "ledger.db")


def test_a_lost_ledger_is_said_in_one_line_and_tells_nobody_a_path(
    app: App, signed_in: Callable[[str], Any], browser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    owner = signed_in("boss")
    (app.state / "ledger.db").rename(app.state / "away.db")
    asked = [owner.get(path) for path in ("/", "/runs/1", "/nowhere")]
    asked.append(browser.post("/sign-in", email="owner@example.com"))
    for answer in asked:
        assert answer.status_code == 503
        assert "the log says why" in answer.text
        assert str(app.state) not in answer.text
        assert answer.headers["content-security-policy"]
    assert not any(record.exc_info for record in caplog.records)
    (app.state / "away.db").rename(app.state / "ledger.db")
    assert owner.get("/").status_code == 200


def test_a_fault_of_ours_is_a_sentence_with_the_headers_of_all_answers(
    app: App, signed_in: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = signed_in("boss")
    monkeypatch.setattr(app.books.tasks, "opened", lambda: 1 / 0)
    answer = owner.get("/?open=1")
    assert answer.status_code == 500
    assert answer.text == "opsrunner itself is at fault here; the log says more."
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_digests_stand_as_they_went_out(app: App, signed_in: Callable[[str], Any]) -> None:
    owner = signed_in("boss")
    assert "None has gone out yet" in owner.get("/digests").text
    digest_id = app.digests.write("daily", app.clock.now())
    text = owner.get("/digests").text
    assert f"/digests/{digest_id}" in text
    shown = owner.get(f"/digests/{digest_id}").text
    assert "Example Hosting" in shown
    assert owner.get("/digests/77").status_code == 404
    assert owner.get("/digests?before=x").status_code == 400
    assert owner.get("/digests?before=1").status_code == 200
    assert signed_in("ops1").get("/digests").status_code == 403


def test_a_digest_is_shown_as_its_mail_in_a_frame_that_can_do_nothing(
    app: App, signed_in: Callable[[str], Any]
) -> None:
    owner = signed_in("boss")
    number = app.digests.write("daily", app.clock.now())
    assert f'src="/digests/{number}/mail"' in owner.get(f"/digests/{number}").text
    letter = owner.get(f"/digests/{number}/mail")
    assert "Example Hosting" in letter.text
    policy = letter.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script" not in policy
    assert "allow-same-origin" not in policy
    assert letter.headers["x-frame-options"] == "SAMEORIGIN"
    assert owner.get("/digests").headers["x-frame-options"] == "DENY"
    assert owner.get("/digests/77/mail").status_code == 404
    assert signed_in("ops1").get(f"/digests/{number}/mail").status_code == 403
