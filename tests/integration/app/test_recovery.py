"""What becomes of runs that a dead daemon left: read or not, for the first time or the tenth, and killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opsrunner.config.freezing import freeze
from opsrunner.engine.automated import run_token
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.engine.recovery import MOST_CRASHES, Recovery
from opsrunner.fleet.marks import RUN_MARK
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import TaskKind

ROUTINE = """\
name: Backups
accountable: sysadmin
steps:
  - id: one
    run: ["true"]
  - id: two
    run: ["true"]
    after_crash: {after_crash}
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def site(house: Callable[..., Any]) -> Callable[[str], Any]:
    return lambda after_crash: house({"backups": ROUTINE.format(after_crash=after_crash)})


def leave(site: Any, *, steps: int = 2, frozen: str | None = None) -> int:
    """Write a run as a dead daemon leaves it: `steps` were begun, all but the last have ended."""
    books = site.app.books
    text = freeze(site.app.in_force.site.routines["backups"]) if frozen is None else frozen
    new = NewRun(
        routine="backups",
        trigger=Trigger.MANUAL,
        status=RunStatus.RUNNING,
        frozen=books.runs.freeze(text),
        actor="boss",
    )
    run = books.runs.claim(new, at=site.clock.now())
    for position, plan in enumerate(site.app.site.routines["backups"].steps[:steps]):
        books.steps.start(run.id, position, plan, at=site.clock.now())
        site.app.runner.marks.enter(run.id, position)
        if position < steps - 1:
            ok = Outcome(status=StepStatus.SUCCEEDED)
            books.steps.finish(run.id, position, plan, outcome=ok, at=site.clock.now())
    return int(run.id)


def ends(site: Any, run: int) -> list[str]:
    return [f"{record.id} {record.status.value}" for record in site.app.books.steps.of_run(run)]


@pytest.mark.parametrize(
    ("steps", "told", "asked"),
    [
        pytest.param(2, ["one succeeded", "two interrupted"], "two", id="in a step"),
        pytest.param(1, ["one interrupted"], "one", id="in the first step"),
        pytest.param(0, ["run interrupted"], "run", id="before the first step"),
    ],
)
def test_a_run_whose_routine_cannot_be_read_any_more_is_closed_and_the_owner_is_asked(
    site: Callable[[str], Any], steps: int, told: list[str], asked: str
) -> None:
    one = site("rerun")
    run = leave(one, steps=steps, frozen='{"of": "another version"}')
    assert one.app.recovery.recover() == []
    assert one.app.books.runs.get(run).status is RunStatus.INTERRUPTED
    assert ends(one, run) == told
    (task,) = one.app.books.tasks.opened()
    assert (task.kind, task.run, task.item, task.role) == (TaskKind.FOLLOW_UP, run, asked, "owner")
    assert "cannot be read any more" in task.message
    assert [mail.about for mail in one.app.books.outbox.queued()] == [f"follow-up {task.id}"]


def test_a_step_in_which_the_daemon_dies_each_time_is_done_again_a_few_times_and_then_asked_about(
    site: Callable[[str], Any],
) -> None:
    one = site("rerun")
    run = leave(one)
    for _ in range(MOST_CRASHES - 1):
        assert one.app.recovery.recover() == [run]
        one.app.runner.marks.enter(run, 1)  # and it dies again
    assert one.app.recovery.recover() == []
    assert ends(one, run) == ["one succeeded", "two interrupted"]
    (task,) = one.app.books.tasks.opened()
    assert f"stopped {MOST_CRASHES} times while it ran" in task.message


@pytest.mark.parametrize(
    ("step", "resumed"),
    [
        pytest.param('run: ["true"]', False, id="an act, that would be skipped as done before"),
        pytest.param(
            "email: {to: owner, subject: Hello, body: Bye}", True, id="a mail, queued with the end of its step"
        ),
    ],
)
def test_an_act_that_is_done_once_is_asked_about_though_its_step_may_be_done_again(
    house: Callable[..., Any], step: str, resumed: bool
) -> None:
    two = 'two\n    run: ["true"]'
    once = ROUTINE.format(after_crash="rerun\n    once: renewal").replace(two, f"two\n    {step}")
    one = house({"backups": once})
    run = leave(one)
    assert one.app.recovery.recover() == ([run] if resumed else [])
    assert len(one.app.books.tasks.opened()) == (0 if resumed else 1)
    assert (one.app.books.runs.get(run).status is RunStatus.INTERRUPTED) is not resumed


@pytest.mark.parametrize("after_crash", ["ask", "rerun"])
def test_what_a_step_had_restored_or_dumped_stays_only_where_the_run_goes_on(
    site: Callable[[str], Any], after_crash: str
) -> None:
    one = site(after_crash)
    run = leave(one)
    dump = one.root / f"var/runs/{run}/work/restored/customer.sql"
    dump.parent.mkdir(parents=True)
    dump.write_text("names and addresses")
    one.app.recovery.recover()
    assert dump.parents[1].exists() is (after_crash == "rerun")


def test_a_run_that_was_not_entered_is_resumed_however_often_the_daemon_dies(site: Callable[[str], Any]) -> None:
    one = site("ask")
    run = leave(one)
    one.app.runner.marks.begin()
    for _ in range(2 * MOST_CRASHES):
        assert one.app.recovery.recover() == [run]


def test_killed_in_the_middle_it_goes_on_where_it_was(site: Callable[[str], Any]) -> None:
    """The second run is closed by the second start; the first one is counted once."""
    one = site("ask")
    first, second = leave(one), leave(one)
    parts = one.app.recovery

    class Killed(BaseException):
        """What ends a process between two transactions."""

    class FollowUpsOfOne:
        asked = 0

        def interrupted(self, *given: Any, **named: Any) -> object:
            if self.asked:
                raise Killed
            self.asked += 1
            return parts.follow_ups.interrupted(*given, **named)

    dying: Any = FollowUpsOfOne()
    with pytest.raises(Killed):
        Recovery(books=parts.books, clock=parts.clock, follow_ups=dying, marks=parts.marks).recover()
    assert [one.app.books.runs.get(run).status.value for run in (first, second)] == ["interrupted", "running"]
    assert parts.recover() == []
    assert [one.app.books.runs.get(run).status.value for run in (first, second)] == ["interrupted", "interrupted"]
    (task,) = one.app.books.tasks.opened()
    assert (task.count, task.run) == (2, second)


@pytest.fixture
def stubborn(site: Callable[[str], Any]) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start processes that do not hear SIGTERM."""
    started: list[subprocess.Popen[bytes]] = []

    def start(token: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, RUN_MARK: token}
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN], env=environment, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_the_children_of_many_runs_are_ended_together_in_time(
    site: Callable[[str], Any], stubborn: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """B33: five runs whose children do not hear SIGTERM; one after another they would take half a minute."""
    one = site("ask")
    runs = [leave(one) for _ in range(5)]
    children = [stubborn(run_token(one.app.books.ledger.id, run)) for run in runs]
    began = time.monotonic()
    one.app.recovery.recover()
    assert time.monotonic() - began < 15
    assert [child.wait(timeout=1) for child in children] == [-signal.SIGKILL] * 5


def test_with_a_clock_in_doubt_the_processes_that_are_left_are_ended_all_the_same(
    site: Callable[[str], Any], stubborn: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    one = site("ask")
    one.daemon.work_once()
    run = leave(one)
    child = stubborn(run_token(one.app.books.ledger.id, run))
    one.close()
    one.app.draining.clear()
    one.clock.step(days=400)
    one.open()
    assert child.poll() is not None
    assert one.app.books.runs.get(run).status is RunStatus.RUNNING


def test_the_file_of_marks_is_read_once_however_many_runs_were_left(site: Callable[[str], Any]) -> None:
    class Counted(EntryMarks):
        reads = 0

        def entered(self) -> set[tuple[int, int]] | None:
            self.reads += 1
            return super().entered()

    one = site("rerun")
    left = [leave(one) for _ in range(3)]
    parts = one.app.recovery
    marks = Counted(one.app.state / "entered")
    again = Recovery(books=parts.books, clock=parts.clock, follow_ups=parts.follow_ups, marks=marks)
    assert again.recover() == left
    assert marks.reads == 1
