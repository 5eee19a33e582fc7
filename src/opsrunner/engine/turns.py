"""One automated step: its turns over rows, its tries, its verdict. Knows nothing of the ledger."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from opsrunner.clock import Clock
from opsrunner.errors import ExpressionError, OpsrunnerError, StepFailed
from opsrunner.model.backup import CopyNote
from opsrunner.model.finding import Audited
from opsrunner.model.look import Look
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Attempt, Outcome, Part, Row, StepStatus, worst
from opsrunner.model.routine import StepPlan
from opsrunner.model.ticket import TicketLook
from opsrunner.notices.reporting import NoticeReport
from opsrunner.records import dataclass
from opsrunner.steps.base import Stopping
from opsrunner.templates.environments import render_text
from opsrunner.templates.expressions import evaluate, names_in
from opsrunner.templates.views import outcome_view

KEY_COLUMNS = ("key", "id", "number", "name", "host")
LONGEST_MESSAGE = 600
MOST_NAMED = 5
SHOWN_COLUMNS = 3
FIGURE = re.compile(r"-?[\d.,]+")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a step: for one row, or the only one."""

    number: int
    key: str = ""
    row: Row | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    once: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What turns need of the outside."""

    clock: Clock
    stopping: Stopping
    attempt: Callable[[Turn], tuple[Outcome, Sequence[NewMail]]]
    """Do the step's work once for a turn; raises StepFailed."""
    begin_act: Callable[[str], bool]
    """Record an outward act before it starts; False where it was begun before."""
    is_mailed: Callable[[str], bool]
    """Tell whether a mail with that unique word was queued before."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """The end of a step, with the mails to queue in the same transaction."""

    outcome: Outcome
    is_of_all_rows: bool = True
    """The rows that it went through are all there are: nobody knows of others that they are mended, or gone."""
    mails: tuple[NewMail, ...] = ()
    notes: tuple[CopyNote, ...] = ()
    """What the step found out about copies, in every try of it."""
    audits: tuple[Audited, ...] = ()
    """What the step found on hosts, in every try of it."""
    ticket_looks: tuple[TicketLook, ...] = ()
    """How the step found tickets, in every try of it."""
    looks: tuple[Look, ...] = ()
    """The rows that the step has shown, in every try of it."""
    notices: tuple[NoticeReport, ...] = ()
    """What a notice came to, in the last try of it."""


def run_step(plan: StepPlan, *, context: Mapping[str, Any], tools: Tools) -> Done:
    """Run an automated step to its end: `when`, `for_each`, tries, `warn_if` and `fail_if`. Never raises ours."""
    try:
        if plan.when is not None and not evaluate(plan.when, context):
            return Done(outcome=Outcome(status=StepStatus.SKIPPED, reason="when", message=f"not now: {plan.when}"))
        turns = _turns(plan, context)
    except OpsrunnerError as exc:
        return Done(outcome=Outcome(status=StepStatus.FAILED, reason="expression", message=str(exc)))
    if plan.for_each is None:
        return _one_turn(plan, turns[0], tools)
    if not turns:
        return Done(outcome=Outcome(status=StepStatus.SKIPPED, reason="no_rows", message="no rows", facts={"count": 0}))
    return _together(
        turns, [_not_begun() if tools.stopping.is_set() else _one_turn(plan, turn, tools) for turn in turns]
    )


def _not_begun() -> Done:
    facts = {"begun": False}
    return Done(outcome=Outcome(status=StepStatus.INTERRUPTED, reason="interrupted", message="not begun", facts=facts))


def _turns(plan: StepPlan, context: Mapping[str, Any]) -> list[Turn]:
    if plan.for_each is None:
        return [Turn(number=0, context=context, once=_once(plan, context))]
    rows = evaluate(plan.for_each, context)
    if not isinstance(rows, list | tuple):
        raise ExpressionError(f"for_each: {plan.for_each} is not a list of rows")
    turns: list[Turn] = []
    for number, item in enumerate(rows):
        row = item if isinstance(item, Mapping) else {"value": item}
        own = {**context, "row": row}
        turns.append(Turn(number=number, key=row_key(plan, row, own), row=row, context=own, once=_once(plan, own)))
    return turns


def row_key(plan: StepPlan, row: Row, context: Mapping[str, Any]) -> str:
    """Return what a row is about: the step's `key`, else the first column that names things, else its values."""
    if plan.key is not None:
        return str(evaluate(plan.key, context))
    for column in KEY_COLUMNS:
        if row.get(column) not in (None, ""):
            return str(row[column])
    return " ".join(str(value) for value in row.values())[:80]


def _once(plan: StepPlan, context: Mapping[str, Any]) -> str | None:
    return None if plan.once is None else render_text(plan.once, context)


def _one_turn(plan: StepPlan, turn: Turn, tools: Tools) -> Done:
    """Try a turn until it succeeds, cannot, or has no tries left. An act that is `once` has one try."""
    is_queued_mail = plan.kind == "email"
    if turn.once and not is_queued_mail and not tools.begin_act(turn.once):
        return Done(outcome=Outcome(status=StepStatus.SKIPPED, reason="once", message=f"done before: {turn.once}"))
    attempts: list[Attempt] = []
    most = 1 if turn.once and not is_queued_mail else 1 + plan.retry.times
    for number in range(1, most + 1):
        started_at, started = tools.clock.now(), tools.clock.monotonic()
        outcome, mails, permanent = _one_try(plan, turn, tools)
        if most > 1:  # a single try is the outcome itself
            attempts.append(_attempt(number, outcome, started_at, tools.clock.monotonic() - started))
        if not _try_again(outcome, permanent=permanent, plan=plan) or number == most:
            break
        if tools.stopping.wait(plan.retry.wait_seconds):
            break
    if turn.once and is_queued_mail:
        mails = tuple(dataclasses.replace(mail, unique=f"once {turn.once} {mail.to}") for mail in mails)
        if mails and all(tools.is_mailed(mail.unique or "") for mail in mails):
            before = f"mailed before: {turn.once}"
            return Done(outcome=Outcome(status=StepStatus.SKIPPED, reason="once", message=before))
    if len(attempts) > 1:
        outcome = dataclasses.replace(outcome, attempts=tuple(attempts))
    return Done(outcome=outcome, mails=() if outcome.status.is_bad else mails)


def _attempt(number: int, outcome: Outcome, started_at: datetime, seconds: float) -> Attempt:
    return Attempt(
        number=number,
        status=outcome.status,
        message=outcome.message,
        started_at=started_at,
        seconds=round(seconds, 3),
    )


def _try_again(outcome: Outcome, *, permanent: bool, plan: StepPlan) -> bool:
    if permanent or not outcome.status.is_bad:
        return False
    return outcome.status is not StepStatus.UNKNOWN or plan.after_crash == "rerun"


def _one_try(plan: StepPlan, turn: Turn, tools: Tools) -> tuple[Outcome, tuple[NewMail, ...], bool]:
    try:
        outcome, mails = tools.attempt(turn)
        return _judged(plan, turn, outcome), tuple(mails), False
    except StepFailed as exc:
        message = str(exc)[:LONGEST_MESSAGE]
        failed = Outcome(status=StepStatus(exc.status), reason=exc.status, message=message, facts=exc.facts)
        return failed, (), exc.permanent
    except OpsrunnerError as exc:
        return Outcome(status=StepStatus.FAILED, reason="error", message=str(exc)[:LONGEST_MESSAGE]), (), True


def _judged(plan: StepPlan, turn: Turn, outcome: Outcome) -> Outcome:
    """Apply `fail_if` and `warn_if` to what a try answered; where it ended badly, to the rows of its other parts."""
    for expression, status in ((plan.fail_if, StepStatus.FAILED), (plan.warn_if, StepStatus.WARNING)):
        if expression is None or (outcome.ended_badly and not _is_of_parts(expression, turn, outcome)):
            continue
        found, unanswered = _matching(expression, turn, outcome)
        if unanswered:
            outcome = _left_open(outcome, unanswered)
        if found is not None:
            return _marked(outcome, found, expression=expression, status=status)
    return outcome


def _is_of_parts(expression: str, turn: Turn, outcome: Outcome) -> bool:
    """Tell whether an expression judges the rows of parts, each by itself, whatever became of the other parts."""
    return bool(outcome.parts) and turn.row is None and "row" in names_in(expression)


def _matching(expression: str, turn: Turn, outcome: Outcome) -> tuple[list[Row] | None, dict[str, str]]:
    """Return the rows for which an expression is true ([] for the whole step), or None where it is false.

    Beside them, of a step that ended badly already, the hosts of which it cannot be answered, and why: what is known of
    the others is not thrown away for that. Raises ExpressionError for any other step.
    """
    view = outcome_view(outcome)
    context = {**turn.context, "result": view, "rows": view["rows"]}
    if turn.row is not None or "row" not in names_in(expression):
        return ([] if evaluate(expression, context) else None), {}
    found: list[Row] = []
    unanswered: dict[str, str] = {}
    for row in outcome.rows:
        try:
            if evaluate(expression, {**context, "row": row}):
                found.append(row)
        except ExpressionError as exc:
            if not outcome.ended_badly:
                raise
            unanswered.setdefault(str(row.get("host", "")), str(exc))
    return found or None, unanswered


def _left_open(outcome: Outcome, unanswered: Mapping[str, str]) -> Outcome:
    """Return the failure of an end whose rows cannot all be judged: a host that nobody could judge is not fine."""
    host, problem = next(iter(unanswered.items()))
    more = f" and {len(unanswered) - 1} more" if len(unanswered) > 1 else ""
    return _with(outcome, unanswered, f"{host}{more}: {problem}", status=StepStatus.FAILED, reason="failed")


def _marked(outcome: Outcome, found: list[Row], *, expression: str, status: StepStatus) -> Outcome:
    word = "fails" if status is StepStatus.FAILED else "look"
    hosts = {str(row["host"]): expression for row in found if "host" in row}
    named = "; ".join(_short(row) for row in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    message = f"{word}: {named}{more}" if found else f"{word}: {expression}"
    reason = "fail_if" if status is StepStatus.FAILED else "warn_if"
    if outcome.ended_badly:  # not by the expression alone
        reason = status.value
    return _with(outcome, hosts, message, status=status, reason=reason)


def _with(outcome: Outcome, said: Mapping[str, str], message: str, *, status: StepStatus, reason: str) -> Outcome:
    """Return an end that is no better than `status`, with a message more, and with what is `said` of some hosts.

    Where it had ended badly before, it keeps its own reason.
    """
    parts = tuple(
        dataclasses.replace(part, status=worst([part.status, status]), message=part.message or said[part.key])
        if part.key in said
        else part
        for part in outcome.parts
    )
    return dataclasses.replace(
        outcome,
        status=worst([outcome.status, status]),
        reason=(outcome.reason if outcome.ended_badly else "") or reason,
        message="; ".join(filter(None, (outcome.message, message)))[:LONGEST_MESSAGE],
        parts=parts,
    )


def _short(row: Row) -> str:
    """Return a row in a few words: its column `message`, else what its first columns say; a figure has a name."""
    if row.get("message"):
        return str(row["message"])[:120]
    shown = [(name, str(value)) for name, value in row.items() if value not in (None, "")][:SHOWN_COLUMNS]
    told = [_told(name, value) for name, value in shown]
    plain = [value for _, value in shown]
    return (" " if told == plain else ", ").join(told)[:60]


def _told(name: str, value: str) -> str:
    return f"{name.replace('_', ' ')} {value}" if name != "line" and FIGURE.fullmatch(value) else value


def _together(turns: Sequence[Turn], ends: Sequence[Done]) -> Done:
    """Return one end for all turns: a part for each row, the worst status, all rows."""
    parts = tuple(
        Part(key=turn.key, status=end.outcome.status, message=end.outcome.message, facts=end.outcome.facts)
        for turn, end in zip(turns, ends, strict=True)
    )
    bad = [part for part in parts if part.status.is_bad]
    fine = sum(part.status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED) for part in parts)
    named = "; ".join(f"{part.key}: {part.message}" for part in (bad or ())[:MOST_NAMED])
    message = f"{fine} of {len(parts)} fine" + (f"; {named}" if named else "")
    status = worst([part.status for part in parts])
    outcome = Outcome(
        status=status,
        reason="once" if status is StepStatus.SKIPPED else "",
        message=message[:LONGEST_MESSAGE],
        rows=tuple(row for end in ends for row in end.outcome.rows),
        facts={"count": len(parts), "fine": fine, "failed": len(bad)},
        parts=parts,
    )
    return Done(outcome=outcome, mails=tuple(mail for end in ends for mail in end.mails))
