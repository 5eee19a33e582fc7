"""What the step kind `query` does: a source read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Row, SourceRows, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.new_rows import NewRows, pick_new
from opsrunner.steps.output import OutputSink
from opsrunner.steps.query import Options
from opsrunner.steps.ranking import ranked
from opsrunner.steps.suggestions import nearest

MOST_NAMED = 3

MOST_KEPT = 100
"""Problems that the outcome keeps of a source that was read in part."""


def run(call: StepCall, means: Means) -> Outcome:
    """Read the source. Raises StepFailed that names file, line and column of what is wrong."""
    options: Options = call.options
    source = means.sources.get(options.source)
    if source is None:
        hint = nearest(options.source, means.sources)
        raise StepFailed(f"there is no source '{options.source}'{hint}", permanent=True)
    read = means.read_source(source, _wanted(options, call, means))
    problems = read.problems if isinstance(read, SourceRows) else ()
    shown = pick_new(read, options.only_new, call, means) if options.only_new else None
    wanted = read if shown is None else shown.rows
    rows = _chosen(wanted, options)
    sink = _write(rows, call, means)
    if shown is not None:
        means.looked(shown.look(rows, call))
    outcome = _outcome(rows, options, shown=shown, problems=problems)
    if len(rows) < len(wanted):  # no fault, so no warning; but a row that does not come is not gone
        outcome = replace(outcome, facts={**outcome.facts, "truncated": True})
    return sink.judged(outcome)


def _wanted(options: Options, call: StepCall, means: Means) -> dict[str, Any]:
    """Return what the source is asked for; what is to be told from known rows, or ranked, is cut only afterwards.

    A `limit` asks for one row more than it shows, to see whether it leaves any out.
    """
    asked = options.model_dump(exclude={"source", "only_new", "rank"})
    if options.only_new is not None or options.rank is not None:
        asked["limit"] = None
    elif options.limit is not None:
        asked["limit"] = options.limit + 1
    return asked | {"timeout_seconds": call.timeout_seconds, "stopping": means.stopping}


def _chosen(rows: tuple[Row, ...], options: Options) -> tuple[Row, ...]:
    wanted = ranked(rows, options.rank) if options.rank is not None else rows
    return tuple(wanted[: options.limit])


def _outcome(rows: tuple[Row, ...], options: Options, *, shown: NewRows | None, problems: tuple[str, ...]) -> Outcome:
    """Return the end; parts of the source that could not be read make it a warning, and its rows not all there are."""
    noun = "row" if len(rows) == 1 else "rows"
    message = f"{len(rows)} {'new ' if shown else ''}{noun} from {options.source}"
    facts: dict[str, Any] = {"count": len(rows)}
    if shown is not None:
        message += f" ({shown.words})"
        facts |= {"known": shown.known, "baseline": shown.baseline}
    if not problems:
        return Outcome(status=StepStatus.SUCCEEDED, message=message, rows=rows, facts=facts)
    named = "; ".join(problems[:MOST_NAMED])
    more = f" and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
    return Outcome(
        status=StepStatus.WARNING,
        reason="partial",
        message=f"{message}; not read: {named}{more}",
        rows=rows,
        facts={**facts, "problems": list(problems[:MOST_KEPT]), "truncated": True},
    )


def _write(rows: tuple[Row, ...], call: StepCall, means: Means) -> OutputSink:
    """Keep the rows as lines of JSON, under the cap that all output has."""
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for row in rows:
            sink.write(json.dumps(row, ensure_ascii=False, default=_plain).encode(errors="replace") + b"\n")
    finally:
        sink.close()
    return sink


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
