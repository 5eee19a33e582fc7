"""The team: who holds what, who is away, who is signed in where; and who may see and end what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.errors import StateError
from opsrunner.ledger.database import Ledger
from opsrunner.model.person import Absence
from opsrunner.model.task import Task
from opsrunner.testing import FakeClock

SignedIn = Callable[[str], Any]
ROSTERS = """\
rosters:
  on-call:
    rotate: week
    handover: mon 09:00
    from: 2026-01-05
    people: [ops1, ops2]
    cover: [{from: 2026-12-07, until: 2026-12-09, person: boss}]
"""
DESK = "  desk: {shifts: [{hours: '07:00-15:00', person: ops1}, {hours: '15:00-23:00', person: boss}]}\n"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def rewrite(app: App) -> Callable[[Callable[[str], str]], None]:
    """Put the site in force with another text of its file."""

    def write(change: Callable[[str], str]) -> None:
        path = app.root / "opsrunner.yaml"
        path.write_text(change(path.read_text()))
        app.in_force.refresh()
        assert app.loaded.problems == ()

    return write


@pytest.fixture
def rosters(rewrite: Callable[[Callable[[str], str]], None]) -> None:
    """A rotation of two that is always held."""
    rewrite(lambda text: text + ROSTERS)


@pytest.fixture
def desk(rewrite: Callable[[Callable[[str], str]], None]) -> None:
    """A rotation, and a desk that nobody holds at night."""
    rewrite(lambda text: text + ROSTERS + DESK)


def headline(text: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", text)
    assert found is not None
    return found[1]


def part(text: str, heading: str) -> str:
    """Return what stands under a heading, tags left out."""
    found = re.search(rf"<h2[^>]*>{heading}.*?</h2>(.*?)(?=<h2|</main)", text, re.DOTALL)
    assert found is not None, heading
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def enter(browser: Any, **fields: str) -> Any:
    values = {"kind": "leave", "person": "ops1", "first": "2026-11-23", "last": "2026-11-25", **fields}
    browser.get("/team")
    return browser.post("/team", **values)


def live(app: App, clock: FakeClock) -> list[Absence]:
    return app.books.absences.live(since=clock.now())


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_a_site_without_rosters_says_who_is_here(signed_in: SignedIn) -> None:
    text = signed_in("ops1").get("/team").text
    assert headline(text) == "4 people, nobody is away"
    assert "The next four weeks" not in text
    assert "Swap…" not in text
    assert "sysadmin First technician (you) Second technician" in part(text, "Now")


@pytest.mark.usefixtures("rosters")
def test_who_holds_what_now_is_said_with_why_and_until_when(signed_in: SignedIn) -> None:
    text = signed_in("ops2").get("/team").text
    assert headline(text) == "Every roster is held for the next four weeks"
    assert "You hold on-call until Mon 09:00." in text
    now = part(text, "Now")
    assert "on-call Second technician (you) until Mon 09:00 · on-call this week" in now
    assert "owner The owner" in now
    assert "viewer" not in now


@pytest.mark.usefixtures("rosters")
def test_four_weeks_are_told_hand_over_by_hand_over(signed_in: SignedIn) -> None:
    weeks = part(signed_in("boss").get("/team").text, "The next four weeks")
    assert weeks.startswith("on-call passes on Mondays at 09:00 now Second technician until Mon 09:00")
    assert "Mon 09:00 First technician until Mon 30 Nov 09:00" in weeks
    assert "Mon 7 Dec 09:00 The owner until the end of Wed 9 Dec covers for First technician" in weeks
    assert weeks.count("now") == 1


@pytest.mark.usefixtures("desk")
def test_what_nobody_holds_is_said_first(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    browser = signed_in("boss")
    text = browser.get("/team").text
    assert headline(text) == "desk has hours that nobody holds"
    assert text.index("Nobody is there") < text.index("<h2>Now")
    assert "Nobody holds desk from 23:00 to 07:00, on 29 days" in part(text, "Nobody is there")
    enter(browser, first="2026-11-23", last="2026-11-23")
    torn = browser.get("/team").text
    assert headline(torn) == "Nobody holds desk from Mon 07:00 until Mon 15:00"
    assert part(torn, "Nobody is there").startswith(
        "Nobody holds desk from Mon 07:00 until Mon 15:00 First technician is on leave Enter who stands in"
    )
    enter(browser, first="2026-11-20", last="2026-11-20")
    now = browser.get("/team").text
    assert headline(now) == "Nobody holds desk now"
    assert "First technician is on leave; its tasks go to the owners meanwhile" in now
    assert '<span class="tag bad">nobody</span>' in now.partition("<h2>Now")[2].partition("<h2>")[0]
    clock.move(hours=15)  # midnight
    night = browser.get("/team").text.partition("<h2>Now")[2].partition("<h2>")[0]
    assert '<span class="tag warn">nobody</span>' in night


@pytest.mark.usefixtures("desk")
def test_a_cover_fills_the_gap(signed_in: SignedIn) -> None:
    browser = signed_in("boss")
    enter(browser, first="2026-11-23", last="2026-11-23")
    enter(browser, kind="cover", other="ops2", first="2026-11-23", last="2026-11-23")
    text = browser.get("/team").text
    assert headline(text) == "desk has hours that nobody holds"
    assert "Mon 23 Nov Second technician 07:00–15:00 covers for First technician" in part(text, "The next four weeks")


@pytest.mark.usefixtures("desk")
def test_the_ledger_is_asked_as_often_for_many_as_for_few(
    app: App, signed_in: SignedIn, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = Ledger.all

    def listening(self: Ledger, sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return plain(self, sql, parameters)

    browser = signed_in("boss")
    monkeypatch.setattr(Ledger, "all", listening)
    browser.get("/team")
    few = len(asked)
    for day in range(21, 29):
        enter(browser, first=f"2026-11-{day}", last=f"2026-11-{day}")
        signed_in("ops1")
    asked.clear()
    browser.get("/team")
    assert len(asked) == few
    assert sum("FROM absences" in sql for sql in asked) == 1
    assert sum("FROM sessions" in sql for sql in asked) == 1


def test_a_phone_number_can_be_called(signed_in: SignedIn, rewrite: Callable[[Callable[[str], str]], None]) -> None:
    rewrite(lambda text: text.replace("roles: [owner]", 'roles: [owner], phone: "+44 (20) 7946-0123"'))
    text = signed_in("eye").get("/team").text
    assert 'href="tel:+442079460123" aria-label="Call The owner: +44 (20) 7946-0123">+44 (20) 7946-0123</a>' in text
    assert text.count("tel:") == 2  # as owner, and among the people


# --- leave, swaps and cover ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("rosters")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "First technician is away from Mon until the end of Wed"),
        (
            {"kind": "swap", "other": "ops2", "roster": "on-call"},
            "Second technician takes on-call from First technician from Mon until the end of Wed",
        ),
        ({"kind": "cover", "other": "boss"}, "The owner stands in for First technician from Mon until the end of Wed"),
        (
            {"kind": "cover", "other": "boss", "roster": "on-call", "first": "2026-11-20", "last": "2026-11-20"},
            "The owner stands in for First technician on on-call until the end of today now",
        ),
    ],
    ids=["leave", "swap", "cover", "cover of one roster"],
)
def test_staff_enter_it_and_take_it_back(
    app: App, signed_in: SignedIn, clock: FakeClock, fields: dict[str, str], words: str
) -> None:
    browser = signed_in("ops2")
    assert enter(browser, reason="winter", **fields).headers["location"] == "/team#changes"
    (entered,) = live(app, clock)
    assert entered.entered_by == "ops2"
    said = part(browser.get("/team").text, "Leave, swaps and cover")
    assert f"{words} winter · entered by Second technician Take back" in said
    record = app.books.audit.about(f"absence {entered.id}")[-1]
    assert (record.action, record.actor, record.address) == (entered.kind, "ops2", "web testclient")
    assert browser.post(f"/team/absences/{entered.id}/back").status_code == 303
    assert live(app, clock) == []
    assert app.books.audit.about(f"absence {entered.id}")[-1].action == "take back"
    again = browser.post(f"/team/absences/{entered.id}/back")
    assert (again.status_code, "there is no absence" in again.text) == (404, True)


def test_both_days_are_included_on_the_site_s_clock(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    enter(signed_in("ops1"), first="2027-03-28", last="2027-03-28")
    (entered,) = live(app, clock)
    assert (entered.from_.isoformat(), entered.until.isoformat()) == (
        "2027-03-27T23:00:00+00:00",
        "2027-03-28T22:00:00+00:00",
    )


@pytest.mark.usefixtures("rosters")
@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"first": "2026-11-01", "last": "2026-11-02"}, "that time is over already"),
        ({"first": "2026-11-25", "last": "2026-11-23"}, "the end must come after the start"),
        ({"first": "", "last": ""}, "say from which day to which"),
        ({"last": "in spring"}, "&#39;in spring&#39; is no day"),
        ({"first": "0001-01-01"}, "the year 1 is out of reach"),
        ({"last": "9999-12-31"}, "the year 9999 is out of reach"),
        ({"person": "nobody"}, "there is no person &#39;nobody&#39;"),
        ({"kind": "cover", "other": "ops1"}, "First technician cannot stand in for First technician"),
        ({"kind": "cover"}, "say who takes it"),
        ({"kind": "swap", "other": "ops2"}, "say which roster the swap is about"),
        ({"kind": "swap", "other": "ops2", "roster": "night"}, "there is no roster &#39;night&#39;"),
    ],
)
def test_what_is_refused_stays_in_its_fields(
    app: App, signed_in: SignedIn, clock: FakeClock, fields: dict[str, str], complaint: str
) -> None:
    browser = signed_in("ops2")
    answer = enter(browser, reason="an hour's <b>walk</b>", **fields)
    assert answer.status_code == 400
    assert f"Not entered: {complaint}" in answer.text
    kind = fields.get("kind", "leave")
    form = answer.text.partition(f'id="enter-{kind}" open>')[2].partition("</details>")[0]
    assert "an hour&#39;s &lt;b&gt;walk&lt;/b&gt;" in form
    assert f'value="{fields.get("first", "2026-11-23")}"' in form
    if fields.get("person") is None:
        assert '<option value="ops1" selected>' in form
    if fields.get("other") == "ops2":
        assert '<option value="ops2" selected>' in form
    assert answer.text.count('role="alert"') == 1
    assert live(app, clock) == []


def test_a_disk_that_is_full_is_said_and_keeps_what_was_written(
    app: App, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StateError("ledger.db: database or disk is full; make room on the disk")

    browser = signed_in("ops1")
    monkeypatch.setattr(app.books.absences, "enter", full)
    answer = enter(browser, reason="winter")
    assert (answer.status_code, 'value="winter"' in answer.text) == (503, True)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/team", {"kind": "leave", "person": "ops1", "until": "x"}),
        ("/team", {"kind": "holiday"}),
        ("/team", {}),
        ("/team/absences/1/back", {"force": "1"}),
    ],
)
def test_a_form_that_is_none_of_ours_is_refused(signed_in: SignedIn, path: str, fields: dict[str, str]) -> None:
    assert signed_in("boss").post(path, **fields).status_code == 400


@pytest.mark.parametrize("query", ["enter=holiday", "enter=leave&enter=swap", "day=1"])
def test_a_bad_query_is_refused_in_a_line(signed_in: SignedIn, query: str) -> None:
    answer = signed_in("ops1").get(f"/team?{query}")
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_a_form_is_opened_by_its_address(signed_in: SignedIn) -> None:
    text = signed_in("ops1").get("/team?enter=cover").text
    assert 'id="enter-cover" open>' in text
    assert 'id="enter-leave">' in text


@pytest.mark.usefixtures("rosters")
def test_who_only_looks_has_no_forms_and_enters_nothing(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    enter(signed_in("ops1"))
    browser = signed_in("eye")
    text = browser.get("/team").text
    assert "First technician is away" in text
    assert 'action="/team#' not in text
    assert "Take back" not in text
    assert "Enter who stands in" not in text
    assert enter(browser).status_code == 403
    assert browser.post("/team/absences/1/back").status_code == 403
    assert len(live(app, clock)) == 1


@pytest.mark.usefixtures("rosters")
def test_whatever_names_are_is_shown_and_never_run(
    signed_in: SignedIn, rewrite: Callable[[Callable[[str], str]], None], app: App, clock: FakeClock
) -> None:
    rewrite(lambda text: text.replace("First technician", HOSTILE))
    agent = signed_in("ops1")
    link = app.sign_in.link(app.site.people["ops1"], made_by="boss", at=clock.now())
    app.sign_in.enter(link, at=clock.now(), address=HOSTILE, agent=f"{HOSTILE}/1")
    enter(agent, reason=HOSTILE)
    for person in ("ops1", "boss"):
        text = signed_in(person).get("/team").text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


# --- sessions --------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_home(app: App, clock: FakeClock) -> Callable[[str], int]:
    """Sign somebody in from a browser of another address; return the session's number."""

    def enter_from(person: str) -> int:
        link = app.sign_in.link(app.site.people[person], made_by="boss", at=clock.now())
        agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
        app.sign_in.enter(link, at=clock.now(), address=f"web 192.0.2.{len(person)}", agent=agent)
        return app.books.sessions.live(at=clock.now(), person=person)[0].id

    return enter_from


def test_everybody_sees_and_ends_their_own_sessions(
    app: App, signed_in: SignedIn, at_home: Callable[[str], int], clock: FakeClock
) -> None:
    number = at_home("eye")
    clock.move(hours=2)
    browser = signed_in("eye")
    said = part(browser.get("/team").text, "Where you are signed in")
    assert "Firefox on Linux from 192.0.2.3 · since today 09:00 · last used today 09:00 End it" in said
    assert re.search(r"testclient this one from testclient · since today 11:00 · in use now", said)
    assert browser.post(f"/team/sessions/{number}/end").headers["location"] == "/team"
    assert "Firefox" not in browser.get("/team").text
    record = app.books.audit.about("person eye")[-1]
    assert (record.action, record.actor, record.address) == ("end session", "eye", "web testclient")
    assert record.detail == "Firefox on Linux, web 192.0.2.3"
    assert browser.post(f"/team/sessions/{number}/end").status_code == 404


def test_who_ends_the_session_they_use_is_out(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    browser = signed_in("ops1")
    (session,) = app.books.sessions.live(at=clock.now())
    browser.post(f"/team/sessions/{session.id}/end")
    assert browser.get("/team").headers["location"] == "/sign-in"


def test_nobody_but_an_owner_sees_or_ends_the_sessions_of_others(
    app: App, signed_in: SignedIn, at_home: Callable[[str], int], clock: FakeClock
) -> None:
    number = at_home("ops2")
    for person in ("ops1", "eye"):
        browser = signed_in(person)
        text = browser.get("/team").text
        assert "192.0.2" not in text
        assert "Firefox" not in text
        assert "Invite" not in text
        assert "/team/people/ops2" not in text
        for path in (f"/team/sessions/{number}/end", "/team/people/ops2/end-sessions"):
            answer = browser.post(path)
            assert answer.status_code == 409
            assert "only an owner ends the sessions of others" in answer.text
        assert browser.post("/team/people/ops2/invite").status_code == 403
        seen = app.sign_in.sessions(app.site.people[person], at=clock.now())
        assert {session.person for session in seen} == {person}
    assert [one.id for one in app.books.sessions.live(at=clock.now(), person="ops2")] == [number]
    assert app.books.outbox.waiting() == 0


def test_an_owner_sees_everybody_s_and_ends_any(
    app: App, signed_in: SignedIn, at_home: Callable[[str], int], clock: FakeClock
) -> None:
    numbers = [at_home("ops2"), at_home("ops2")]
    browser = signed_in("boss")
    people = part(browser.get("/team").text, "People")
    assert "Signed in with 2 browsers Firefox on Linux from 192.0.2.4" in people
    assert people.count("Not signed in.") == 2
    browser.post(f"/team/sessions/{numbers[0]}/end")
    last = app.books.audit.about("person ops2")[-1]
    assert (last.action, last.actor, last.address) == ("end session", "boss", "web testclient")
    assert [one.id for one in app.books.sessions.live(at=clock.now(), person="ops2")] == numbers[1:]


def test_an_owner_signs_somebody_out_everywhere(
    app: App, signed_in: SignedIn, at_home: Callable[[str], int], clock: FakeClock
) -> None:
    there, _ = signed_in("ops2"), at_home("ops2")
    browser = signed_in("boss")
    assert browser.post("/team/people/ops2/end-sessions").status_code == 303
    assert there.get("/").headers["location"] == "/sign-in"
    ends = [record for record in app.books.audit.about("person ops2") if record.action == "end session"]
    assert [(record.actor, record.address) for record in ends] == [("boss", "web testclient")] * 2
    assert browser.get("/team").status_code == 200
    assert browser.post("/team/people/nobody/end-sessions").status_code == 404


def test_anybody_signs_themselves_out_everywhere(signed_in: SignedIn, at_home: Callable[[str], int]) -> None:
    at_home("ops1")
    browser, other = signed_in("ops1"), signed_in("ops1")
    assert "Sign me out everywhere" in browser.get("/team").text
    assert browser.post("/team/people/ops1/end-sessions").status_code == 303
    assert [one.get("/").headers.get("location") for one in (browser, other)] == ["/sign-in"] * 2


def test_sessions_that_are_over_are_not_listed(
    app: App, signed_in: SignedIn, at_home: Callable[[str], int], clock: FakeClock
) -> None:
    idle = at_home("ops1")
    clock.move(days=7, minutes=1)
    browser = signed_in("ops1")
    assert "Firefox" not in browser.get("/team").text
    assert browser.post(f"/team/sessions/{idle}/end").status_code == 404


def test_nothing_of_it_changes_by_looking(signed_in: SignedIn, at_home: Callable[[str], int]) -> None:
    number, browser = at_home("boss"), signed_in("boss")
    paths = (f"/team/sessions/{number}/end", "/team/people/ops1/invite", "/team/people/ops1/end-sessions")
    assert {browser.client.get(path).status_code for path in (*paths, "/team/absences/1/back")} == {405}


# --- invitations -----------------------------------------------------------------------------------------------------


def test_an_owner_invites_by_mail(app: App, signed_in: SignedIn, web: Any, clock: FakeClock) -> None:
    browser = signed_in("boss")
    assert browser.post("/team/people/ops2/invite").headers["location"] == "/team#person-ops2"
    assert "A link is on its way." in part(browser.get("/team").text, "People")
    record = app.books.audit.about("person ops2")[-1]
    assert (record.action, record.actor, record.address) == ("sign-in link", "boss", "web testclient")
    app.deliver()
    (mail,) = (app.state / "maildir/new").iterdir()
    assert "To: ops2@example.com" in mail.read_text()
    assert "A link is good until 09:15." in part(browser.get("/team").text, "People")
    assert "A link is" not in signed_in("ops1").get("/team").text
    link = re.search(r"/sign-in/\S+", mail.read_text())
    assert link is not None
    assert signed_in("eye").post(link[0]).status_code == 303
    assert "A link is" not in browser.get("/team").text


def test_invitations_are_as_many_as_a_person_might_ask_for(signed_in: SignedIn, browser: Any, clock: FakeClock) -> None:
    boss = signed_in("boss")
    for _ in range(4):
        browser.post("/sign-in", email="ops2@example.com")
    codes = [boss.post("/team/people/ops2/invite").status_code for _ in range(8)]
    assert codes == [303] * 6 + [429] * 2
    assert boss.post("/team/people/ops1/invite").status_code == 303
    clock.move(minutes=11)
    assert boss.post("/team/people/ops2/invite").status_code == 303


def test_who_is_not_there_is_not_invited(signed_in: SignedIn) -> None:
    answer = signed_in("boss").post("/team/people/nobody/invite")
    assert (answer.status_code, "there is no person" in answer.text) == (404, True)


COVER = {"kind": "cover", "person": "ops2", "other": "ops1"}
LEAVE = {"kind": "leave", "person": "ops2"}
SWAP = {"kind": "swap", "person": "ops2", "other": "ops1", "roster": "on-call"}


@pytest.mark.parametrize(("enters", "may"), [("ops1", False), ("ops2", True), ("boss", True)])
@pytest.mark.usefixtures("rosters")
@pytest.mark.parametrize(
    ("by", "entry"),
    [
        ("owner", {**COVER, "person": "boss"}),
        ("on-call", COVER),
        ("on-call", LEAVE),
        ("on-call", SWAP),
        ("on-call", {**SWAP, "person": "ops1", "other": "ops2"}),
    ],
    ids=["cover of an owner", "cover of a roster", "leave", "swap", "swap that names them as who gives"],
)
def test_nobody_makes_themselves_the_one_who_approves(
    app: App,
    signed_in: SignedIn,
    clock: FakeClock,
    open_task: Callable[..., Task],
    entry: dict[str, str],
    by: str,
    enters: str,
    may: bool,
) -> None:
    task = open_task(title="Approve the list", role=by, approve_by=by, rows=({"a": 1},))
    today = clock.now().date().isoformat()
    assert signed_in(enters).post("/team", **entry, first=today, last=today).status_code == 303
    ops1 = signed_in("ops1")
    assert "Approve the list" in ops1.get("/").text, "the work is theirs all the same"
    answer = ops1.post(f"/tasks/{task.id}/tick")
    assert app.books.tasks.get(task.id).is_open is not may
    assert may or "entered themselves" in answer.text


@pytest.mark.usefixtures("desk")
def test_who_gave_their_turn_away_approves_no_more(
    app: App, signed_in: SignedIn, clock: FakeClock, open_task: Callable[..., Task]
) -> None:
    task = open_task(title="Approve the list", role="desk", approve_by="desk", rows=({"a": 1},))
    today = clock.now().date().isoformat()
    ops1 = signed_in("ops1")
    cover = {"kind": "cover", "person": "ops1", "other": "ops2", "first": today, "last": today}
    assert ops1.post("/team", **cover).status_code == 303
    assert "only desk (or an owner) may approve" in ops1.post(f"/tasks/{task.id}/tick").text
    signed_in("ops2").post(f"/tasks/{task.id}/tick")
    assert not app.books.tasks.get(task.id).is_open
