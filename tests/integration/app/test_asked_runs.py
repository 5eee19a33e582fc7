"""Questions that stand in no file: in the daemon, over a reload, after a crash, in the digest."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from opsrunner.config.freezing import freeze
from opsrunner.engine.asking import Question, asked_routine
from opsrunner.engine.by_hand import claim_by_hand
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus
from opsrunner.model.task import TaskKind, TaskStatus

NIGHTLY = 'name: Nightly\naccountable: sysadmin\nsteps:\n  - run: ["true"]\n'
QUESTION = Question(command="echo `echo fine`", hosts=("local",))


@pytest.fixture
def site(house: Callable[..., Any]) -> Any:
    """A site with one routine and this machine."""
    return house({"nightly": NIGHTLY})


def ask(site: Any, question: Question = QUESTION, *, opens_task: bool = False) -> Any:
    """Leave a question for the daemon, let it work, and return the run."""
    routine = asked_routine(question, accountable="boss", opens_task=opens_task)
    asked = site.app.books.requests.ask_for_run(routine.id, actor="boss", at=site.clock.now(), frozen=freeze(routine))
    site.work()
    return site.app.books.runs.get(site.app.books.requests.get(asked).run)


def test_the_daemon_asks_at_once_and_no_reload_looks_for_a_file(site: Any) -> None:
    run = ask(site)
    site.write("routines/nightly.yaml", NIGHTLY.replace("Nightly", "Each night"))
    site.at("2026-11-20T12:01:00")

    assert site.told(run.routine) == ["succeeded manual"]
    assert site.app.loaded.problems == ()
    assert list(site.app.site.routines) == ["nightly"]
    assert ask(site).routine == run.routine
    assert site.app.books.routines.name(run.routine) == "Ask: echo `echo fine`"


def test_the_digest_calls_it_as_it_is_called_and_misses_no_file(site: Any) -> None:
    ask(site)
    ask(site, replace(QUESTION, exit_codes=(3,)))

    digest = site.app.digests.preview("daily", site.clock.now()).digest

    (odd,) = digest.in_hand
    assert (odd.tone, odd.title) == ("look", "Ask: echo `echo fine`")
    assert odd.facts.startswith("1 host asked: 1 differs; local: exit code 0: fine.")
    assert [line.name for line in digest.planned] == ["Ask: echo `echo fine`"]
    assert "ask-" not in repr(digest)


@pytest.mark.parametrize(
    "harm",
    [
        lambda routine: replace(routine, steps=(StepPlan(id="ask", kind="run", options={"run": "touch x"}, line=1),)),
        lambda routine: replace(routine, steps=routine.steps * 2),
        lambda routine: replace(routine, id="nightly"),
        lambda routine: replace(routine, file="routines/nightly.yaml"),
    ],
    ids=["another kind", "two steps", "the name of another", "as if it had a file"],
)
def test_a_request_brings_in_no_routine_but_a_question(site: Any, harm: Callable[[Any], Any]) -> None:
    routine = harm(asked_routine(QUESTION, accountable="boss"))
    books = site.app.books
    asked = books.requests.ask_for_run(routine.id, actor="boss", at=site.clock.now(), frozen=freeze(routine))
    unreadable = books.requests.ask_for_run("x", actor="boss", at=site.clock.now(), frozen="{}")

    site.work()

    assert books.runs.listed() == []
    assert books.requests.get(asked).answer.endswith("is no question to hosts, so it is run from its file only")
    assert books.requests.get(unreadable).answer.startswith("the question cannot be read: ")


def test_after_a_crash_the_command_line_that_asks_again_is_told_and_closes_the_follow_up(
    site: Any, reopened: Callable[..., Any]
) -> None:
    routine = asked_routine(QUESTION, accountable="boss")
    books = site.app.books
    run = claim_by_hand(books, routine, actor="boss", at=site.clock.now())
    books.steps.start(run.id, 0, routine.steps[0], at=site.clock.now())
    site.app.runner.marks.enter(run.id, 0)
    site.close()

    later = reopened(site.root, site.clock)

    assert later.app.books.runs.get(run.id).status is RunStatus.INTERRUPTED
    (task,) = later.app.books.tasks.opened()
    assert (task.kind, task.title) == (
        TaskKind.FOLLOW_UP,
        "See how far 'Ask: echo `echo fine`' came before it was cut off",
    )
    assert f"opsrunner ask {shlex.quote('echo `echo fine`')} --hosts local\n" in task.how
    assert "opsrunner run" not in task.how
    ask(later)
    assert later.app.books.tasks.get(task.id).status is TaskStatus.DONE
