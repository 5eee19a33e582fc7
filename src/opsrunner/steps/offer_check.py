"""The step kind `offer_check`: the systems that a company offers, against the releases that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from opsrunner.steps.fields import Seconds
from opsrunner.steps.kind import InModule, Kind, StepOptions


class Options(StepOptions):
    """What stands in `offer_check:`."""

    source: str = Field(min_length=1)
    """A source of the site that lists what is offered."""
    column: str = Field(min_length=1)
    """The column that names the system: `Debian 12`, `Ubuntu 24.04 LTS`, `AlmaLinux 9`."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    """Which of its rows, as a query says it."""
    ends_within: Seconds = 180 * 86400
    """How long before the end of its security updates a system is told of."""


def preview(options: Options) -> str:
    """Return what would be looked at."""
    return f"compare column {options.column} of {options.source} with the releases that there are"


run = InModule("offer_check_run")

KIND = Kind(
    name="offer_check",
    summary="Compare the systems that you offer with the releases that there are: ended, ends soon, missing.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
