"""The step kind `sample_rows`: a few rows of each, drawn so that the same week draws the same."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsrunner.steps.kind import InModule, Kind
from opsrunner.steps.source_options import SourceOptions


class Options(SourceOptions):
    """What stands in `sample_rows:`."""

    key: str = "ticket"
    """The column that names a row."""
    by: str = ""
    """The column of which each value has its share: `staff`."""
    at: str = Field(min_length=1)
    """The column that says when: `closed_at`."""
    period: Literal["week", "day", "month"] = "week"
    """Rows of the last such period that is over."""
    each: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 2
    """How many rows of each."""
    most: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 20
    """How many rows in all."""
    seed: str = ""
    """Another word draws other rows."""


def preview(options: Options) -> str:
    """Return what would be drawn."""
    each = f" of each {options.by}" if options.by else ""
    return f"draw {options.each} rows of {options.source}{each}, of the last {options.period}"


run = InModule("sample_rows_run")

KIND = Kind(
    name="sample_rows",
    summary="Draw a few rows of each, so that the same week draws the same.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
