"""The step kind `query`: typed rows out of a source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import cut, printable
from opsrunner.steps.ranking import Rank


class OnlyNew(StepOptions):
    """What stands in `only_new:`."""

    key: str = Field(min_length=1, description="Column that tells one row from all others, for good.")
    baseline: str | None = Field(
        default=None, min_length=1, description="Column of the group whose first look is a baseline."
    )


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
    only_new: OnlyNew | None = None
    """Of the rows, those that no earlier run has shown."""
    rank: Rank | None = None
    """Rows that name certain words come first."""

    @model_validator(mode="after")
    def _sql_or_where(self) -> Options:
        if self.sql is not None and self.where:
            raise ValueError("has sql and where; put the conditions into the SQL, with :name and params")
        if self.params and self.sql is None:
            raise ValueError("params are the values of sql, and there is no sql")
        return self


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
    if options.only_new is not None:
        parts.append(f"those whose {options.only_new.key} is new")
    if options.rank is not None:
        parts.append(f"first those that name {', '.join(options.rank.words)}")
    return cut(printable("; ".join(parts)))


run = InModule("query_run")

KIND = Kind(
    name="query",
    summary="Read typed rows out of a source.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    verbatim=frozenset({"sql"}),
)
