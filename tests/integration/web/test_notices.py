"""Notices on the page: what is to come, each mail as it would go, and the door by which recipients leave."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from opsrunner.app import App
from opsrunner.engine.held import world_of
from opsrunner.engine.planning import Planning
from opsrunner.model.mail import NewMail

SignedIn = Callable[[str], Any]
HOSTILE = "<script>alert(1)</script>"
WEB = 'web: {url: "https://ops.example.com"}\n'
SOURCES = """\
sources:
  domains:
    csv: domains.csv
    columns: {domain: text, name: text, email: text?, expires_at: date?}
"""
ROUTINE = """\
name: Domain renewals
accountable: boss
schedule: {every: day, at: "08:00"}
steps:
  - notice:
      source: domains
      key: domain
      at: expires_at
      to: email
      name: name
      ladder: [30d, 14d]
      template: renewal
"""
ROWS = f"""\
domain,name,email,expires_at
a.example,Kari,kari@example.com,2026-12-25
{HOSTILE},{HOSTILE},ola@example.com,2026-12-25
b.example,Nobody,,2026-12-25
"""


@pytest.fixture
def app(app: App) -> App:
    """The site with a notice that is not live."""
    site = app.root / "opsrunner.yaml"
    site.write_text(site.read_text() + SOURCES)
    files = {
        "routines/renewals.yaml": ROUTINE,
        "domains.csv": ROWS,
        "reports/renewal.txt.j2": "Subject: {{ key }} ends\nDear {{ name }}\n",
        "reports/renewal.html.j2": "<p>Dear <b>{{ name }}</b></p>",
    }
    (app.root / "reports").mkdir(mode=0o700)
    for name, text in files.items():
        (app.root / name).write_text(text)
        (app.root / name).chmod(0o600)
    app.in_force.refresh()
    return app


@pytest.fixture
def open_app(app: App) -> App:
    """The same, reached from outside by HTTPS."""
    site = app.root / "opsrunner.yaml"
    site.write_text(site.read_text() + WEB)
    app.in_force.refresh()
    return app


@pytest.fixture
def mail_of() -> Callable[..., str]:
    """Return the query of one mail."""

    def make(key: str = "a.example", to: str = "kari@example.com", rung: str = "30d") -> str:
        return urlencode({"notice": "renewals.notice", "key": key, "to": to, "rung": rung})

    return make


def test_the_page_says_who_gets_what_and_what_holds_it(app: App, signed_in: SignedIn) -> None:
    page = signed_in("boss").get("/notices").text
    assert "Domain renewals" in page
    assert "not live" in page
    assert "4 mails to come" in page
    assert "nobody can be told of 1 row; first: b.example: the row says no mail address" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_a_mail_is_shown_as_it_would_go(app: App, signed_in: SignedIn, mail_of: Callable[..., str]) -> None:
    browser = signed_in("ops1")
    page = browser.get(f"/notices/mail?{mail_of()}").text
    assert "a.example ends" in page
    assert 'sandbox="allow-popups' in page
    letter = browser.get(f"/notices/letter?{mail_of()}")
    assert "<b>Kari</b>" in letter.text
    assert "default-src 'none'" in letter.headers["content-security-policy"]


def test_a_hostile_name_does_nothing_in_the_shown_mail(
    app: App, signed_in: SignedIn, mail_of: Callable[..., str]
) -> None:
    """C22: data of customers are text in the letter and around it."""
    query = mail_of(key=HOSTILE, to="ola@example.com")
    browser = signed_in("boss")
    for path in ("mail", "letter"):
        assert HOSTILE not in browser.get(f"/notices/{path}?{query}").text


@pytest.mark.parametrize("key", ["c.example", "x" * 301], ids=["unknown", "long"])
def test_a_mail_that_is_not_to_come_is_said_so(
    app: App, signed_in: SignedIn, mail_of: Callable[..., str], key: str
) -> None:
    assert signed_in("boss").get(f"/notices/mail?{mail_of(key=key)}").status_code in (400, 404)


def test_a_mail_that_is_shown_has_nobodys_way_out(open_app: App, browser: Any, mail_of: Callable[..., str]) -> None:
    """Whoever has a recipient's link can use it: who looks at the mail gets one that leads nowhere."""
    for name in ("renewal.txt.j2", "renewal.html.j2"):
        path = open_app.root / "reports" / name
        path.write_text(path.read_text() + '<a href="{{ unsubscribe_url }}">No more</a>')
    link = open_app.sign_in.link(open_app.site.people["eye"], made_by="boss", at=open_app.clock.now())
    token = open_app.sign_in.enter(link, at=open_app.clock.now(), address="web testclient", agent="")
    for page in ("mail", "letter"):
        text = browser.get(f"/notices/{page}?{mail_of()}", cookie=f"__Host-opsrunner={token}").text
        assert "No more" in text
        links = re.findall(r"https://ops\.example\.com(/leave/[\w-]+)", text)
        assert links
        assert {browser.get(link).status_code for link in links} == {404}
        assert leave_path(open_app) not in text


def leave_path(app: App) -> str:
    url = app.leave.by("renewals.notice", "kari@example.com").url
    return url.removeprefix("https://ops.example.com")


def test_looking_at_the_way_out_changes_nothing_and_its_button_does(open_app: App, browser: Any) -> None:
    """C15: a mail scanner that follows every link unsubscribes nobody."""
    path = leave_path(open_app)
    for _ in range(2):
        page = browser.get(path)
        assert (page.status_code, "kari@example.com" in page.text) == (200, True)
    assert open_app.books.suppressions.listed(at=open_app.clock.now()) == []
    answer = browser.post(path)
    assert (answer.status_code, "That is done" in answer.text) == (200, True)
    (left,) = open_app.books.suppressions.listed(at=open_app.clock.now())
    assert (left.address, left.notice, left.by) == ("kari@example.com", "renewals.notice", "recipient")
    assert browser.post(path).status_code == 200


def test_who_leaves_does_not_get_what_still_waits(open_app: App, browser: Any) -> None:
    for notice in ("renewals.notice", "other.notice"):
        mail = NewMail(to="kari@example.com", subject="x", text="t", bulk=True, series=notice, list_unsubscribe="x")
        open_app.books.outbox.put([mail], at=open_app.clock.now())
    browser.post(leave_path(open_app))
    assert [mail.series for mail in open_app.books.outbox.queued()] == ["other.notice"]


def test_a_link_of_an_old_mail_leaves_the_notice_by_its_new_name(open_app: App, browser: Any) -> None:
    """The word in the mail says the old routine; `renamed_from` may be gone again from its file."""
    path, routines = leave_path(open_app), open_app.root / "routines"
    planning = Planning(open_app.books, keep_time=lambda: None)
    world = world_of(open_app.site, open_app.desk.almanac())
    planning.put_in_force(open_app.site.routines, world=world, at=open_app.clock.now())
    mail = NewMail(
        to="kari@example.com", subject="x", text="t", bulk=True, series="renewals.notice", list_unsubscribe="x"
    )
    open_app.books.outbox.put([mail], at=open_app.clock.now())
    for old, new in (("renewals", "domain-ends"), ("domain-ends", "ends")):
        file = routines / f"{new}.yaml"
        (routines / f"{old}.yaml").rename(file)
        file.write_text(f"renamed_from: {old}\n{ROUTINE}")
        open_app.in_force.refresh()
        planning.put_in_force(open_app.site.routines, world=world, at=open_app.clock.now())
        file.write_text(ROUTINE)
        open_app.in_force.refresh()
    browser.post(path)

    (left,) = open_app.books.suppressions.listed(at=open_app.clock.now())
    assert (left.address, left.notice) == ("kari@example.com", "ends.notice")
    assert open_app.books.outbox.queued() == []


def test_a_link_of_a_notice_that_is_gone_leaves_all(open_app: App, browser: Any) -> None:
    path = leave_path(open_app)
    (open_app.root / "routines" / "renewals.yaml").unlink()
    open_app.in_force.refresh()
    browser.post(path)

    (left,) = open_app.books.suppressions.listed(at=open_app.clock.now())
    assert (left.notice, left.by) == ("", "recipient")


def test_a_mail_provider_leaves_for_its_reader_with_one_click(open_app: App, browser: Any) -> None:
    """RFC 8058: a POST without cookies, origin or token; the link itself is the proof."""
    answer = browser.client.post(leave_path(open_app), data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, answer.text) == (200, "done")
    assert len(open_app.books.suppressions.listed(at=open_app.clock.now())) == 1


def test_a_forged_word_leaves_nothing(open_app: App, browser: Any) -> None:
    path = leave_path(open_app)
    forged = f"{path[:-4]}{'AAAA' if not path.endswith('AAAA') else 'BBBB'}"
    assert browser.client.post(forged, data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert browser.get(forged).status_code == 404
    assert open_app.books.suppressions.listed(at=open_app.clock.now()) == []


def test_without_a_page_by_https_one_leaves_by_mail(app: App) -> None:
    assert app.leave.by("renewals.notice", "kari@example.com").url == ""
