"""What the step kind `sample_rows` does: rows drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.output import OutputSink, printable
from opsrunner.steps.sample_rows import Options
from opsrunner.steps.source_rows import read_rows, require_columns
from opsrunner.support.sampling import Period, draw, last_period

NOBODY = "nobody"


def run(call: StepCall, means: Means) -> Outcome:
    """Draw. Raises StepFailed where the source cannot be read or lacks a column."""
    options: Options = call.options
    key, by, at = (options.columns.get(name, name) for name in (options.key, options.by, options.at))
    rows = read_rows(options, call, means)
    require_columns(rows, tuple(name for name in (key, by, at) if name), source=options.source)
    period = last_period(options.period, now=_now(call, means), zone=ZoneInfo(means.timezone))
    there = [row for row in rows if _is_in(row[at], period, column=at, source=options.source)]
    drawn = draw(
        there,
        key=lambda row: str(row[key]),
        stratum=lambda row: _stratum(row, by),
        seed=f"{call.routine}/{call.step}/{period.name}/{options.seed}",
        each=options.each,
        most=options.most,
    )
    return _outcome(drawn, there, call, means, by=by, period=period)


def _now(call: StepCall, means: Means) -> datetime:
    """Return the moment whose last period is meant: when the run was due, which catching up does not change."""
    run_ = call.context.get("run")
    due = run_.get("due") if isinstance(run_, Mapping) else None
    return due if isinstance(due, datetime) else means.clock.now()


def _is_in(value: object, period: Period, *, column: str, source: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, datetime) or value.tzinfo is None:
        advice = f'declare it in the source: columns: {{{column}: "moment?"}}'
        raise StepFailed(f"{source}: '{column}' is no moment; {advice}", permanent=True)
    return period.holds(value)


def _stratum(row: Row, by: str) -> str:
    return (" ".join(str(row[by] or "").split()) or NOBODY) if by else ""


def _outcome(
    drawn: list[tuple[str, Row]], there: list[Row], call: StepCall, means: Means, *, by: str, period: Period
) -> Outcome:
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for _, row in drawn:
            line = ", ".join(f"{name} {value}" for name, value in row.items() if value not in (None, ""))
            sink.write(f"{printable(line)}\n".encode("utf-8", "replace"))
    finally:
        sink.close()
    shares = {_stratum(row, by) for row in there}
    among = f", of {len(shares)} by {by}" if by else ""
    message = f"{len(drawn)} of {len(there)} rows of {period.name}{among}"
    return sink.judged(
        Outcome(
            status=StepStatus.SUCCEEDED if drawn else StepStatus.WARNING,
            message=message if drawn else f"no row in {period.name}: there is nothing to draw from",
            rows=tuple({**row, "period": period.name} for _, row in drawn),
            facts={"count": len(drawn), "rows_there": len(there), "shares": len(shares), "period": period.name},
        )
    )
