"""Runs whose thread meets a mistake of the program itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from opsrunner.engine.recovery import MOST_TRIES
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.run import RunStatus
from opsrunner.model.task import TaskKind
from opsrunner.steps.kind import InModule
from opsrunner.steps.kinds import KINDS
from opsrunner.testing import ScriptedStep, scripted_kind

FINE = Outcome(status=StepStatus.SUCCEEDED)
FAULT = RuntimeError("a mistake of ours")
ROUTINE = """\
name: Backups
accountable: sysadmin
steps:
  - id: one
    run: ["true"]
  - scripted: {{say: hello}}
    after_crash: {after_crash}
  - id: three
    run: ["true"]
"""


@pytest.fixture
def scripted() -> Iterator[ScriptedStep]:
    with scripted_kind(ScriptedStep()) as step:
        yield step


def by_hand(site: Any, passes: int = 2 * MOST_TRIES) -> Any:
    """Ask for a run, and give the daemon more passes than it needs; return the run."""
    asked = site.app.books.requests.ask_for_run("backups", actor="boss", at=site.clock.now())
    for _ in range(passes):
        site.clock.move(seconds=6)
        site.work()
    return site.app.books.runs.get(site.app.books.requests.get(asked).run)


def ends(site: Any, run: Any) -> list[str]:
    return [f"{record.id} {record.status.value}" for record in site.app.books.steps.of_run(run.id)]


def test_the_scripted_kind_is_there_for_a_block_only() -> None:
    with scripted_kind(ScriptedStep()):
        assert KINDS["scripted"].preview(KINDS["scripted"].parse({"say": "hello"})) == "scripted hello"
    assert "scripted" not in KINDS


def test_a_run_that_meets_a_passing_fault_is_taken_up_again(house: Callable[..., Any], scripted: ScriptedStep) -> None:
    scripted.answers = [*[FAULT] * MOST_TRIES, FINE]
    site = house({"backups": ROUTINE.format(after_crash="rerun")})
    run = by_hand(site)
    assert ends(site, run) == ["one succeeded", "scripted succeeded", "three succeeded"]
    assert len(scripted.calls) == 1 + MOST_TRIES
    assert site.app.books.tasks.opened() == []


@pytest.mark.parametrize(
    ("after_crash", "tries"),
    [
        ("rerun", 1 + MOST_TRIES),
        ("ask", 1),  # nobody knows how far it came: it is not tried again
    ],
)
def test_a_run_that_meets_a_fault_for_ever_is_closed_and_a_person_is_asked(
    house: Callable[..., Any], scripted: ScriptedStep, after_crash: str, tries: int
) -> None:
    scripted.answers = [FAULT]
    site = house({"backups": ROUTINE.format(after_crash=after_crash)})
    run = by_hand(site)
    assert (run.status.value, run.reason) == ("interrupted", "fault")
    assert ends(site, run) == ["one succeeded", "scripted interrupted", "three skipped"]
    assert len(scripted.calls) == tries
    (task,) = site.app.books.tasks.opened()
    assert (task.kind, task.run, task.step) == (TaskKind.FOLLOW_UP, run.id, "scripted")
    assert task.title == "See how far scripted of Backups came before it was cut off"
    assert task.message.startswith("opsrunner itself could not go on with it")
    assert [mail.about for mail in site.app.books.outbox.queued()] == [f"follow-up {task.id}"]

    scripted.answers = [FINE]
    assert by_hand(site).status.value == "succeeded"
    assert site.app.books.tasks.opened() == []


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules of steps that were imported since; `patch_audit_run` cannot be."""
    names: list[str] = []
    real = InModule.module

    def module(self: InModule) -> ModuleType:
        names.append(self.name)
        if self.name == "patch_audit_run":
            raise AttributeError("module 'half' has no attribute\n'installed'")
        return real(self)

    monkeypatch.setattr(InModule, "module", module)
    return names


def test_what_is_in_force_is_ready_before_its_first_step(imported: list[str], house: Callable[..., Any]) -> None:
    site = house({"backups": 'name: B\naccountable: sysadmin\nsteps: [{id: one, run: ["true"]}]\n'})
    assert imported == ["run_command"]
    site.write("routines/asking.yaml", "name: A\naccountable: sysadmin\nsteps: [{id: a, http: {get: 'http://x/'}}]\n")
    site.clock.move(seconds=10)
    site.work()
    assert imported == ["run_command", "http_run", "run_command"]


def test_steps_that_cannot_be_imported_fail_and_all_else_goes_on(
    imported: list[str], house: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    audit = ROUTINE.format(after_crash="ask").replace("scripted: {say: hello}", "patch_audit: {hosts: [local]}")
    site = house({"backups": audit})
    assert "steps of the kind 'patch_audit' cannot be imported: AttributeError: module 'half' has no " in caplog.text
    run = by_hand(site)
    assert ends(site, run) == ["one succeeded", "patch_audit failed", "three skipped"]
    assert run.status is RunStatus.FAILED
    (task,) = site.app.books.tasks.opened()
    assert task.message.startswith(
        "opsrunner is not whole (AttributeError: module 'half' has no attribute 'installed')"
    )
