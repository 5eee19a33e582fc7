"""`task`: one act of a person. The engine opens it; nothing runs here."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    StrictBool,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from opsrunner.model.routine import Due
from opsrunner.schedules.parsing import in_units, parse_clock, parse_duration, parse_offset, shown
from opsrunner.steps.evidence import EvidenceOptions, Text
from opsrunner.steps.fields import one_or_many
from opsrunner.steps.kind import Kind, StepOptions


def parse_due(value: object) -> Due:
    """Return what `10:00`, `+4h` or `+4h business` says. Raises ValueError."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError('must be a time such as "10:00" or a span such as +4h or "+4h business"')
    words = value.split()
    if not words[0].startswith("+"):
        return Due(at=_clock_of(value))
    if span := in_units(value.removesuffix("business").strip()[1:]):
        raise ValueError(f"{shown(value)} is not understood\nwrite +{span}{' business' if len(words) > 2 else ''}")
    if words[1:] not in ([], ["business"]):
        raise ValueError(f"'{' '.join(words[1:])[:40]}' is not understood; after the span only 'business' may follow")
    return Due(after_seconds=parse_duration(words[0][1:]), business=len(words) == 2)


def _clock_of(value: str) -> time:
    try:
        return parse_clock(value)
    except ValueError as exc:
        span = in_units(value) or (value.strip() if _is_span(value) else "")
        hint = f"write +{span}" if span else "write 10:00, +4h or +4h business"
        raise ValueError(f"{shown(value)} is not a time of day\n{hint}") from exc


def _is_span(value: str) -> bool:
    try:
        parse_due(f"+{value.strip()}")
    except ValueError:
        return False
    return True


def _parse_after(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 2h")  # noqa: TRY004 (pydantic reports ValueError only)
    return parse_offset(value)


def _parse_due_of_task(value: object) -> Due:
    """Return what `parse_due` does, or the moment that a row has: `row.due_at`. Raises ValueError."""
    if isinstance(value, str) and value.strip().startswith(("row.", "row[")):
        return Due(row=value.strip())
    return parse_due(value)


def _parse_again(value: object) -> int | None:
    """Return the seconds of a duration, None for `never`. Raises ValueError."""
    if value == "never":
        return None
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 4w, or never")  # noqa: TRY004 (pydantic reports ValueError only)
    return parse_duration(value)


DueText: TypeAlias = Annotated[
    Due, BeforeValidator(parse_due), WithJsonSchema({"type": "string", "examples": ["10:00", "+4h", "+4h business"]})
]
DueOfTask: TypeAlias = Annotated[
    Due,
    BeforeValidator(_parse_due_of_task),
    WithJsonSchema({"type": "string", "examples": ["10:00", "+4h", "+4h business", "row.due_at"]}),
]
AgainText: TypeAlias = Annotated[
    int | None, PlainValidator(_parse_again), WithJsonSchema({"type": "string", "examples": ["4w", "never"]})
]
OffsetText: TypeAlias = Annotated[
    int, BeforeValidator(_parse_after), WithJsonSchema({"type": "string", "examples": ["-1h", "2h"]})
]


class EscalationOptions(StepOptions):
    """Who hears of it, how long after the due time."""

    after: OffsetText
    to: Text


class ApprovalOptions(StepOptions):
    """A frozen list that `by` approves; single rows can be struck."""

    rows: Text
    by: Text
    not_self: StrictBool = False


class TaskDefaults(StepOptions):
    """What a task may say, and a checklist for all of its tasks."""

    role: Text | None = None
    due: DueOfTask | None = None
    remind: (
        Annotated[
            tuple[OffsetText, ...],
            BeforeValidator(one_or_many, json_schema_input_type=OffsetText | tuple[OffsetText, ...]),
        ]
        | None
    ) = None
    escalate: (
        Annotated[
            tuple[EscalationOptions, ...],
            BeforeValidator(one_or_many, json_schema_input_type=EscalationOptions | tuple[EscalationOptions, ...]),
        ]
        | None
    ) = None
    evidence: EvidenceOptions | None = None
    expires: Literal["next", "due", "never"] | None = None
    wait: StrictBool = False


class TaskOptions(TaskDefaults):
    """The options of a `task` step."""

    task: Text = Field(description="What is to be done, in one line.")
    how: str = Field(default="", description="Markdown.")
    link: str = ""
    done_when: Text | None = None
    closes_when_gone: StrictBool = False
    again: AgainText = 0
    """Of a keyed task: how long after its end the same key may open another."""
    not_by: Text | None = None
    """An expression that names whose own work it is about: they may not tick it."""
    approve: ApprovalOptions | None = None

    @field_validator("done_when")
    @classmethod
    def _machine_or_person(cls, value: str | None, info: ValidationInfo) -> str | None:
        evidence = info.data.get("evidence")
        if value is not None and evidence is not None and evidence.is_required:
            raise ValueError("cannot stand with required evidence: the machine has none to give\nmake it optional")
        return value


def _preview(options: TaskOptions) -> str:
    return f"opens the task: {options.task}"


KIND = Kind(
    name="task",
    summary="A person does it, and ticks it with the evidence that is asked for.",
    options=TaskOptions,
    run=None,
    preview=_preview,
    beside=True,
    verbatim=frozenset({"done_when", "approve"}),
)
