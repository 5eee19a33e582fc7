"""The step kind `scorecard`: a desk's answers, month by month, against its contract."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from opsrunner.steps.fields import Seconds
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.source_options import TicketSourceOptions

Percent = Annotated[int, Field(ge=1, le=100, strict=True)]


class ContractOptions(StepOptions):
    """What the desk promised."""

    first: Seconds | None = None
    """From a ticket to its first answer."""
    solved: Seconds | None = None
    """From a ticket to its end, the time that it waited for the customer included."""
    within: Percent = 90
    """So many per cent of the tickets in time."""
    cover: Percent | None = None
    """So many per cent of the hours in which a ticket came had somebody who answered."""
    calendar: str = "business"
    """Whose working hours count; or `around the clock`."""

    @model_validator(mode="after")
    def _something(self) -> ContractOptions:
        if self.first is None and self.solved is None:
            raise ValueError("needs first, solved or both")
        return self


class Options(TicketSourceOptions):
    """What stands in `scorecard:`."""

    contract: ContractOptions
    """What was promised."""
    months: Annotated[int, Field(ge=1, le=24, strict=True)] = 3
    """How many months that are over."""
    fewest: Annotated[int, Field(ge=1, strict=True)] = 10
    """Fewer tickets in a month say nothing."""


def preview(options: Options) -> str:
    """Return what would be measured."""
    return f"measure the tickets of {options.source} over {options.months} months against the contract"


run = InModule("scorecard_run")

KIND = Kind(
    name="scorecard",
    summary="A desk's answers, month by month, against its contract.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
