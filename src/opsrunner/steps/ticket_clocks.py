"""The step kind `ticket_clocks`: three clocks for each ticket, against what its customer was promised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from opsrunner.schedules.parsing import parse_duration
from opsrunner.steps.fields import Seconds
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.source_options import TicketSourceOptions

MOST_FIRST = 10


def _read_warn(value: object) -> float | int:
    """Return `25%` as a share, a duration in whole seconds. Raises ValueError."""
    text = value.strip() if isinstance(value, str) else ""
    figures = text.removesuffix("%").strip()
    if text.endswith("%") and figures.isdecimal() and 0 < int(figures) < 100:
        return int(figures) / 100
    if not text or text.endswith("%"):
        raise ValueError("must be a share such as 25% or a duration such as 30m")
    return parse_duration(text)


Warn: TypeAlias = Annotated[
    float | int, PlainValidator(_read_warn), WithJsonSchema({"type": "string", "examples": ["25%", "30m"]})
]


class TargetOptions(StepOptions):
    """What tickets of one priority are promised."""

    first: Seconds | None = None
    next: Seconds | None = None
    solved: Seconds | None = None
    calendar: str = ""

    @model_validator(mode="after")
    def _something(self) -> TargetOptions:
        if self.first is None and self.next is None and self.solved is None:
            raise ValueError("needs at least one of first, next and solved")
        return self


class Options(TicketSourceOptions):
    """What stands in `ticket_clocks:`."""

    calendar: str = "business"
    """Whose working hours count; or `around the clock`."""
    targets: Mapping[str, TargetOptions] = Field(default_factory=dict)
    """By the column `priority`; those without targets of their own have those of `normal`."""
    weight: Mapping[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0, le=10)]] = Field(default_factory=dict)
    """What the targets of a customer of that weight, or a higher one, are multiplied by."""
    customers: str = ""
    """A source with the columns customer and weight."""
    untouched: Seconds | None = None
    """How long a ticket that waits for us may lie, day and night."""
    warn: Warn = 0.25
    """How long before its end a clock warns."""
    most_first: Annotated[int, Field(ge=0, strict=True)] = MOST_FIRST
    """How many tickets that are over already become rows of their own at the very first look."""

    @field_validator("targets")
    @classmethod
    def _small_letters(cls, value: Mapping[str, TargetOptions]) -> Mapping[str, TargetOptions]:
        return {name.casefold(): target for name, target in value.items()}

    @model_validator(mode="after")
    def _promises_something(self) -> Options:
        if not self.targets and self.untouched is None:
            raise ValueError("promises nothing: it needs targets, untouched or both")
        return self


def preview(options: Options) -> str:
    """Return what would be looked at."""
    return f"look at the clocks of the tickets of {options.source}"


run = InModule("ticket_clocks_run")

KIND = Kind(
    name="ticket_clocks",
    summary="Three clocks for each ticket against what was promised: first answer, next answer, solved.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
