"""What a tick must or may carry, as a file says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StrictFloat, StringConstraints, field_validator, model_validator

from opsrunner.steps.kind import StepOptions

Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
Need: TypeAlias = Literal["required", "optional"]
MOST_FIELDS = 30
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


class NumberEvidence(StepOptions):
    """A number that a tick carries, with its name and bounds."""

    name: str = ""
    minimum: StrictFloat | None = None
    maximum: StrictFloat | None = None
    need: Need = "required"


class FieldOptions(StepOptions):
    """One field of a form: a number within bounds, or one of some choices."""

    number: tuple[StrictFloat, StrictFloat] | None = None
    """The lowest and the highest that it may be."""
    choice: tuple[Text, ...] = ()
    need: Need = "required"

    @model_validator(mode="after")
    def _one_thing(self) -> FieldOptions:
        if (self.number is None) == (not self.choice):
            raise ValueError("needs either number, such as [1, 5], or choice, such as [keep, end]")
        if self.number is not None and self.number[0] >= self.number[1]:
            raise ValueError(f"has no numbers from {self.number[0]:g} to {self.number[1]:g}")
        return self


def _note_beside(value: Any) -> Any:
    """Take the field `note` out of a form: it is the note that every tick has."""
    form = value.get("form") if isinstance(value, Mapping) else None
    if not isinstance(form, Mapping) or form.get("note") not in ("required", "optional") or value.get("note"):
        return value
    return {**value, "note": form["note"], "form": {name: one for name, one in form.items() if name != "note"}}


class EvidenceOptions(StepOptions):
    """What a tick must or may carry."""

    note: Need | None = None
    number: Need | NumberEvidence | None = None
    choice: tuple[Text, ...] = ()
    file: Need | None = None
    form: Mapping[str, Need | FieldOptions] = Field(default_factory=dict)
    """Several answers by name: `{number: [1, 5]}`, `{choice: [keep, end]}`, or a text, `required` or `optional`."""

    @model_validator(mode="before")
    @classmethod
    def _take_note(cls, value: Any) -> Any:
        return _note_beside(value)

    @field_validator("form")
    @classmethod
    def _named(cls, value: Mapping[str, Need | FieldOptions]) -> Mapping[str, Need | FieldOptions]:
        strange = next((name for name in value if not _FIELD_NAME.match(name)), None)
        if strange is not None:
            raise ValueError(f"'{strange[:40]}' is no name of a field; it takes small letters, digits and _")
        if len(value) > MOST_FIELDS:
            raise ValueError(f"has more than {MOST_FIELDS} fields")
        return value

    @property
    def is_required(self) -> bool:
        """Tell whether a person must give something."""
        number = self.number.need if isinstance(self.number, NumberEvidence) else self.number
        fields = (one.need if isinstance(one, FieldOptions) else one for one in self.form.values())
        return "required" in (self.note, number, self.file, *fields) or bool(self.choice)
