"""Search on the page: what is found, who may look, what stands in the address."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.ledger.runs import NewRun
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.testing import FakeClock

SignedIn = Callable[[str], Any]
Open = Callable[..., Task]
HOSTILE = "<script>alert(1)</script> web5 <b>"


@pytest.fixture
def a_run(app: App, clock: FakeClock) -> Callable[..., Run]:
    """Write a run of `nightly` that has ended: `a_run(RunStatus.FAILED, days_ago=3)`."""

    def write(status: RunStatus = RunStatus.SUCCEEDED, *, days_ago: float = 0) -> Run:
        at = clock.now() - timedelta(days=days_ago)
        new = NewRun(routine="nightly", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, actor="boss")
        run = app.books.runs.claim(new, at=at)
        assert run is not None
        app.books.runs.finish(run.id, status=status, reason="", at=at)
        return app.books.runs.get(run.id)

    return write


def close(app: App, clock: FakeClock, task: Task, *, note: str = "", days_ago: float = 0) -> None:
    at = clock.now() - timedelta(days=days_ago)
    app.books.tasks.close(task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(note=note), at=at)


def test_it_finds_a_routine_its_runs_tasks_and_notes_with_the_words_marked(
    app: App, signed_in: SignedIn, open_task: Open, a_run: Callable[..., Run], clock: FakeClock
) -> None:
    run = a_run()
    task = open_task(title="See why backups of web5 are late")
    app.books.notes.add("The backups were slow tonight", author="ops1", at=clock.now())
    text = signed_in("boss").get("/search?q=BACKUPS").text
    assert "1 routine, 1 run, 1 task, 1 note" in text
    assert "Nightly <mark>backups</mark>" in text
    assert '<a href="/routines/nightly">' in text
    assert f'<a href="/runs/{run.id}">' in text
    assert f'<a href="/tasks/{task.id}">See why <mark>backups</mark> of web5 are late</a>' in text
    assert "The <mark>backups</mark> were slow tonight" in text


def test_staff_see_the_name_of_a_routine_without_a_way_to_its_page(signed_in: SignedIn) -> None:
    text = signed_in("ops1").get("/search?q=nightly").text
    assert "backups" in text
    assert "/routines/nightly" not in text


@pytest.mark.parametrize(("person", "status"), [("boss", 200), ("ops1", 200), ("eye", 403)])
def test_only_staff_and_owners_search(signed_in: SignedIn, person: str, status: int) -> None:
    browser = signed_in(person)
    assert browser.get("/search?q=x").status_code == status
    assert ('href="/search"' in browser.get("/").text) is (status == 200)


@pytest.mark.parametrize("query", ["%23{}", "{}"])
def test_a_run_is_found_by_its_number(signed_in: SignedIn, a_run: Callable[..., Run], query: str) -> None:
    run = a_run()
    a_run()
    text = signed_in("ops1").get(f"/search?q={query.format(run.id)}&what=runs").text
    assert "1 run" in text
    assert f'<a href="/runs/{run.id}">' in text


def test_case_counts_for_no_letter(app: App, signed_in: SignedIn, open_task: Open, clock: FakeClock) -> None:
    close(app, clock, open_task(title="Bestill strøm til Åsen"), note="ÆRLIG TALT: gjort på ØYA")
    browser = signed_in("ops1")
    for query in ("åsen", "ÅSEN", "A\u030asen", "STRØM", "ærlig øya", "PÅ"):
        answer = browser.client.get("/search", params={"q": query, "what": "tasks"})
        assert "1 task" in answer.text, query
    assert "<mark>Åsen</mark>" in browser.client.get("/search", params={"q": "åsen"}).text


@pytest.mark.parametrize("query", ["100%", "a_b", "50%_", "\\", "%", "_"])
def test_signs_of_patterns_are_letters(signed_in: SignedIn, open_task: Open, query: str) -> None:
    open_task(title="100 of axb, 50 of it")
    wanted = open_task(title="100% of a_b, 50%_ of \\")
    text = signed_in("ops1").client.get("/search", params={"q": query, "what": "tasks"}).text
    assert "1 task<" in text
    assert f"/tasks/{wanted.id}" in text


def test_what_is_found_is_escaped_before_it_is_marked(
    app: App, signed_in: SignedIn, open_task: Open, clock: FakeClock
) -> None:
    close(app, clock, open_task(title=HOSTILE), note=HOSTILE)
    app.books.notes.add(HOSTILE, author="ops1", at=clock.now())
    browser = signed_in("ops1")
    for query in ("web5", "script", "<script>", '"><img src=x>'):
        text = browser.client.get("/search", params={"q": query}).text
        assert "<script>alert" not in text
        assert "<b>" not in text.partition("<main")[2]
        assert "<img" not in text


def test_filters_stand_in_the_address(signed_in: SignedIn, a_run: Callable[..., Run]) -> None:
    old, failed, good = a_run(RunStatus.FAILED, days_ago=9), a_run(RunStatus.FAILED, days_ago=2), a_run()
    browser = signed_in("ops1")

    def found(query: str) -> set[int]:
        text = browser.get(f"/search?what=runs&{query}").text
        return {run.id for run in (old, failed, good) if f'"/runs/{run.id}"' in text}

    assert found("status=failed") == {old.id, failed.id}
    assert found("status=failed&since=2026-11-15") == {failed.id}
    assert found("since=2026-11-18&until=2026-11-18") == {failed.id}
    assert found("until=2026-11-12") == {old.id}
    assert found("routine=nightly") == {old.id, failed.id, good.id}
    assert found("q=elsewhere") == set()
    assert 'value="2026-11-15"' in browser.get("/search?what=runs&since=2026-11-15").text


def test_what_is_older_stands_on_the_next_page(
    app: App, signed_in: SignedIn, open_task: Open, a_run: Callable[..., Run], clock: FakeClock
) -> None:
    runs = [a_run() for _ in range(30)]
    for number in range(30):
        close(app, clock, open_task(title=f"Look at web5, matter {number}"), days_ago=number / 10)
    browser = signed_in("ops1")
    first = browser.get("/search?what=runs").text
    assert "25+ runs" in first
    assert f'href="/search?what=runs&amp;before={runs[5].id}"' in first
    rest = browser.get(f"/search?what=runs&before={runs[5].id}").text
    assert "5 runs" in rest
    assert "Older ones" not in rest
    tasks = browser.get("/search?q=web5&what=tasks").text
    assert "25+ tasks" in tasks
    assert "5 tasks" in browser.get("/search?q=web5&what=tasks&before=25").text


def test_it_says_how_far_it_looked_and_the_way_further_back(
    app: App, signed_in: SignedIn, open_task: Open, clock: FakeClock
) -> None:
    close(app, clock, open_task(title="Replace the disk of web5"), days_ago=200)
    browser = signed_in("ops1")
    text = browser.get("/search?q=web5&what=tasks").text
    assert "Nothing was found" in text
    assert "looked through back to Sat 22 Aug" in text
    further = "/search?q=web5&what=tasks&since=2025-08-22"
    assert further.replace("&", "&amp;") in text
    assert "1 task" in browser.get(further).text
    assert "Search further back" not in browser.get(further).text


def test_a_look_through_very_many_tasks_ends_and_goes_on_where_it_ended(
    app: App, signed_in: SignedIn, open_task: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsrunner.engine.search.STRETCH", 2)
    monkeypatch.setattr("opsrunner.engine.search.MOST_ROWS", 4)
    close(app, clock, open_task(title="Replace the disk of web5"), days_ago=9)
    for number in range(5):
        close(app, clock, open_task(title="Read the report"), days_ago=number)
    browser = signed_in("ops1")
    text = browser.get("/search?q=web5").text
    assert "looked through back to Tue 17 Nov 09:00" in text
    further = "/search?q=web5&what=tasks&before=5"
    assert further.replace("&", "&amp;") in text
    assert "1 task" in browser.get(further).text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=yesterday", "since: &#39;yesterday&#39; is no day"),
        ("until=2026-13-01", "until: &#39;2026-13-01&#39; is no day"),
        ("until=9999-12-31", "is no day"),
        ("status=fine", "status: nothing that is looked for is &#39;fine&#39;"),
        ("what=runs&status=done", "status: nothing that is looked for"),
        ("what=people", "what:"),
        ("routine=gone", "there is no routine &#39;gone&#39;"),
        ("before=x", "before:"),
        ("sort=id", "sort: is not known here"),
        (f"q={'x' * 201}", "q:"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(signed_in: SignedIn, query: str, said: str) -> None:
    answer = signed_in("ops1").get(f"/search?{query}")
    assert answer.status_code == 400
    assert said in answer.text


def test_without_a_question_it_says_what_can_be_asked(signed_in: SignedIn) -> None:
    text = signed_in("ops1").get("/search").text
    assert "<h1>Search</h1>" in text
    assert "#123" in text
