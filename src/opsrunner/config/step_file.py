"""Reads the steps of a routine: shared keys, the kind's own options, tasks, and whom and what they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from opsrunner.config.checklist import Checklist
from opsrunner.config.mistakes import did_you_mean
from opsrunner.config.positions import Path
from opsrunner.config.references import Reference, of_options, of_people
from opsrunner.config.report import Report
from opsrunner.config.secret_places import SecretPlace, secrets_in
from opsrunner.config.step_keys import SHARED, SharedKeys, idle_keys, keys_of, plan_step
from opsrunner.config.step_kinds import ids_of, kind_of, report_shared_inside, report_unknown_beside
from opsrunner.config.step_texts import (
    TOO_MANY_TEXTS,
    Allowance,
    StepText,
    expressions_of_task,
    looks_like_template,
    steps_named_in,
    texts_of,
    texts_of_item,
)
from opsrunner.config.task_plans import plan_checklist, plan_task
from opsrunner.errors import ExpressionError
from opsrunner.model.routine import StepPlan, TaskPlan
from opsrunner.records import dataclass
from opsrunner.steps.checklist import ChecklistOptions
from opsrunner.steps.kind import Kind
from opsrunner.steps.task import TaskDefaults, TaskOptions

MOST_TASKS = 2_000
"""Tasks that one routine takes from checklists."""

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass
class Steps:
    """What the steps of one routine came to; `plans` holds only those without a mistake."""

    plans: list[StepPlan] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    secrets: list[SecretPlace] = field(default_factory=list)
    checklists: dict[str, Checklist | None] = field(default_factory=dict)
    """Those that are used; None where there is none of that name."""


class StepReader:
    """Reads the steps of one routine; mistakes go to `report`, what only looks wrong to `doubts`."""

    def __init__(self, *, report: Report, doubts: Report, checklists: Mapping[str, Checklist]) -> None:
        self._report = report
        self._doubts = doubts
        self._checklists = checklists
        self._steps = Steps()
        self._ids: list[str | None] = []
        self._lines: Sequence[int] = ()
        self._allowance = Allowance()
        self._tasks_left = MOST_TASKS

    def read(self, raw_steps: Sequence[Any], lines: Sequence[int]) -> Steps:
        """Return all steps, whatever is wrong with some of them; `lines` are where each begins."""
        self._lines = lines
        kinds = [kind_of(raw, ("steps", at), self._report) for at, raw in enumerate(raw_steps)]
        self._ids = ids_of(raw_steps, kinds, self._report)
        for at, (raw, kind) in enumerate(zip(raw_steps, kinds, strict=True)):
            if kind is not None:
                self._read_step(raw, kind, at)
        return self._steps

    def _read_step(self, raw: dict[str, Any], kind: Kind, at: int) -> None:
        path: Path = ("steps", at)
        for key in idle_keys(raw, kind):
            idle = f"does nothing in a step of the kind {kind.name}"
            self._doubts.add((*path, key), idle, "leave it out", on_key=True)
        if kind.at_once and "for_each" in raw:
            hint = "leave it out: by itself it looks at everything, once"
            self._report.add((*path, "for_each"), f"does not go with {kind.name}", hint, on_key=True)
        shared = self._shared(raw, path)
        plain, options = self._options(raw, kind, path)
        id_ = self._ids[at]
        if shared is None or id_ is None:
            return
        tasks = self._tasks(options, shared, id_=id_, path=path) if options is not None else ()
        plan = plan_step(shared, kind, id_=id_, options=plain, tasks=tasks, line=self._lines[at])
        if options is not None:
            self._steps.plans.append(plan)
            self._note_names(plan, options, kind, path)
        for text in self._texts(plan, options, kind, path):
            self._check(text, at)

    def _shared(self, raw: dict[str, Any], path: Path) -> SharedKeys | None:
        data = {key: value for key, value in raw.items() if key in SHARED}
        return self._validated(SharedKeys, data, path)

    def _options(self, raw: dict[str, Any], kind: Kind, path: Path) -> tuple[dict[str, Any], BaseModel | None]:
        report_unknown_beside(raw, kind, path, self._report)
        known = keys_of(kind)
        if kind.beside:
            data = {key: value for key, value in raw.items() if key not in SHARED and key in known}
            return data, self._validated(kind.options, data, path)
        path = (*path, kind.name)
        data = raw[kind.name]
        if not isinstance(data, dict):
            self._report.add(path, "must be a mapping", f"the keys are {', '.join(known)}")
            return {}, None
        report_shared_inside(data, kind, path, self._report)
        data = {key: value for key, value in data.items() if key in known or key not in SHARED}
        return data, self._validated(kind.options, data, path)

    def _validated(self, model: type[_Model], data: Any, path: Path) -> _Model | None:
        try:
            return model.model_validate(data)
        except ValidationError as exc:
            self._report.add_validation(exc, data=data, model=model, prefix=path)
            return None

    def _tasks(self, options: BaseModel, shared: SharedKeys, *, id_: str, path: Path) -> tuple[TaskPlan, ...]:
        keyed = shared.key is not None
        if isinstance(options, TaskDefaults):
            self._check_keyed(options, keyed=keyed, path=path)
        if isinstance(options, TaskOptions):
            return (plan_task(options, id_=id_, keyed=keyed),)
        if isinstance(options, ChecklistOptions):
            checklist = self._checklist(options.checklist, (*path, "checklist"))
            return self._tasks_of_list(options, checklist, id_=id_, keyed=keyed, path=path) if checklist else ()
        return ()

    def _tasks_of_list(
        self, options: ChecklistOptions, checklist: Checklist, *, id_: str, keyed: bool, path: Path
    ) -> tuple[TaskPlan, ...]:
        self._tasks_left -= len(checklist.items)
        if self._tasks_left < 0:
            self._report.add((*path, "checklist"), f"a routine has at most {MOST_TASKS:,} tasks from checklists")
            return ()
        return plan_checklist(options, checklist, step=id_, keyed=keyed)

    def _check_keyed(self, options: TaskDefaults, *, keyed: bool, path: Path) -> None:
        if keyed and options.expires in ("next", "due"):
            self._report.add((*path, "expires"), "a task with a key never expires", "leave it out")
        if not keyed and isinstance(options, TaskOptions) and options.closes_when_gone:
            self._report.add((*path, "closes_when_gone"), "needs for_each and key", "such as key: row.number")
        if not keyed and isinstance(options, TaskOptions) and options.again != 0:
            self._report.add((*path, "again"), "needs a key", "such as key: row.number")

    def _checklist(self, name: str, path: Path) -> Checklist | None:
        checklist = self._checklists.get(name)
        self._steps.checklists[name] = checklist
        if checklist is None:
            self._report.add(path, f"unknown checklist '{name}'", did_you_mean(name, self._checklists))
        elif checklist.problems:
            self._report.add(path, f"the checklist has mistakes ({checklist.file})")
        return checklist

    def _note_names(self, plan: StepPlan, options: BaseModel, kind: Kind, path: Path) -> None:
        self._steps.references.extend(of_options(plan, path, beside=kind.beside))
        if isinstance(options, TaskDefaults):
            self._steps.references.extend(of_people(options, path))
        if isinstance(options, ChecklistOptions):
            self._steps.references.extend(self._people_of_list(options.checklist, (*path, "checklist")))
        if plan.env:
            self._steps.secrets.extend(secrets_in(plan.env, (*path, "env")))
        self._steps.secrets.extend(secrets_in(options, path if kind.beside else (*path, kind.name)))
        for option in kind.verbatim:
            shell = plan.options.get(option)
            if isinstance(shell, str) and looks_like_template(shell):
                where = (*path, option) if kind.beside else (*path, kind.name, option)
                hint = "pass the value by env: and use it as a variable"
                self._doubts.add(where, "a shell string is never a template", hint)

    def _people_of_list(self, name: str, path: Path) -> Iterator[Reference]:
        checklist = self._checklists.get(name)
        for options in (checklist.defaults, *(item.options for item in checklist.items)) if checklist else ():
            for reference in of_people(options, ()):
                yield replace(reference, path=path)

    def _texts(self, plan: StepPlan, options: BaseModel | None, kind: Kind, path: Path) -> Iterator[StepText]:
        yield from texts_of(plan, path, beside=kind.beside, verbatim=kind.verbatim)
        if isinstance(options, TaskOptions):
            yield from expressions_of_task(options, path)
        if isinstance(options, ChecklistOptions):
            checklist = self._checklists.get(options.checklist)
            for item in checklist.items if checklist else ():
                for text in texts_of_item(item.options, path):
                    yield replace(text, path=(*path, "checklist"))

    def _check(self, text: StepText, at: int) -> None:
        if self._report.is_full():
            return
        if not self._allowance.covers(text):
            self._report.add(("steps",), TOO_MANY_TEXTS)
            return
        try:
            named = steps_named_in(text)
        except ExpressionError as exc:
            self._report.add(text.path, str(exc))
            return
        if named and None not in self._ids:
            for id_ in sorted(named):
                self._check_step_name(id_, text, at)

    def _check_step_name(self, id_: str, text: StepText, at: int) -> None:
        known = [own for own in self._ids if own]
        if id_ not in known:
            self._report.add(text.path, f"unknown step '{id_}'", did_you_mean(id_, known))
        elif not text.may_use_later and known.index(id_) > at - (not text.sees_own_step):
            self._report.add(text.path, f"the step '{id_}' has not run by then", "refer to a step above")
