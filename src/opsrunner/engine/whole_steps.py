"""Which steps have told all there is: of the others, what does not come proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsrunner.model.routine import Routine, StepPlan
from opsrunner.templates.expressions import step_references

_ENDED_WELL = frozenset({"succeeded", "warning"})
_JUDGED_BAD = ("failed", "fail_if")
"""It did all its work, and an expression found fault with what came of it."""
_HAD_NO_ROWS = ("skipped", "no_rows")
_CUT_THEIR_LOG = frozenset({"run", "ssh"})
"""The kinds whose `truncated` tells of the log that is kept: their rows are of all that was said, or they fail."""
_END = frozenset({"status", "reason", "message"})


def whole_steps(routine: Routine, context: Mapping[str, Any]) -> frozenset[str]:
    """Return the steps whose rows and figures are all there is.

    Such a step ended well, or failed by its `fail_if` alone; nothing was cut or left out; and the steps that its own
    `for_each` names are whole.
    """
    return frozenset(name for name, _, is_whole in _looked_at(routine, context) if is_whole)


def goes_through_all(routine: Routine, plan: StepPlan, context: Mapping[str, Any]) -> bool:
    """Tell whether every step that a step's rows come from told all: rows that are missing prove nothing else."""
    return plan.for_each is None or step_references(plan.for_each) <= whole_steps(routine, context)


def with_what_is_known(routine: Routine, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `context` in which a step that is not whole has only what is known of it all the same.

    That is how it ended, how each of its parts ended, and the figures of one that has no parts (an exit code). Its
    rows are not there: an expression that needs them cannot be answered. The one row of a query with `limit: 1` is.
    """
    steps = context.get("steps", {})
    plans = {plan.id: plan for plan in routine.steps}
    known = {
        name: steps[name]
        if is_whole or (has_all_turns and _is_the_first(plans.get(name), steps[name]))
        else _known(plans.get(name), steps[name], has_all_turns=has_all_turns)
        for name, has_all_turns, is_whole in _looked_at(routine, context)
    }
    return {**context, "steps": known}


def _looked_at(routine: Routine, context: Mapping[str, Any]) -> Iterator[tuple[str, bool, bool]]:
    """Yield each step that has ended, whether the rows that it went through were all, and whether it is whole."""
    order = {plan.id: position for position, plan in enumerate(routine.steps)}
    plans = {plan.id: plan for plan in routine.steps}
    steps, whole = context.get("steps", {}), set[str]()
    for name in sorted(steps, key=lambda one: order.get(one, -1)):  # rows come from steps before
        plan, view = plans.get(name), steps[name]
        has_all_turns = plan is None or plan.for_each is None or step_references(plan.for_each) <= whole
        is_cut = _is_cut(view) and (plan is None or plan.kind not in _CUT_THEIR_LOG)
        is_whole = has_all_turns and not is_cut and _ended_with_all(view)
        if is_whole:
            whole.add(name)
        yield name, has_all_turns, is_whole


def _is_cut(view: Mapping[str, Any]) -> bool:
    """Tell whether something was left out, by the step or by one of its turns."""
    return any(one.get("truncated") for one in (view, *view.get("parts", ())))


def _ended_with_all(view: Mapping[str, Any]) -> bool:
    end = (view.get("status"), view.get("reason"))
    return end[0] in _ENDED_WELL or end in (_JUDGED_BAD, _HAD_NO_ROWS)


def _is_the_first(plan: StepPlan | None, view: Mapping[str, Any]) -> bool:
    """Tell whether a query gave the one row that it asked for: `limit: 1` asks for the newest, and not for a list."""
    if plan is None or plan.kind != "query" or plan.options.get("limit") != 1:
        return False
    return _ended_with_all(view) and not any("problems" in one for one in (view, *view.get("parts", ())))


def _known(plan: StepPlan | None, view: Mapping[str, Any], *, has_all_turns: bool) -> dict[str, Any]:
    left_out = {"rows", "parts"}
    is_cut_query = plan is not None and plan.kind == "query" and _is_cut(view)
    if not has_all_turns or view.get("parts") or view.get("reason") == "partial" or is_cut_query:
        left_out = set(view) - _END  # its figures count what was reached
    if has_all_turns and view.get("parts"):
        left_out -= {"parts"}
    return {name: value for name, value in view.items() if name not in left_out}
