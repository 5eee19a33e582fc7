"""The button of a host's follow-up that asks the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.config.freezing import freeze, thaw
from opsrunner.ledger.runs import NewRun
from opsrunner.model.routine import Approval, Routine, StepPlan, TaskPlan
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.testing import FakeClock
from opsrunner.web import asking

SignedIn = Callable[[str], Any]
HOSTS = """\
  help: {name: Somebody else, email: help@example.com, roles: [partner, sysadmin]}
hosts:
  web1: {address: 127.0.0.1, port: 1, groups: [shared]}
  web2: {address: 127.0.0.1, port: 1, groups: [shared]}
"""
COMMAND = 'echo \'<b>\' `echo x` {{ y }} "$(true)" # `it\'s`\necho "$A"'
STEP = StepPlan(
    id="audit",
    kind="ssh",
    options={"hosts": ["local", "shared"], "run": COMMAND, "max_parallel": 1, "ok_codes": [0, 3], "warn_codes": [4]},
    env={"A": "b"},
    timeout_seconds=1800,
    line=4,
)
Follow = Callable[..., Task]


def people(*tasks: TaskPlan) -> StepPlan:
    return StepPlan(id="people", kind="task", tasks=tasks, line=2)


@pytest.fixture
def app(app: App) -> App:
    """The same site with two hosts and somebody of another company."""
    path = app.root / "opsrunner.yaml"
    path.write_text(path.read_text() + HOSTS)
    app.in_force.refresh()
    return app


@pytest.fixture
def follow_up(app: App, clock: FakeClock, open_task: Callable[..., Task]) -> Follow:
    """Open the follow-up of a host that a step failed on: `follow_up(step=STEP, key="web1")`."""

    def fail(step: StepPlan = STEP, *, before: tuple[StepPlan, ...] = (), **changes: Any) -> Task:
        steps = (*before, step)
        routine = Routine(id="nightly", name="Nightly", accountable="sysadmin", steps=steps, file="routines/x.yaml")
        frozen = app.books.runs.freeze(freeze(routine))
        new = NewRun(routine="nightly", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, frozen=frozen)
        run = app.books.runs.claim(new, at=clock.now())
        assert run is not None
        app.books.runs.finish(run.id, status=RunStatus.FAILED, reason="", at=clock.now())
        about = {"kind": TaskKind.FOLLOW_UP, "run": run.id, "routine": "nightly", "step": "audit", "item": "audit"}
        return open_task(**{**about, "key": "web1", "role": "sysadmin", **changes})

    return fail


@pytest.fixture
def daemon(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `serve` does beside the page."""
    monkeypatch.setattr("opsrunner.web.asking.TAKEN_WITHIN_SECONDS", 60)
    service = app.daemon_parts()
    service.daemon.begin()
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(0.02):
            service.daemon.work_once()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()
    app.draining.set()
    service.workers.close(grace_seconds=10, hurry=app.hurry)


def run_of(app: App, answer: Any) -> Run:
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert place.startswith("/runs/"), place
    return app.books.runs.get(int(place.removeprefix("/runs/")))


@pytest.mark.usefixtures("daemon")
def test_the_button_asks_all_hosts_of_the_step_what_the_failing_run_asked(
    app: App, signed_in: SignedIn, follow_up: Follow
) -> None:
    task, browser = follow_up(), signed_in("ops1")
    text = browser.get(f"/tasks/{task.id}").text
    assert "Ask the others…" in text
    assert "on local, shared" in text
    assert "echo &#39;&lt;b&gt;&#39; `echo x` {{ y }}" in text

    run = run_of(app, browser.post(f"/tasks/{task.id}/ask-others"))

    frozen = thaw(app.books.runs.frozen_body(run.frozen or ""))
    (step,) = frozen.steps
    assert (run.routine, run.actor, run.trigger) == (frozen.id, "ops1", Trigger.MANUAL)
    assert step.options == {
        "hosts": ["local", "shared"],
        "run": COMMAND,
        "exit": [0, 3, 4],
        "max_parallel": 1,
        "tasks": {"open": False},
    }
    assert (dict(step.env), step.follow_up) == ({"A": "b"}, False)
    assert step.timeout_seconds == 1800
    (record,) = app.books.audit.about(f"task {task.id}")
    assert (record.actor, record.action) == ("ops1", "ask the others")
    page = browser.get(f"/runs/{run.id}").text
    assert "Ask: echo &#39;&lt;b&gt;&#39; `echo x`" in page
    assert browser.get(f"/tasks/{task.id}").status_code == 200


@pytest.mark.usefixtures("daemon")
def test_what_is_asked_already_leads_to_that_run(
    app: App, signed_in: SignedIn, follow_up: Follow, tmp_path: Path
) -> None:
    until_told = f"until test -e {tmp_path}/go; do sleep 0.1; done"
    slow = StepPlan(id="audit", kind="ssh", options={"hosts": ["local", "web1"], "run": until_told}, line=1)
    task, browser = follow_up(slow), signed_in("ops1")
    browser.get(f"/tasks/{task.id}")

    first = run_of(app, browser.post(f"/tasks/{task.id}/ask-others"))
    second = run_of(app, browser.post(f"/tasks/{task.id}/ask-others"))
    (tmp_path / "go").touch()

    assert first.id == second.id


@pytest.mark.usefixtures("daemon")
def test_what_nobody_waits_for_guards_nothing_and_a_step_asks_as_many_at_once_as_its_kind(
    app: App, signed_in: SignedIn, follow_up: Follow
) -> None:
    plain = StepPlan(id="audit", kind="ssh", options={"hosts": ["local", "web1"], "run": "true"}, line=3)
    task = follow_up(plain, before=(people(TaskPlan(id="read", title="Read")),))
    browser = signed_in("ops1")
    browser.get(f"/tasks/{task.id}")

    run = run_of(app, browser.post(f"/tasks/{task.id}/ask-others"))

    (step,) = thaw(app.books.runs.frozen_body(run.frozen or "")).steps
    assert (step.options["max_parallel"], step.timeout_seconds) == (10, 3600)


def test_without_an_answer_of_the_daemon_it_leads_back_to_the_task(
    app: App, signed_in: SignedIn, follow_up: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 0.2)
    task = follow_up()

    answer = signed_in("ops1").post(f"/tasks/{task.id}/ask-others")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/tasks/{task.id}")
    assert len(app.books.requests.waiting()) == 1


def test_no_form_says_what_is_run(app: App, signed_in: SignedIn, follow_up: Follow) -> None:
    task, browser = follow_up(), signed_in("ops1")

    for name in ("command", "run", "hosts", "env"):
        assert browser.post(f"/tasks/{task.id}/ask-others", **{name: "rm -rf /"}).status_code == 400
    browser.token = "0" * 80
    assert browser.post(f"/tasks/{task.id}/ask-others").status_code == 403
    assert app.books.requests.waiting() == []


@pytest.mark.parametrize(("person", "status"), [("eye", 403), ("help", 403)])
def test_who_may_only_look_or_helps_out_asks_nobody(
    app: App, signed_in: SignedIn, follow_up: Follow, person: str, status: int
) -> None:
    task, browser = follow_up(person=person if person == "help" else None), signed_in(person)
    page = browser.get(f"/tasks/{task.id}")

    assert page.status_code == 200
    assert "Ask the others" not in page.text
    assert browser.post(f"/tasks/{task.id}/ask-others").status_code == status
    assert app.books.requests.waiting() == []


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        pytest.param(STEP, {"kind": TaskKind.ROUTINE}, id="no follow-up"),
        pytest.param(STEP, {"key": "web9"}, id="no host"),
        pytest.param(STEP, {"key": ""}, id="the step as a whole"),
        pytest.param(replace(STEP, id="other"), {}, id="no such step"),
        pytest.param(STEP, {"run": None}, id="the run is forgotten"),
        pytest.param(StepPlan(id="audit", kind="run", options={"run": "true"}, line=1), {}, id="another kind"),
        pytest.param(
            StepPlan(id="audit", kind="ssh", options={"hosts": "web1", "run": "true"}, line=1), {}, id="no others"
        ),
        pytest.param(
            StepPlan(id="audit", kind="ssh", options={"hosts": "{{ row.host }}", "run": "true"}, line=1),
            {},
            id="hosts from a template",
        ),
        pytest.param(
            StepPlan(
                id="audit", kind="ssh", options={"hosts": "all", "run": "true"}, env={"A": "{{ steps.x.n }}"}, line=1
            ),
            {},
            id="values from steps before",
        ),
        pytest.param(replace(STEP, when="now.hour > 20"), {}, id="it has a condition"),
        pytest.param(replace(STEP, once="restart"), {}, id="it happens once"),
        pytest.param(replace(STEP, fail_if="output"), {}, id="more judges it bad"),
        pytest.param(replace(STEP, warn_if="output"), {}, id="more judges it doubtful"),
        pytest.param(STEP, {"before": (people(TaskPlan(id="look", title="Look", wait=True)),)}, id="people before it"),
        pytest.param(
            STEP,
            {"before": (people(TaskPlan(id="ok", title="OK", approve=Approval(rows="[]", by="owner"))),)},
            id="somebody approves it",
        ),
    ],
)
def test_where_nothing_can_be_asked_there_is_no_button(
    app: App, signed_in: SignedIn, follow_up: Follow, step: StepPlan, changes: dict[str, Any]
) -> None:
    task, browser = follow_up(step, **changes), signed_in("boss")

    assert "Ask the others" not in browser.get(f"/tasks/{task.id}").text
    assert browser.post(f"/tasks/{task.id}/ask-others").status_code == 409
    assert app.books.requests.waiting() == []


def test_a_task_that_is_closed_asks_nobody(app: App, signed_in: SignedIn, follow_up: Follow, clock: FakeClock) -> None:
    task, browser = follow_up(), signed_in("boss")
    app.books.tasks.close(task.id, status=TaskStatus.DONE, by="boss", evidence=task.evidence, at=clock.now())

    assert "Ask the others" not in browser.get(f"/tasks/{task.id}").text
    assert browser.post(f"/tasks/{task.id}/ask-others").status_code == 409
