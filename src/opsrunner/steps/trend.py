"""The step kind `trend`: what comes up how often, week by week, against what is usual."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from opsrunner.steps.fields import one_or_many
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.source_options import SourceOptions


class CountedOptions(SourceOptions):
    """One source whose rows are counted."""

    by: str = ""
    """The column that names the category; without it all rows are of one, `called`."""
    at: str = Field(min_length=1)
    """The column that says when."""
    called: str = ""
    """What stands before the category: `Order by hand`."""


class RisingOptions(StepOptions):
    """From when on a category is said to rise."""

    percent: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 50
    at_least: Annotated[int, Field(ge=1, strict=True)] = 3


class Options(StepOptions):
    """What stands in `trend:`."""

    of: Annotated[
        tuple[CountedOptions, ...],
        BeforeValidator(one_or_many, json_schema_input_type=CountedOptions | tuple[CountedOptions, ...]),
        Field(min_length=1),
    ]
    """What is counted, from one source or several."""
    weeks: Annotated[int, Field(ge=2, le=104, strict=True)] = 13
    """How many weeks are looked at; 13 are 91 days."""
    at_least: Annotated[int, Field(ge=1, strict=True)] = 12
    """So many of a category in all these weeks are frequent."""
    rising: RisingOptions = RisingOptions()
    """So much more than usual in the last week, and at least so many, are rising."""


def preview(options: Options) -> str:
    """Return what would be counted."""
    told = ", ".join(f"{one.source} by {one.by}" if one.by else one.source for one in options.of)
    return f"count {told} over {options.weeks} weeks"


run = InModule("trend_run")

KIND = Kind(
    name="trend",
    summary="What comes up how often, week by week, against what is usual.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
