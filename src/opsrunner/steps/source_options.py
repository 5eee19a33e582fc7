"""Where rows come from, for kinds that work on them: which source, which of its rows, what its columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from opsrunner.steps.fields import Words
from opsrunner.steps.kind import StepOptions


class SourceOptions(StepOptions):
    """Where the rows come from."""

    source: str = Field(min_length=1)
    """A source of the site."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    """Which of its rows, as a query says it, by the source's own names of columns."""
    columns: Mapping[str, str] = Field(default_factory=dict)
    """What a column is called in the source, where it has another name."""


class TicketSourceOptions(SourceOptions):
    """A source of tickets."""

    waiting: Words = ("answered",)
    """Words of the column `status`: the ticket waits for its customer, and no clock goes."""
    closed: Words = ("closed",)
    """Words of the column `status`: the ticket has ended."""

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        from opsrunner.support.tickets import COLUMNS  # noqa: PLC0415 - only where columns have other names

        strange = [name for name in value if name not in COLUMNS]
        if strange:
            raise ValueError(f"'{strange[0][:40]}' is no column that is asked for; those are {', '.join(COLUMNS)}")
        return value
