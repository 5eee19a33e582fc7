"""The way in: links that are good once and for minutes, and sessions that end."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.engine.leaving import Leaver
from opsrunner.errors import MailFailed, StateError
from opsrunner.testing import FakeClock
from opsrunner.web import sign_in

Browser = Any
PAGE = "http://127.0.0.1:8420"


def mailed_link(app: App) -> str:
    """Let the mails leave, and return the path of the link in the one that arrived."""
    app.deliver()
    (mail,) = (app.state / "maildir/new").iterdir()
    found = re.search(rf"{PAGE}(/sign-in/\S+)", mail.read_text())
    assert found is not None
    return found[1]


def of_the_ledger(app: App) -> bytes:
    """Return all that lies on the disk of the ledger, its journal included."""
    return b"".join(path.read_bytes() for path in app.state.glob("ledger.db*"))


def test_who_asks_gets_a_link_by_mail_and_comes_in_by_it(app: App, browser: Browser) -> None:
    told = browser.post("/sign-in", email=" OPS1@example.com ")
    assert "a mail is on its way" in told.text
    path = mailed_link(app)
    assert "Good to see you, First technician" in browser.get(path).text
    answer = browser.post(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "Nothing needs you" in browser.get("/").text


def test_a_stranger_is_told_the_same_and_gets_no_mail(app: App, browser: Browser, clock: FakeClock) -> None:
    known, unknown = browser.post("/sign-in", email="ops1@example.com"), browser.post("/sign-in", email="x@example.com")
    assert known.text == unknown.text
    assert len(app.books.outbox.due(clock.now())) == 1


def test_a_scanner_that_looks_at_a_link_uses_nothing_up(app: App, browser: Browser) -> None:
    browser.post("/sign-in", email="ops1@example.com")
    path = mailed_link(app)
    for method in ("GET", "HEAD", "GET"):
        answer = browser.client.request(method, path)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert app.books.sessions.is_first()
    assert browser.post(path).status_code == 303


def test_a_link_is_good_once(app: App, browser: Browser, clock: FakeClock) -> None:
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    assert browser.post(f"/sign-in/{link}").status_code == 303
    browser.get("/")
    again = browser.post(f"/sign-in/{link}")
    assert again.status_code == 410
    assert "used already" in again.text


def test_a_link_ends_after_fifteen_minutes(app: App, browser: Browser, clock: FakeClock) -> None:
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    clock.move(minutes=15)
    assert browser.get(f"/sign-in/{link}").status_code == 410
    assert browser.post(f"/sign-in/{link}").status_code == 410


def test_the_cookie_is_kept_from_scripts_and_other_pages(app: App, browser: Browser, clock: FakeClock) -> None:
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    cookie = browser.post(f"/sign-in/{link}").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie


def test_signing_in_again_makes_a_new_session(app: App, signed_in: Callable[[str], Browser], clock: FakeClock) -> None:
    browser = signed_in("ops1")
    before = browser.client.cookies["opsrunner"]
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    browser.get(f"/sign-in/{link}")
    assert browser.post(f"/sign-in/{link}").status_code == 303
    assert browser.client.cookies["opsrunner"] != before


def test_signing_in_again_ends_the_session_that_the_browser_had(
    app: App, signed_in: Callable[[str], Browser], clock: FakeClock
) -> None:
    browser, elsewhere = signed_in("ops1"), signed_in("ops1")
    stolen = dict(browser.client.cookies)
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    browser.get(f"/sign-in/{link}")
    assert browser.post(f"/sign-in/{link}").status_code == 303
    assert browser.get("/").status_code == 200
    assert len(app.books.sessions.live(at=clock.now())) == 2
    browser.client.cookies.clear()
    browser.client.cookies.update(stolen)
    assert browser.get("/").headers["location"] == "/sign-in"
    assert elsewhere.get("/").status_code == 200
    actions = [record.action for record in app.books.audit.about("person ops1")]
    assert actions[-2:] == ["sign out", "sign in"]


def test_who_signs_in_on_the_browser_of_another_ends_their_session_there(
    app: App, signed_in: Callable[[str], Browser], clock: FakeClock
) -> None:
    browser = signed_in("ops1")
    link = app.sign_in.link(app.site.people["ops2"], made_by="boss", at=clock.now())
    browser.get(f"/sign-in/{link}")
    assert browser.post(f"/sign-in/{link}").status_code == 303
    assert [session.person for session in app.books.sessions.live(at=clock.now())] == ["ops2"]
    last = app.books.audit.about("person ops1")[-1]
    assert (last.action, last.actor, last.address) == ("sign out", "ops2", "web testclient")


def test_a_link_that_is_over_ends_no_session(app: App, signed_in: Callable[[str], Browser], clock: FakeClock) -> None:
    browser = signed_in("ops1")
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    clock.move(minutes=15)
    browser.get("/")
    assert browser.post(f"/sign-in/{link}").status_code == 410
    assert browser.get("/").status_code == 200


def test_signing_out_ends_the_session_on_the_server(app: App, signed_in: Callable[[str], Browser]) -> None:
    browser = signed_in("ops1")
    stolen = dict(browser.client.cookies)
    assert browser.post("/sign-out").status_code == 303
    browser.client.cookies.update(stolen)
    assert browser.get("/").headers["location"] == "/sign-in"


def test_a_session_that_is_not_used_ends_after_a_week(signed_in: Callable[[str], Browser], clock: FakeClock) -> None:
    browser = signed_in("ops1")
    clock.move(days=6)
    assert browser.get("/").status_code == 200
    clock.move(days=6)
    assert browser.get("/").status_code == 200
    clock.move(days=7, minutes=1)
    assert browser.get("/").status_code == 303


def test_a_session_ends_after_thirty_days_however_much_it_is_used(
    signed_in: Callable[[str], Browser], clock: FakeClock
) -> None:
    browser = signed_in("ops1")
    for _ in range(29):
        clock.move(days=1)
        assert browser.get("/").status_code == 200
    clock.move(days=1)
    assert browser.get("/").status_code == 303


def test_who_is_no_more_in_the_file_is_out(app: App, signed_in: Callable[[str], Browser], clock: FakeClock) -> None:
    browser = signed_in("ops2")
    path = app.root / "opsrunner.yaml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "ops2:" not in line) + "\n")
    app.in_force.refresh()
    assert browser.get("/").status_code == 303


def test_no_token_stands_in_the_ledger(app: App, signed_in: Callable[[str], Browser], clock: FakeClock) -> None:
    browser = signed_in("ops1")
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    body = b"".join(path.read_bytes() for path in Path(app.state).glob("ledger.db*"))
    assert browser.client.cookies["opsrunner"].encode() not in body
    assert link.encode() not in body


def test_no_token_of_a_mailed_link_ever_stands_in_the_ledger(app: App, browser: Browser, clock: FakeClock) -> None:
    browser.post("/sign-in", email="ops1@example.com")
    assert b"/sign-in/" not in of_the_ledger(app)
    token = mailed_link(app).rpartition("/")[2]
    assert len(token) == 43
    assert token.encode() not in of_the_ledger(app)
    (row,) = app.books.ledger.all("SELECT text, html, sent_at FROM outbox")
    assert token not in row["text"] + row["html"]
    assert row["sent_at"] is not None
    assert browser.post(f"/sign-in/{token}").status_code == 303


def test_no_token_stands_in_the_ledger_where_a_mail_fails_or_is_given_up(
    app: App, browser: Browser, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail server sees the link, and takes the mail only after two tries; or never."""
    seen: list[str] = []

    class Refuses:
        permanent = False

        def deliver(self, message: Any, *, to: str, **_: Any) -> None:
            seen.extend(re.findall(r"/sign-in/(\S+)", message.get_content()))
            raise MailFailed("not now", permanent=self.permanent)

        def close(self) -> None:
            pass

    refuses = Refuses()
    monkeypatch.setattr(app, "transport", lambda: refuses)
    browser.post("/sign-in", email="ops1@example.com")
    for permanent in (False, False, True):
        refuses.permanent = permanent
        app.deliver()
        clock.move(hours=2)
    assert len(set(seen)) == 3, "each try has a link of its own"
    assert app.books.outbox.waiting() == 0
    assert all(token.encode() not in of_the_ledger(app) for token in seen)


def test_the_minutes_of_a_link_begin_when_its_mail_leaves(app: App, browser: Browser, clock: FakeClock) -> None:
    browser.post("/sign-in", email="ops1@example.com")
    clock.move(hours=3)
    path = mailed_link(app)
    clock.move(minutes=14)
    assert browser.post(path).status_code == 303


def test_a_link_for_who_has_left_meanwhile_is_not_mailed(app: App, browser: Browser) -> None:
    browser.post("/sign-in", email="ops2@example.com")
    path = app.root / "opsrunner.yaml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "ops2:" not in line) + "\n")
    app.in_force.refresh()
    app.deliver()
    assert app.books.outbox.waiting() == 0
    assert not list((app.state / "maildir").rglob("*.*"))
    assert app.books.ledger.all("SELECT * FROM links") == []


def test_a_session_that_is_over_is_forgotten_at_the_next_sign_in(
    app: App, signed_in: Callable[[str], Browser], clock: FakeClock
) -> None:
    signed_in("ops1")
    clock.move(days=31)
    signed_in("ops2")
    assert [row["person"] for row in app.books.ledger.all("SELECT person FROM sessions")] == ["ops2"]
    assert not app.books.sessions.is_first()


def test_links_are_asked_for_ten_times_and_no_more(app: App, browser: Browser, clock: FakeClock) -> None:
    codes = [browser.post("/sign-in", email="ops1@example.com").status_code for _ in range(12)]
    assert codes == [200] * 10 + [429] * 2
    clock.move(minutes=11)
    assert browser.post("/sign-in", email="ops1@example.com").status_code == 200


@pytest.mark.parametrize("path", ["/leave/" + "a" * 40, "/sign-in/" + "a" * 43])
def test_wrong_links_keep_nobody_from_signing_in(
    signed_in: Callable[[str], Browser], browser: Browser, path: str
) -> None:
    """Behind a proxy all come from one address: a stranger there uses up no more than tries of links."""
    boss = signed_in("boss")
    codes = [browser.get(path).status_code for _ in range(100)]
    assert codes[-1] == 429
    assert browser.post("/sign-in", email="ops1@example.com").status_code == 200
    assert boss.post("/team/people/ops2/invite").status_code == 303


def test_an_owner_invites_also_where_a_stranger_asked_for_many_links(
    signed_in: Callable[[str], Browser], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "ANSWERS_AFTER_SECONDS", 0)
    boss = signed_in("boss")
    codes = [browser.post("/sign-in", email=f"x{number}@example.com").status_code for number in range(61)]
    assert codes == [200] * 60 + [429]
    assert boss.post("/team/people/ops2/invite").status_code == 303


def test_wrong_links_are_tried_ten_times_and_no_more(browser: Browser) -> None:
    codes = {
        browser.get(f"/sign-in/{number:043d}", **{"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(100)
    }
    assert codes == {410, 429}


def test_a_right_link_opens_also_after_a_stranger_tried_many(app: App, browser: Browser, clock: FakeClock) -> None:
    """Behind a proxy all come from one address."""
    for number in range(100):
        browser.get(f"/sign-in/{number:043d}")
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    assert browser.get(f"/sign-in/{link}").status_code == 200
    assert browser.post(f"/sign-in/{link}").status_code == 303


def test_how_long_an_answer_takes_tells_a_stranger_nothing(app: App, browser: Browser) -> None:
    for email in ("ops1@example.com", "x@example.com"):
        began = time.monotonic()
        assert browser.post("/sign-in", email=email).status_code == 200
        assert time.monotonic() - began > 0.29


def test_the_session_s_end_is_told_by_the_site_s_clock(app: App, clock: FakeClock) -> None:
    token = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    session = app.sign_in.enter(token, at=clock.now(), address="web", agent="x\r\ny" * 100)
    found = app.sign_in.who(session, at=clock.now() + timedelta(days=1))
    assert found is not None
    assert "\n" not in found[1].agent
    assert len(found[1].agent) <= 200


def test_that_a_session_is_used_is_written_where_nobody_else_waits_for_the_disk(
    app: App, signed_in: Callable[[str], Browser], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, seen, threads = signed_in("ops1"), app.books.sessions.seen, []

    def noting(session: int, *, at: datetime) -> None:
        threads.append(threading.current_thread().name)
        seen(session, at=at)

    monkeypatch.setattr(app.books.sessions, "seen", noting)
    clock.move(minutes=6)
    for _ in range(3):
        browser.get("/")
    assert [name.rpartition("_")[0] for name in threads] == ["web"]


def test_a_page_is_looked_at_also_where_its_use_cannot_be_recorded(
    app: App, signed_in: Callable[[str], Browser], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in("ops1")

    def full(*_: object, **__: object) -> None:
        raise StateError("ledger.db: database or disk is full; make room on the disk")

    monkeypatch.setattr(app.books.sessions, "seen", full)
    clock.move(minutes=6)
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("fault", [StateError("ledger.db: disk I/O error"), RuntimeError("a fault of ours")])
@pytest.mark.parametrize("what", ["sign-in", "leave", "cut"])
def test_no_log_names_a_link_that_is_good(
    app: App,
    clock: FakeClock,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
    fault: Exception,
) -> None:
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    word = app.leave.word(Leaver(notice="renewals.notice", address="kari@example.com"))
    path = {"sign-in": f"/sign-in/{link}", "leave": f"/leave/{word}", "cut": f"/sign-in/{link}."}[what]

    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(app.sign_in, "who", broken)
    browser.client.cookies.set("opsrunner", "x" * 43)
    assert browser.get(path).status_code in (500, 503)
    said = "\n".join(record.getMessage() for record in caplog.records if record.name == "opsrunner")
    assert {"sign-in": "page /sign-in/{link:token}", "leave": "page /leave/{word:leave}", "cut": "page "}[what] in said
    assert link not in caplog.text
    assert word not in caplog.text
