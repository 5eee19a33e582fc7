"""The expressions and templates of a step, where they stand, and whether they read as such."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from opsrunner.config.positions import Path
from opsrunner.errors import ExpressionError
from opsrunner.model.routine import StepPlan
from opsrunner.records import dataclass
from opsrunner.steps.task import TaskOptions
from opsrunner.templates.expressions import step_references

MOST_TEXTS, MOST_CHARACTERS = 2_000, 100_000
TOO_MANY_TEXTS = f"hold more than {MOST_TEXTS:,} expressions and templates, or very long ones"
_MARKS = ("{{", "{%", "{#")
_MEANT_AS_TEMPLATE = re.compile(r"\{\{-?\s*(?:row|steps|workdir|run)\b")
_EXPRESSIONS = (("when", False), ("for_each", False), ("key", False), ("warn_if", True), ("fail_if", True))
"""Each with whether it is looked at when its own step has ended."""
_EXPRESSIONS_OF_KINDS = {"backup_check": ("expect", "rows")}
"""Where an expression stands in the options of a kind."""


@dataclass(frozen=True, kw_only=True)
class StepText:
    """One expression, or one text that holds a template."""

    path: Path
    source: str
    is_template: bool
    may_use_later: bool = False
    """It is looked at again when later steps have ended (`done_when`)."""
    sees_own_step: bool = False
    """It is looked at when its own step has ended (`fail_if`)."""


class Allowance:
    """How much of expressions and templates one file may hold: more than anybody writes is not looked at."""

    def __init__(self) -> None:
        self._texts_left, self._characters_left = MOST_TEXTS, MOST_CHARACTERS

    def covers(self, text: StepText) -> bool:
        """Count one more text; tell whether it is still within what a file may hold."""
        self._texts_left -= 1
        self._characters_left -= len(text.source)
        return self._texts_left >= 0 and self._characters_left >= 0


def texts_of(step: StepPlan, path: Path, *, beside: bool, verbatim: frozenset[str]) -> Iterator[StepText]:
    """Return every expression and template of `step`, which stands at `path`."""
    for name, sees_own_step in _EXPRESSIONS:
        source = getattr(step, name)
        if source is not None:
            yield StepText(path=(*path, name), source=source, is_template=False, sees_own_step=sees_own_step)
    if step.once is not None:
        yield from _templates(step.once, (*path, "once"))
    for name, value in step.env.items() if step.env else ():
        yield from _templates(value, (*path, "env", name))
    inside = path if beside else (*path, step.kind)
    if place := _EXPRESSIONS_OF_KINDS.get(step.kind):
        above, own = place
        options = step.options.get(above)
        source = options.get(own) if isinstance(options, dict) else None
        if isinstance(source, str):
            yield StepText(path=(*inside, *place), source=source, is_template=False)
    of = step.options.get("of")
    if step.kind == "notice" and isinstance(of, str) and of:
        yield StepText(path=(*inside, "of"), source=f"steps[{of!r}].rows", is_template=False)
    for option, value in step.options.items():
        if not (isinstance(value, str) and ("{" not in value or option in verbatim)):
            yield from _templates(value, (*inside, option))


def expressions_of_task(task: TaskOptions, path: Path) -> Iterator[StepText]:
    """Return the expressions in the options of a task, which stands at `path`."""
    if task.done_when is not None:
        where = (*path, "done_when")
        yield StepText(path=where, source=task.done_when, is_template=False, may_use_later=True)
    if task.due is not None and task.due.row:
        yield StepText(path=(*path, "due"), source=task.due.row, is_template=False)
    if task.not_by is not None:
        yield StepText(path=(*path, "not_by"), source=task.not_by, is_template=False)
    if task.approve is not None:
        yield StepText(path=(*path, "approve", "rows"), source=task.approve.rows, is_template=False)


def texts_of_item(task: TaskOptions, path: Path) -> Iterator[StepText]:
    """Return every expression and template of a checklist's item, which stands at `path`."""
    yield from expressions_of_task(task, path)
    for name in ("task", "how", "link", "group"):
        yield from _templates(getattr(task, name, ""), (*path, name))


def mistake_in(text: StepText) -> str:
    """Return what is wrong with an expression or template, or nothing."""
    try:
        steps_named_in(text)
    except ExpressionError as exc:
        return str(exc)
    return ""


def steps_named_in(text: StepText) -> frozenset[str]:
    """Return the ids of the steps that a text refers to. Raises ExpressionError where it has a mistake."""
    return step_references(text.source, template=text.is_template)


def looks_like_template(shell: str) -> bool:
    """Tell whether a shell string seems to expect that our values are put into it."""
    return _MEANT_AS_TEMPLATE.search(shell) is not None


def _templates(value: Any, path: Path) -> Iterator[StepText]:
    if isinstance(value, str):
        if "{" in value and any(mark in value for mark in _MARKS):
            yield StepText(path=path, source=value, is_template=True)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _templates(item, (*path, key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _templates(item, (*path, position))
