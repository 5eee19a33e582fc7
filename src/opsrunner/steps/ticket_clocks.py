"""The step kind `ticket_clocks`: three clocks for each ticket, against what its customer was promised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from opsrunner.errors import ConfigurationError, StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.ticket import TicketLook
from opsrunner.schedules.parsing import parse_duration
from opsrunner.schedules.working_time import AROUND_THE_CLOCK, WorkingTime
from opsrunner.steps.base import Kind, Means, StepCall, StepOptions
from opsrunner.steps.fields import Seconds
from opsrunner.steps.output import OutputSink, printable
from opsrunner.steps.source_rows import SourceOptions, read_rows
from opsrunner.steps.ticket_source import TicketSourceOptions, tickets_of
from opsrunner.support.clocks import Clocks, Promise, Promises, Stand
from opsrunner.support.looking import Looked, look
from opsrunner.support.tickets import weights_by_customer

MOST_ROWS = 2_000
MOST_FIRST = 10


def _read_warn(value: object) -> float | int:
    """Return `25%` as a share, a duration in whole seconds. Raises ValueError."""
    text = value.strip() if isinstance(value, str) else ""
    figures = text.removesuffix("%").strip()
    if text.endswith("%") and figures.isdecimal() and 0 < int(figures) < 100:
        return int(figures) / 100
    if not text or text.endswith("%"):
        raise ValueError("must be a share such as 25% or a duration such as 30m")
    return parse_duration(text)


Warn: TypeAlias = Annotated[
    float | int, PlainValidator(_read_warn), WithJsonSchema({"type": "string", "examples": ["25%", "30m"]})
]


class TargetOptions(StepOptions):
    """What tickets of one priority are promised."""

    first: Seconds | None = None
    next: Seconds | None = None
    solved: Seconds | None = None
    calendar: str = ""

    @model_validator(mode="after")
    def _something(self) -> TargetOptions:
        if self.first is None and self.next is None and self.solved is None:
            raise ValueError("needs at least one of first, next and solved")
        return self


class Options(TicketSourceOptions):
    """What stands in `ticket_clocks:`."""

    calendar: str = "business"
    """Whose working hours count; or `around the clock`."""
    targets: Mapping[str, TargetOptions] = Field(default_factory=dict)
    """By the column `priority`; those without targets of their own have those of `normal`."""
    weight: Mapping[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0, le=10)]] = Field(default_factory=dict)
    """What the targets of a customer of that weight, or a higher one, are multiplied by."""
    customers: str = ""
    """A source with the columns customer and weight."""
    untouched: Seconds | None = None
    """How long a ticket that waits for us may lie, day and night."""
    warn: Warn = 0.25
    """How long before its end a clock warns."""
    most_first: Annotated[int, Field(ge=0, strict=True)] = MOST_FIRST
    """How many tickets that are over already become rows of their own at the very first look."""

    @field_validator("targets")
    @classmethod
    def _small_letters(cls, value: Mapping[str, TargetOptions]) -> Mapping[str, TargetOptions]:
        return {name.casefold(): target for name, target in value.items()}

    @model_validator(mode="after")
    def _promises_something(self) -> Options:
        if not self.targets and self.untouched is None:
            raise ValueError("promises nothing: it needs targets, untouched or both")
        return self

    def promises(self) -> Promises:
        """Return what is promised."""
        is_share = isinstance(self.warn, float)
        return Promises(
            by_priority={name: Promise(**target.model_dump()) for name, target in self.targets.items()},
            factors=dict(self.weight),
            untouched_seconds=self.untouched,
            warn_share=float(self.warn) if is_share else None,
            warn_seconds=0.0 if is_share else float(self.warn),
        )


def run(call: StepCall, means: Means) -> Outcome:
    """Look at all tickets once. Raises StepFailed where they cannot be read."""
    options: Options = call.options
    now = means.clock.now()
    tickets = tickets_of(options, call, means, now=now, weights=_weights(options, call, means))
    known = means.tickets(call.routine, call.step)
    promises = options.promises()
    try:
        clocks = Clocks(promises, times=_times(options, means), calendar=options.calendar, now=now)
        looked = look(tickets, known, clocks, promises, now=now, most_first=options.most_first)
    except ConfigurationError as exc:
        raise StepFailed(exc.message, permanent=True) from exc
    means.looked_at_tickets(_told(looked, call, options, now=now))
    return _outcome(looked, call, means, read=len(tickets), now=now)


def _weights(options: Options, call: StepCall, means: Means) -> dict[str, float]:
    if not options.customers:
        return {}
    rows = read_rows(SourceOptions(source=options.customers), call, means)
    return dict(weights_by_customer(rows, source=options.customers))


def _times(options: Options, means: Means) -> dict[str, WorkingTime]:
    named = {options.calendar, *(target.calendar for target in options.targets.values() if target.calendar)}
    return {name: means.working_time(name) for name in {*named, AROUND_THE_CLOCK}}


def _told(looked: Looked, call: StepCall, options: Options, *, now: datetime) -> TicketLook:
    oldest = looked.oldest
    return TicketLook(
        routine=call.routine,
        step=call.step,
        at=now,
        source=options.source,
        changed=looked.changed,
        ours=looked.ours,
        theirs=looked.theirs,
        over=len({one.ticket.id for one in looked.wanting if one.stand is Stand.BREACH}),
        oldest=oldest.ticket if oldest else "",
        oldest_at=(oldest.asked_at or oldest.began_at) if oldest else None,
    )


def _outcome(looked: Looked, call: StepCall, means: Means, *, read: int, now: datetime) -> Outcome:
    rows = looked.rows(now)
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for row in rows:
            sink.write(json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n")
    finally:
        sink.close()
    over, soon = looked.count(Stand.BREACH), looked.count(Stand.WARN)
    words = [f"{looked.ours} of {read} tickets wait for us", f"{over} over their time", f"{soon} soon"]
    words += [f"{len(looked.backlog)} more over since before the first look"] if looked.backlog else []
    if looked.unpromised:
        words.append(f"nothing is promised for {printable(', '.join(looked.unpromised[:5]))}")
    oldest = looked.oldest
    return sink.judged(
        Outcome(
            status=StepStatus.WARNING if looked.unpromised else StepStatus.SUCCEEDED,
            message="; ".join(words),
            rows=rows[:MOST_ROWS],
            facts={
                "tickets": read,
                "ours": looked.ours,
                "theirs": looked.theirs,
                "breach": over,
                "warn": soon,
                "backlog": len(looked.backlog),
                "oldest": oldest.ticket if oldest else None,
                "oldest_at": (oldest.asked_at or oldest.began_at) if oldest else None,
                "rows_left_out": max(0, len(rows) - MOST_ROWS),
                "truncated": over + soon > MOST_ROWS,
            },
        )
    )


def preview(options: Options) -> str:
    """Return what would be looked at."""
    return f"look at the clocks of the tickets of {options.source}"


KIND = Kind(
    name="ticket_clocks",
    summary="Three clocks for each ticket against what was promised: first answer, next answer, solved.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
