"""The step kind `query`: typed rows out of a source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import Field, model_validator

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps.base import Kind, Means, StepCall, StepOptions
from opsrunner.steps.output import OutputSink, cut, printable
from opsrunner.steps.suggestions import nearest


class Options(StepOptions):
    """What stands in `query:`."""

    source: str = Field(min_length=1)
    """Name of a source of the site."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    """Column → value, null, list of values, or {not, before, after, below, above, at_least, at_most: …}."""
    sql: str | None = Field(default=None, min_length=1)
    """For sources that speak SQL; values reach it through `params` only."""
    params: Mapping[str, str | bool | int | float | None] = Field(default_factory=dict)
    order_by: str | tuple[str, ...] = ()
    """Column, or several; `-` in front sorts downwards."""
    limit: Annotated[int, Field(ge=1, strict=True)] | None = None

    @model_validator(mode="after")
    def _sql_or_where(self) -> Options:
        if self.sql is not None and self.where:
            raise ValueError("has sql and where; put the conditions into the SQL, with :name and params")
        if self.params and self.sql is None:
            raise ValueError("params are the values of sql, and there is no sql")
        return self


def run(call: StepCall, means: Means) -> Outcome:
    """Read the source. Raises StepFailed that names file, line and column of what is wrong."""
    options: Options = call.options
    source = means.sources.get(options.source)
    if source is None:
        hint = nearest(options.source, means.sources)
        raise StepFailed(f"there is no source '{options.source}'{hint}", permanent=True)
    wanted = options.model_dump(exclude={"source"}) | {"timeout_seconds": call.timeout_seconds}
    rows = means.read_source(source, wanted)
    sink = _write(rows, call, means)
    noun = "row" if len(rows) == 1 else "rows"
    message = f"{len(rows)} {noun} from {options.source}"
    return sink.judged(Outcome(status=StepStatus.SUCCEEDED, message=message, rows=rows, facts={"count": len(rows)}))


def preview(options: Options) -> str:
    """Return the query as one line."""
    parts = [options.source]
    if options.sql is not None:
        parts.append(" ".join(options.sql.split()))
    if options.where:
        parts.append("where " + json.dumps(options.where, ensure_ascii=False, default=str))
    if options.order_by:
        by = (options.order_by,) if isinstance(options.order_by, str) else options.order_by
        parts.append(f"ordered by {', '.join(by)}")
    if options.limit is not None:
        parts.append(f"at most {options.limit}")
    return cut(printable("; ".join(parts)))


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


KIND = Kind(
    name="query",
    summary="Read typed rows out of a source.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    verbatim=frozenset({"sql"}),
)
