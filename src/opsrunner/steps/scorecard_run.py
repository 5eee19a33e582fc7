"""What the step kind `scorecard` does: a desk measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import ConfigurationError, StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.output import OutputSink
from opsrunner.steps.scorecard import Options
from opsrunner.steps.ticket_source import tickets_of
from opsrunner.support.sampling import months_before
from opsrunner.support.scorecard import Contract, Measure, Month, Verdict, month_of


def run(call: StepCall, means: Means) -> Outcome:
    """Measure. Raises StepFailed where the tickets cannot be read."""
    options: Options = call.options
    now = means.clock.now()
    tickets = tickets_of(options, call, means, now=now)
    periods = months_before(options.months, now=now, zone=ZoneInfo(means.timezone))
    contract = Contract(
        first_seconds=options.contract.first,
        solved_seconds=options.contract.solved,
        within_share=options.contract.within / 100,
        cover_share=options.contract.cover / 100 if options.contract.cover else None,
        fewest=options.fewest,
    )
    try:
        time = means.working_time(options.contract.calendar)
        months = [month_of(tickets, period, contract, time=time, now=now) for period in periods]
    except ConfigurationError as exc:
        raise StepFailed(exc.message, permanent=True) from exc
    return _outcome(months, call, means)


def _outcome(months: Sequence[Month], call: StepCall, means: Means) -> Outcome:
    rows = tuple(_row(month) for month in months)
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for row in rows:
            sink.write(f"{row['message']}\n".encode())
    finally:
        sink.close()
    newest = months[0]
    facts = {name: value for name, value in rows[0].items() if name != "message"}
    status = StepStatus.WARNING if newest.verdict is Verdict.TOO_FEW else StepStatus.SUCCEEDED
    return sink.judged(Outcome(status=status, message=str(rows[0]["message"]), rows=rows, facts=facts))


def _row(month: Month) -> Mapping[str, Any]:
    return {
        "month": month.period.name,
        "verdict": month.verdict.value,
        "tickets": month.tickets,
        "first_percent": _percent(month.first.share),
        "first_median_minutes": _minutes(month.first.median_seconds),
        "first_p90_minutes": _minutes(month.first.p90_seconds),
        "solved_percent": _percent(month.solved.share),
        "solved_median_minutes": _minutes(month.solved.median_seconds),
        "solved_p90_minutes": _minutes(month.solved.p90_seconds),
        "cover_percent": _percent(month.cover),
        "broken": ", ".join(month.broken),
        "message": _message(month),
    }


def _message(month: Month) -> str:
    """Return `2026-10 broken (first answer): 61 tickets, first answer in time 84 %, p90 95 min, …`."""
    broken = f" ({', '.join(month.broken)})" if month.broken else ""
    words = [
        f"{month.tickets} tickets",
        *_measured("first answer", month.first),
        *_measured("solved", month.solved),
        *([f"cover {_percent(month.cover)} %"] if month.cover is not None else []),
    ]
    return f"{month.period.name} {month.verdict.value}{broken}: {', '.join(words)}"


def _measured(name: str, measure: Measure) -> list[str]:
    if measure.share is None:
        return []
    return [f"{name} in time {_percent(measure.share)} %", f"p90 {_minutes(measure.p90_seconds)} min"]


def _percent(share: float | None) -> int | None:
    """Return whole per cent, rounded down: 89.9 % is not 90 %."""
    return None if share is None else int(share * 100 + 1e-9)


def _minutes(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds / 60)
