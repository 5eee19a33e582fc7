"""What the step kind `ticket_clocks` does: one look at all tickets."""

from __future__ import annotations

import json
from datetime import datetime

from opsrunner.errors import ConfigurationError, StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.ticket import TicketLook
from opsrunner.schedules.working_time import AROUND_THE_CLOCK, WorkingTime
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.output import OutputSink, printable
from opsrunner.steps.source_options import SourceOptions
from opsrunner.steps.source_rows import read_rows
from opsrunner.steps.ticket_clocks import Options
from opsrunner.steps.ticket_source import tickets_of
from opsrunner.support.clocks import Clocks, Promise, Promises, Stand
from opsrunner.support.looking import Looked, look
from opsrunner.support.tickets import weights_by_customer

MOST_ROWS = 2_000


def run(call: StepCall, means: Means) -> Outcome:
    """Look at all tickets once. Raises StepFailed where they cannot be read."""
    options: Options = call.options
    now = means.clock.now()
    tickets = tickets_of(options, call, means, now=now, weights=_weights(options, call, means))
    known = means.tickets(call.routine, call.step)
    promises = promises_of(options)
    try:
        clocks = Clocks(promises, times=_times(options, means), calendar=options.calendar, now=now)
        looked = look(tickets, known, clocks, promises, now=now, most_first=options.most_first)
    except ConfigurationError as exc:
        raise StepFailed(exc.message, permanent=True) from exc
    means.looked_at_tickets(_told(looked, call, options, now=now))
    return _outcome(looked, call, means, read=len(tickets), now=now)


def promises_of(options: Options) -> Promises:
    """Return what is promised."""
    is_share = isinstance(options.warn, float)
    return Promises(
        by_priority={name: Promise(**target.model_dump()) for name, target in options.targets.items()},
        factors=dict(options.weight),
        untouched_seconds=options.untouched,
        warn_share=float(options.warn) if is_share else None,
        warn_seconds=0.0 if is_share else float(options.warn),
    )


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
