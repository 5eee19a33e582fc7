"""Makes a task out of its plan: texts rendered once, cleaned and frozen. What they held is data from then on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from opsrunner.errors import ExpressionError
from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine, StepPlan, TaskPlan
from opsrunner.model.run import Run
from opsrunner.model.task import NewTask, TaskKind
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.business import due_moment
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, load_zone, to_utc
from opsrunner.templates.environments import render_text
from opsrunner.templates.expressions import evaluate
from opsrunner.templates.markdown import render_markdown

TITLE_LENGTH = 200
HOW_LENGTH = 20_000
LINK_LENGTH = 2_000
KEY_LENGTH = 300
STATE_LENGTH = 400
_NOT_IN_ADDRESSES = {ord(sign): quote(sign) for sign in ' "<>\\^`{|}'}


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A human step that opens its tasks."""

    run: Run
    routine: Routine
    plan: StepPlan
    context: Mapping[str, Any]
    at: datetime
    zone: str
    almanac: Almanac


@dataclass(frozen=True, kw_only=True)
class RowTurn:
    """One row of a step that runs for each row, or the only turn of one that does not."""

    row: Row
    key: str | None
    context: Mapping[str, Any]


def turns_of(opening: Opening) -> list[RowTurn]:
    """Return the step's turns. Raises ExpressionError where its rows are no list, or a key is empty."""
    plan = opening.plan
    if plan.for_each is None:
        row = opening.context.get("row")
        own = as_row(row) if row is not None else {}
        return [RowTurn(row=own, key=_key(plan, opening.context), context=opening.context)]
    rows = evaluate(plan.for_each, opening.context)
    if not isinstance(rows, list | tuple):
        raise ExpressionError(f"for_each: '{plan.for_each}' is no list of rows")
    turns: list[RowTurn] = []
    for item in rows:
        context = {**opening.context, "row": item}
        turns.append(RowTurn(row=as_row(item), key=_key(plan, context), context=context))
    return turns


def new_task(item: TaskPlan, turn: RowTurn, opening: Opening) -> NewTask:
    """Return the task that `item` becomes for one row. Raises ExpressionError."""
    approve = item.approve
    title = clean_line(render_text(item.title, turn.context), length=TITLE_LENGTH)
    return NewTask(
        kind=TaskKind.ROUTINE,
        run=opening.run.id,
        routine=opening.routine.id,
        step=opening.plan.id,
        item=item.id,
        key=turn.key,
        title=title or item.id,
        how=clean_text(render_markdown(item.how, turn.context, clean=clean_text, longest=HOW_LENGTH)),
        link=safe_link(render_text(item.link, turn.context)),
        group=clean_line(render_text(item.group, turn.context), length=TITLE_LENGTH),
        role=item.for_whom(opening.routine.accountable),
        due_at=_due_at(item, turn, opening),
        remind=item.remind,
        escalate=item.escalate,
        evidence_spec=item.evidence,
        done_when=item.done_when,
        closes_when_gone=item.closes_when_gone,
        not_by=_named(item.not_by, turn),
        expires=item.expires,
        wait=item.wait,
        approve_by=approve.by if approve else "",
        approve_not_self=approve.not_self if approve else False,
        rows=_approval_rows(item, turn),
        row=turn.row,
        opened_at=opening.at,
        opened_by=opening.run.actor or "opsrunner",
    )


def as_row(item: Any) -> Row:
    """Return a row as a plain mapping; a bare value becomes its one column `value`."""
    return dict(item) if isinstance(item, Mapping) else {"value": item}


def safe_link(text: str) -> str:
    """Return a web address of a sane length, or nothing: a link made of data may be a script.

    What no address may hold is written as RFC 3986 has it, so that no page, mail or Markdown has to escape it.
    """
    link = text.strip()
    fits = link.startswith(("https://", "http://")) and link == clean_line(link, length=LINK_LENGTH)
    return link.translate(_NOT_IN_ADDRESSES) if fits else ""


def state_words(row: Row) -> str:
    """Return a row in one line: `number 17, amount 12.5`."""
    words = ", ".join(f"{name} {value}" for name, value in row.items() if value not in (None, ""))
    return clean_line(words, length=STATE_LENGTH)


def _key(plan: StepPlan, context: Mapping[str, Any]) -> str | None:
    if plan.key is None:
        return None
    value = evaluate(plan.key, context)
    key = "" if value is None else clean_line(str(value), length=KEY_LENGTH)
    if not key:
        raise ExpressionError(f"key: '{plan.key}' is empty for {state_words(as_row(context.get('row')))}")
    return key


def _due_at(item: TaskPlan, turn: RowTurn, opening: Opening) -> datetime | None:
    if item.due is None:
        return None
    if item.due.row:
        return _moment_of(evaluate(item.due.row, turn.context), item.due.row, opening)
    return due_moment(item.due, opened_at=opening.at, zone=opening.zone, almanac=opening.almanac)


def _moment_of(value: Any, expression: str, opening: Opening) -> datetime | None:
    """Return the moment that a row has; a date lasts until its midnight. Raises ExpressionError for anything else."""
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, date) and not isinstance(value, datetime):
        return to_utc(value + ONE_DAY, MIDNIGHT, load_zone(opening.zone))
    raise ExpressionError(f"due: '{expression}' is no moment or date; declare it in the columns of its source")


def _named(expression: str | None, turn: RowTurn) -> str:
    """Return whom a row names, '' for nobody."""
    value = None if expression is None else evaluate(expression, turn.context)
    return "" if value is None else clean_line(str(value), length=TITLE_LENGTH)


def _approval_rows(item: TaskPlan, turn: RowTurn) -> tuple[Row, ...]:
    if item.approve is None:
        return ()
    rows = evaluate(item.approve.rows, turn.context)
    if not isinstance(rows, list | tuple):
        raise ExpressionError(f"approve: '{item.approve.rows}' is no list of rows")
    return tuple(as_row(row) for row in rows)
