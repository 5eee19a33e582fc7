"""One host broke: the question to all the others that the follow-up of its failing step leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsrunner.engine.asking import Question, asked_routine
from opsrunner.engine.frozen import frozen_routine
from opsrunner.errors import NotFound, StateError, StepFailed
from opsrunner.ledger.books import Books
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.site import Host
from opsrunner.model.task import Task, TaskKind
from opsrunner.records import dataclass
from opsrunner.steps.fan_out import select_hosts
from opsrunner.steps.kinds import KINDS

_MARKS = ("{{", "{%", "{#")


@dataclass(frozen=True, kw_only=True)
class ToOthers:
    """A question to all hosts of a step, asked as gently as the step asks them."""

    question: Question
    timeout_seconds: float
    """For all hosts together, as the step has it."""
    most_at_once: int


def question_of(task: Task, *, books: Books, hosts: Mapping[str, Host]) -> ToOthers | None:
    """Return what a host's follow-up leads to ask all hosts of its step; None where it leads to nothing.

    The command is the one that is frozen with the run: what stands in a file by now, or in a form, does not count.
    A step that something holds back (people before it, `when`, `once`), or that judges its answers by more than
    their ends, is no question: to ask it would be to run the routine without what guards it.
    """
    if task.kind is not TaskKind.FOLLOW_UP or task.run is None or task.key not in hosts:
        return None
    routine = _frozen(task, books)
    plan = next((plan for plan in routine.steps if plan.id == task.step), None) if routine else None
    if routine is None or plan is None or plan.kind not in ("ssh", "ask"):
        return None
    if plan.for_each is not None or _has_template(plan) or _is_guarded(routine, plan):
        return None
    wanted = plan.options["hosts"]
    try:
        meant = select_hosts(wanted if isinstance(wanted, str) else tuple(wanted), hosts)
    except StepFailed:
        return None
    if len(meant) < 2 or task.key not in {host.name for host in meant}:
        return None
    question = Question(
        command=plan.options["run"],
        hosts=(wanted,) if isinstance(wanted, str) else tuple(wanted),
        expect=plan.options.get("expect"),
        exit_codes=_exit_codes(plan),
        env=plan.env,
    )
    return ToOthers(question=question, timeout_seconds=plan.timeout_seconds, most_at_once=_most_at_once(plan))


def others_routine(asked: ToOthers, *, accountable: str) -> Routine:
    """Return the routine that asks the others: it looks, and opens nothing."""
    return asked_routine(
        asked.question,
        accountable=accountable,
        timeout_seconds=asked.timeout_seconds,
        most_at_once=asked.most_at_once,
    )


def _frozen(task: Task, books: Books) -> Routine | None:
    try:
        run = books.runs.get(task.run or 0)
        return frozen_routine(books, run)
    except (NotFound, StateError):  # forgotten, or written by another version
        return None


def _is_guarded(routine: Routine, plan: StepPlan) -> bool:
    """Tell whether more than its command makes out a step: what holds it back, or what else judges its answers."""
    if any(text is not None for text in (plan.when, plan.once, plan.fail_if, plan.warn_if)):
        return True
    before = routine.steps[: routine.steps.index(plan)]
    return any(task.wait or task.approve is not None for step in before for task in step.tasks)


def _most_at_once(plan: StepPlan) -> int:
    default = KINDS[plan.kind].options.model_fields["max_parallel"].default
    return int(plan.options.get("max_parallel", default))


def _exit_codes(plan: StepPlan) -> tuple[int, ...]:
    """Return how a right answer ends: for `ssh`, as the step itself judges it."""
    if plan.kind == "ssh":
        return (*plan.options.get("ok_codes", (0,)), *plan.options.get("warn_codes", ()))
    codes = plan.options.get("exit", ())
    return tuple(codes) if isinstance(codes, list | tuple) else (codes,)


def _has_template(plan: StepPlan) -> bool:
    """Tell whether the step takes values from steps before it, which a question alone does not have."""
    texts: list[Any] = [plan.options["hosts"], *plan.env.values()]
    flat = [text for one in texts for text in (one if isinstance(one, list | tuple) else (one,))]
    return any(isinstance(text, str) and any(mark in text for mark in _MARKS) for text in flat)
