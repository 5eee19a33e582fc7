"""One host broke: the question to all the others that the follow-up of its failing step leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsrunner.config.freezing import thaw
from opsrunner.engine.asking import Question, asked_routine
from opsrunner.errors import NotFound, StateError, StepFailed
from opsrunner.ledger.books import Books
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.site import Host
from opsrunner.model.task import Task, TaskKind
from opsrunner.steps.fan_out import select_hosts

_MARKS = ("{{", "{%", "{#")


def question_of(task: Task, *, books: Books, hosts: Mapping[str, Host]) -> Question | None:
    """Return what a host's follow-up leads to ask all hosts of its step; None where it leads to nothing.

    The command is the one that is frozen with the run: what stands in a file by now, or in a form, does not count.
    """
    if task.kind is not TaskKind.FOLLOW_UP or task.run is None or task.key not in hosts:
        return None
    plan = _frozen_step(task, books)
    if plan is None or plan.kind not in ("ssh", "ask") or plan.for_each is not None or _has_template(plan):
        return None
    wanted = plan.options["hosts"]
    try:
        meant = select_hosts(wanted if isinstance(wanted, str) else tuple(wanted), hosts)
    except StepFailed:
        return None
    if len(meant) < 2 or task.key not in {host.name for host in meant}:
        return None
    return Question(
        command=plan.options["run"],
        hosts=(wanted,) if isinstance(wanted, str) else tuple(wanted),
        expect=plan.options.get("expect"),
        exit_codes=_exit_codes(plan),
        env=plan.env,
    )


def others_routine(question: Question, *, accountable: str) -> Routine:
    """Return the routine that asks the others: it looks, and opens nothing."""
    return asked_routine(question, accountable=accountable)


def _frozen_step(task: Task, books: Books) -> StepPlan | None:
    try:
        run = books.runs.get(task.run or 0)
        routine = thaw(books.runs.frozen_body(run.frozen or ""))
    except (NotFound, StateError):  # forgotten, or written by another version
        return None
    return next((plan for plan in routine.steps if plan.id == task.step), None)


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
