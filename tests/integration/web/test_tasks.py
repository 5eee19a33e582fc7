"""My work, and what is done there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.errors import Refused, StateError
from opsrunner.model.routine import EvidenceSpec, FormField
from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.testing import FakeClock

Open = Callable[..., Task]
SignedIn = Callable[[str], Any]


def test_nothing_to_do_is_said_in_a_sentence(signed_in: SignedIn) -> None:
    assert "<h1>Nothing needs you</h1>" in signed_in("ops1").get("/").text


def test_tasks_stand_by_when_they_are_due(signed_in: SignedIn, open_task: Open, clock: FakeClock) -> None:
    now = clock.now()
    open_task(title="Late one", due_at=now - timedelta(hours=2))
    open_task(title="Of today", due_at=now + timedelta(hours=2))
    open_task(title="Of the week", due_at=now + timedelta(days=2))
    open_task(title="Of some day")
    text = signed_in("ops1").get("/").text
    places = [text.index(words) for words in ("Overdue", "Late one", "2 h late", "Today", "Of today", "by 11:00")]
    places += [text.index(words) for words in ("This week", "Of the week", "Later", "Of some day")]
    assert places == sorted(places)
    assert "<h1>Four things need you</h1>" in text


def test_one_touch_ticks(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(), signed_in("ops1")
    answer = browser.post(f"/tasks/{task.id}/tick", mark="done", back="/")
    assert answer.status_code == 303
    ticked = app.books.tasks.get(task.id)
    assert (ticked.status, ticked.closed_by) == (TaskStatus.DONE, "ops1")
    (record,) = app.books.audit.about(f"task {task.id}")
    assert (record.actor, record.action, record.address) == ("ops1", "tick", "web testclient")


@pytest.mark.parametrize("mark", ["not_applicable", "could_not"])
def test_a_task_is_marked_as_not_done(app: App, signed_in: SignedIn, open_task: Open, mark: str) -> None:
    task = open_task()
    signed_in("ops1").post(f"/tasks/{task.id}/tick", mark=mark, note="the panel is down")
    assert app.books.tasks.get(task.id).status == mark
    assert app.books.tasks.get(task.id).evidence.note == "the panel is down"


def test_what_needs_a_note_opens_instead_of_ticking(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task = open_task(evidence_spec=EvidenceSpec(note="required"))
    browser = signed_in("ops1")
    text = browser.get(f"/?open={task.id}").text
    assert f'href="/?open={task.id}#task-{task.id}"' in text
    assert f'<details id="more-{task.id}" open>' in text
    refused = browser.post(f"/tasks/{task.id}/tick", mark="done")
    assert refused.status_code == 409
    assert "needs a note" in refused.text
    assert browser.post(f"/tasks/{task.id}/tick", mark="done", note="all there").status_code == 303
    assert app.books.tasks.get(task.id).evidence.note == "all there"


def test_what_was_written_is_kept_where_a_tick_is_refused(signed_in: SignedIn, open_task: Open) -> None:
    spec = EvidenceSpec(note="optional", number="required", maximum=10, choice=("all", "some"))
    task, browser = open_task(evidence_spec=spec), signed_in("ops1")
    refused = browser.post(f"/tasks/{task.id}/tick", note="an hour's <words>", number="11", choice="some")
    assert refused.status_code == 409
    assert "is above 10" in refused.text
    assert "an hour&#39;s &lt;words&gt;</textarea>" in refused.text
    assert 'value="11"' in refused.text
    assert 'value="some" checked' in refused.text


def test_what_was_written_is_kept_where_the_disk_is_full(
    app: App, signed_in: SignedIn, open_task: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are the ledger's own; that a full disk leads to them is shown in tests/acceptance/disk."""
    task, browser = open_task(), signed_in("ops1")

    def full(*_: object, **__: object) -> None:
        raise StateError("ledger.db: database or disk is full; make room on the disk")

    monkeypatch.setattr(app.ticks, "tick", full)
    monkeypatch.setattr(app.ticks, "add", full)
    ticked = browser.post(f"/tasks/{task.id}/tick", note="all databases are there")
    added = browser.post("/tasks", title="Order two disks", whose="sysadmin")
    assert (ticked.status_code, added.status_code) == (503, 503)
    assert "make room on the disk" in ticked.text
    assert "all databases are there</textarea>" in ticked.text
    assert 'value="Order two disks"' in added.text


def test_who_was_slower_is_told_who_was_faster_and_keeps_the_note(
    app: App, signed_in: SignedIn, open_task: Open
) -> None:
    task = open_task(role="sysadmin")
    signed_in("ops1").post(f"/tasks/{task.id}/tick")
    refused = signed_in("ops2").post(f"/tasks/{task.id}/tick", note="I did it, too")
    assert refused.status_code == 409
    assert "closed already: done by ops1" in refused.text
    assert "I did it, too" in refused.text
    assert app.books.tasks.get(task.id).evidence.note == ""


@pytest.mark.parametrize("status", [TaskStatus.MISSED, TaskStatus.COULD_NOT, TaskStatus.NOT_APPLICABLE])
def test_only_what_was_done_is_green(app: App, signed_in: SignedIn, open_task: Open, status: TaskStatus) -> None:
    task = open_task()
    app.books.tasks.close(task.id, status=status, by="ops1", evidence=Evidence(), at=app.clock.now())
    for path in ("/", f"/tasks/{task.id}"):
        text = signed_in("ops1").get(path).text
        assert 'class="tick done"' not in text
        assert f'class="tick {status.value}"' in text


def test_what_is_open_is_no_more_than_open_to_who_only_looks(signed_in: SignedIn, open_task: Open) -> None:
    task = open_task(role="eye")
    browser = signed_in("eye")
    for path in ("/", f"/tasks/{task.id}"):
        text = browser.get(path).text
        assert 'class="tick open"' in text
        assert 'class="tick done"' not in text
        assert "/tick" not in text
        assert "Leave a note" not in text
    assert browser.post("/notes", text="x").status_code == 403


def test_a_note_that_is_too_long_is_refused_and_not_cut(app: App, signed_in: SignedIn) -> None:
    answer = signed_in("ops1").post("/notes", text="x" * 2001)
    assert answer.status_code == 409
    assert "at most 2000 characters" in answer.text
    assert app.books.notes.since(app.clock.now() - timedelta(days=1)) == []


def test_a_tick_is_taken_back_for_thirty_seconds(
    app: App, signed_in: SignedIn, open_task: Open, clock: FakeClock
) -> None:
    task, browser = open_task(), signed_in("ops1")
    browser.post(f"/tasks/{task.id}/tick")
    assert f"/tasks/{task.id}/undo" in browser.get("/").text
    assert browser.post(f"/tasks/{task.id}/undo").status_code == 303
    assert app.books.tasks.get(task.id).is_open
    browser.post(f"/tasks/{task.id}/tick")
    clock.move(seconds=31)
    assert f"/tasks/{task.id}/undo" not in browser.get("/").text
    assert browser.post(f"/tasks/{task.id}/undo").status_code == 409


def test_of_many_at_once_one_has_ticked(app: App, signed_in: SignedIn, open_task: Open, clock: FakeClock) -> None:
    """By the page and by the command line, in the same moment: one tick, who and when kept."""
    task = open_task(role="sysadmin")
    one, other = signed_in("ops1"), signed_in("ops2")

    def by_hand() -> int:
        try:
            app.ticks.tick(
                task.id, actor=app.site.people["boss"], status=TaskStatus.DONE, evidence=Evidence(), at=clock.now()
            )
        except Refused:
            return 409
        return 303

    acts = (
        lambda: one.post(f"/tasks/{task.id}/tick").status_code,
        lambda: other.post(f"/tasks/{task.id}/tick").status_code,
        by_hand,
    )
    with ThreadPoolExecutor(3) as pool:
        codes = [future.result() for future in [pool.submit(act) for act in acts]]
    assert sorted(codes) == [303, 409, 409]
    assert len([record for record in app.books.audit.about(f"task {task.id}") if record.action == "tick"]) == 1


def test_the_same_tick_again_changes_nothing(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(), signed_in("ops1")
    codes = [browser.post(f"/tasks/{task.id}/tick").status_code for _ in range(3)]
    assert codes == [303] * 3
    assert len(app.books.audit.about(f"task {task.id}")) == 1


def test_a_photo_is_kept_and_shown(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(evidence_spec=EvidenceSpec(file="required")), signed_in("ops1")
    picture = b"\x89PNG\r\n\x1a\n" + bytes(1000)
    answer = browser.post(f"/tasks/{task.id}/tick", mark="done", files={"file": ("../../rack 4.png", picture, "x/y")})
    assert answer.status_code == 303
    kept = app.books.tasks.get(task.id).evidence.file
    assert Path(kept).parent == Path("evidence") / str(task.id)
    assert (app.state / kept).stat().st_mode & 0o777 == 0o600
    shown = browser.get(f"/tasks/{task.id}/file")
    assert shown.content == picture
    assert shown.headers["content-type"] == "image/png"


def test_a_page_that_was_attached_is_never_shown_as_one(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(evidence_spec=EvidenceSpec(file="optional")), signed_in("ops1")
    page = b"<script>alert(1)</script>"
    browser.post(f"/tasks/{task.id}/tick", mark="done", files={"file": ("x.html", page, "text/html")})
    shown = browser.get(f"/tasks/{task.id}/file")
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"].startswith("attachment")


def test_an_empty_file_field_is_no_file(app: App, signed_in: SignedIn, open_task: Open) -> None:
    """What a browser sends where nobody chose a file."""
    task, browser = open_task(), signed_in("ops1")
    empty = {"file": ("", b"", "application/octet-stream")}
    assert browser.post(f"/tasks/{task.id}/tick", mark="done", number="", files=empty).status_code == 303


def test_a_task_is_claimed_and_handed_over(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(role="sysadmin"), signed_in("ops1")
    assert "claim it to make it yours" in browser.get("/").text
    assert browser.post(f"/tasks/{task.id}/claim").status_code == 303
    assert app.books.tasks.get(task.id).person == "ops1"
    assert browser.post(f"/tasks/{task.id}/hand-over", to="ops2").status_code == 303
    assert app.books.tasks.get(task.id).person == "ops2"
    assert "handed over by First technician" in signed_in("ops2").get("/").text
    assert browser.post(f"/tasks/{task.id}/hand-over", to="").status_code == 303
    assert app.books.tasks.get(task.id).person is None
    assert browser.post(f"/tasks/{task.id}/hand-over", to="nobody").status_code == 404


def test_a_task_is_added(app: App, signed_in: SignedIn) -> None:
    browser = signed_in("ops1")
    answer = browser.post(
        "/tasks", title="Call the data centre", whose="sysadmin", due="2026-11-21T10:00", how="**now**", link=""
    )
    assert answer.status_code == 303
    (task,) = app.books.tasks.opened()
    assert (task.title, task.role, task.opened_by) == ("Call the data centre", "sysadmin", "ops1")
    assert task.due_at is not None
    assert task.due_at.isoformat() == "2026-11-21T09:00:00+00:00"
    assert "<strong>now</strong>" in browser.get(f"/tasks/{task.id}").text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": " "}, "a task needs a title"),
        ({"title": "x", "due": "soon"}, "is no date and time"),
        ({"title": "x", "link": "javascript:alert(1)"}, "is no web address"),
        ({"title": "x", "whose": "nobody"}, "there is no role, roster or person"),
        ({}, "title: field required"),
    ],
)
def test_a_wrong_task_is_refused_with_its_reason(
    app: App, signed_in: SignedIn, fields: dict[str, str], says: str
) -> None:
    answer = signed_in("ops1").post("/tasks", **fields)
    assert answer.status_code in (400, 404)
    assert says in answer.text.replace("&#39;", "'")
    assert app.books.tasks.opened() == []


def test_rows_of_an_approval_are_struck(app: App, signed_in: SignedIn, open_task: Open) -> None:
    rows = tuple({"domain": f"site{number}.example"} for number in range(3))
    task, browser = open_task(approve_by="owner", role="boss", rows=rows), signed_in("boss")
    assert 'name="struck" value="2"' in browser.get("/").text
    browser.post(f"/tasks/{task.id}/tick", mark="done", struck=["0", "2"])
    assert app.books.tasks.get(task.id).struck == (0, 2)
    assert "2 of 3 struck" in browser.get(f"/tasks/{task.id}").text


def test_who_only_looks_does_nothing(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(), signed_in("eye")
    assert browser.get(f"/tasks/{task.id}").status_code == 200
    assert browser.post(f"/tasks/{task.id}/tick").status_code == 403
    assert app.books.tasks.get(task.id).is_open


def test_a_note_for_the_next_shift_is_shown_on_top(signed_in: SignedIn, clock: FakeClock) -> None:
    signed_in("ops1").post("/notes", text="web5 was slow\nat 03:10")
    clock.move(hours=5)
    text = signed_in("ops2").get("/").text
    assert "web5 was slow" in text
    assert "First technician, today 09:00" in text


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} {% raw %} ' \" &"


def test_data_is_shown_as_it_is_and_never_as_a_page_or_template(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task = open_task(
        title=HOSTILE,
        how=f"{HOSTILE}\n\n[x](javascript:alert(3)) ![y](https://evil.example/y.png)",
        message=HOSTILE,
        rows=({HOSTILE: HOSTILE},),
        approve_by="owner",
        role="boss",
    )
    browser = signed_in("boss")
    for path in ("/", f"/tasks/{task.id}"):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert 'href="javascript' not in text
        assert "{{ 7*7 }}" in text
    browser.post(f"/tasks/{task.id}/tick", mark="done", note=HOSTILE)
    text = browser.get(f"/tasks/{task.id}").text
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text
    assert " 49 " not in text


def test_a_page_that_shows_the_same_already_is_not_sent_again(
    signed_in: SignedIn, open_task: Open, clock: FakeClock
) -> None:
    browser = signed_in("ops1")
    shown = browser.get("/").text.partition('data-shown="')[2][:16]
    assert browser.get("/", **{"X-Shown": shown}).status_code == 204
    open_task()
    assert browser.get("/", **{"X-Shown": shown}).status_code == 200


def test_a_task_that_is_not_there_is_said_so(signed_in: SignedIn) -> None:
    answer = signed_in("ops1").get("/tasks/77")
    assert answer.status_code == 404
    assert "there is no task 77" in answer.text


FORM = EvidenceSpec(
    note="required",
    form=(
        FormField(name="knowledge", kind="number", minimum=1, maximum=5),
        FormField(name="hours", kind="number", minimum=0, maximum=99.5, need="optional"),
        FormField(name="verdict", kind="choice", choice=("keep", "<b>end</b>")),
        FormField(name="in_short", kind="text", need="optional"),
    ),
)


def test_a_form_has_a_labelled_field_for_each_answer(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, browser = open_task(evidence_spec=FORM), signed_in("ops1")
    page = browser.get(f"/tasks/{task.id}").text
    for name, label in (
        ("knowledge", "Knowledge"),
        ("hours", "Hours"),
        ("verdict", "Verdict"),
        ("in_short", "In short"),
    ):
        assert f'<label for="form-{task.id}-{name}">{label}' in page
        assert f'id="form-{task.id}-{name}" name="answer"' in page
    assert "<option>5</option>" in page
    assert "from 0 to 99.5" in page
    assert "&lt;b&gt;end&lt;/b&gt;" in page
    assert "<b>end" not in page

    answer = browser.post(f"/tasks/{task.id}/tick", note="read", answer=["4", "", "keep", "right at once"])
    assert answer.status_code == 303
    assert app.books.tasks.get(task.id).evidence.form == {
        "knowledge": 4.0,
        "verdict": "keep",
        "in_short": "right at once",
    }
    assert "knowledge 4, verdict keep, in short right at once; read" in browser.get(f"/tasks/{task.id}").text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (["", "", "keep", ""], "needs knowledge (from 1 to 5)"),
        (["6", "", "keep", ""], "knowledge (from 1 to 5): 6 is not within"),
        (["nan", "", "keep", ""], "knowledge (from 1 to 5): nan is not within"),
        (["four", "", "keep", ""], "knowledge: &#39;four&#39; is no number"),
        (["4", "", "burn", ""], "&#39;burn&#39; is no choice of verdict"),
        (["4", "keep"], "this form is not the task&#39;s any more"),
    ],
)
def test_a_form_with_a_slip_says_it_and_keeps_what_was_given(
    app: App, signed_in: SignedIn, open_task: Open, form: list[str], said: str
) -> None:
    task, browser = open_task(evidence_spec=FORM), signed_in("ops1")
    answer = browser.post(f"/tasks/{task.id}/tick", note="my long note", answer=form)
    assert answer.status_code in (400, 409)
    assert said in answer.text
    assert "my long note" in answer.text
    assert app.books.tasks.get(task.id).is_open
    if len(form) == 4 and form[2] == "keep":
        assert "<option selected>keep</option>" in answer.text


def test_what_could_not_be_done_needs_no_answers(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task = open_task(evidence_spec=FORM)
    signed_in("ops1").post(
        f"/tasks/{task.id}/tick", mark="could_not", note="the ticket is gone", answer=["", "", "", ""]
    )
    assert app.books.tasks.get(task.id).status is TaskStatus.COULD_NOT
