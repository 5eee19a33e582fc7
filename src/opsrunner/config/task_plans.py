"""Turns the options of human steps and of checklist items into the tasks that they plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from opsrunner.config.checklist import Checklist
from opsrunner.model.routine import Approval, Escalation, EvidenceSpec, FormField, TaskPlan
from opsrunner.steps.checklist import ChecklistOptions
from opsrunner.steps.evidence import EvidenceOptions, FieldOptions, NumberEvidence
from opsrunner.steps.task import TaskDefaults, TaskOptions

Expires: TypeAlias = Literal["next", "due", "never"]


def plan_task(
    options: TaskOptions, *, id_: str, keyed: bool, defaults: Iterable[TaskDefaults] = (), group: str = ""
) -> TaskPlan:
    """Return the task of `options`; what it leaves out comes from the first of `defaults` that says it.

    A task with a key never expires.
    """
    layers = (options, *defaults)
    expires: Expires = _first(layers, "expires") or ("never" if keyed else "next")
    approve = options.approve
    return TaskPlan(
        id=id_,
        title=options.task,
        how=options.how,
        link=options.link,
        group=group,
        role=_first(layers, "role") or "",
        due=_first(layers, "due"),
        remind=_first(layers, "remind") or (),
        escalate=tuple(Escalation(after_seconds=rung.after, to=rung.to) for rung in _first(layers, "escalate") or ()),
        evidence=_evidence(options, defaults),
        done_when=options.done_when,
        closes_when_gone=options.closes_when_gone,
        again_seconds=options.again,
        not_by=options.not_by,
        expires=expires,
        wait=any(layer.wait for layer in layers),
        approve=Approval(rows=approve.rows, by=approve.by, not_self=approve.not_self) if approve else None,
    )


def plan_checklist(options: ChecklistOptions, checklist: Checklist, *, step: str, keyed: bool) -> tuple[TaskPlan, ...]:
    """Return the tasks of a list within `step`: what an item says wins over the step, the step over the list."""
    return tuple(
        plan_task(
            item.options,
            id_=f"{step}.{item.id}",
            keyed=keyed,
            defaults=(options, checklist.defaults),
            group=item.group,
        )
        for item in checklist.items
    )


def _first(layers: Iterable[TaskDefaults], name: str) -> Any:
    for layer in layers:
        value = getattr(layer, name)
        if value is not None:
            return value
    return None


def _evidence(options: TaskOptions, defaults: Iterable[TaskDefaults]) -> EvidenceSpec | None:
    """Return what the tick carries; what a list asks of all does not hold for items that the machine ticks."""
    if options.done_when is not None and options.evidence is None:
        return None
    wanted = _first((options, *defaults), "evidence")
    return _evidence_spec(wanted) if isinstance(wanted, EvidenceOptions) else None


def _evidence_spec(options: EvidenceOptions) -> EvidenceSpec:
    number = options.number
    named = number if isinstance(number, NumberEvidence) else None
    return EvidenceSpec(
        note=options.note,
        number=number.need if isinstance(number, NumberEvidence) else number,
        number_name=named.name if named else "",
        minimum=named.minimum if named else None,
        maximum=named.maximum if named else None,
        choice=options.choice,
        file=options.file,
        form=tuple(_field(name, one) for name, one in options.form.items()),
    )


def _field(name: str, options: str | FieldOptions) -> FormField:
    if not isinstance(options, FieldOptions):
        return FormField(name=name, kind="text", need="required" if options == "required" else "optional")
    if options.number is None:
        return FormField(name=name, kind="choice", need=options.need, choice=options.choice)
    low, high = options.number
    return FormField(name=name, kind="number", need=options.need, minimum=low, maximum=high)
