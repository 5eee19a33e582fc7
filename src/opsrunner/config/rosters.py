"""What `opsrunner.yaml` may say about rosters: who holds a role when."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator, model_validator

from opsrunner.config.days import Day
from opsrunner.config.fields import Hours, Keys, Text
from opsrunner.model.person import Cover, Roster, Shift
from opsrunner.schedules.day_words import parse_weekday
from opsrunner.schedules.parsing import as_written, parse_clock

_ROTATION_ONLY = ("handover", "people")


def _read_handover(value: object) -> tuple[int | None, time]:
    """Return weekday (None for every day) and time of `mon 09:00` or `09:00`. Raises ValueError."""
    words = value.split() if isinstance(value, str) else []
    if not 1 <= len(words) <= 2:
        raise ValueError(f'{as_written(value)} is not a hand-over\nwrite "mon 09:00", or "09:00" for every day')
    return (parse_weekday(words[0]) if len(words) == 2 else None), parse_clock(words[-1])


Handover: TypeAlias = Annotated[
    tuple[int | None, time],
    PlainValidator(_read_handover),
    WithJsonSchema({"type": "string", "examples": ["mon 09:00", "09:00"]}),
]


class ShiftKeys(Keys):
    """Hours of every day that a person holds."""

    hours: Hours
    person: Text


class CoverKeys(Keys):
    """From one day to another, both included, somebody else holds it."""

    from_: Day = Field(alias="from")
    until: Day
    person: Text
    instead_of: Text | None = Field(default=None, description="Only their turns. Default: everybody's.")

    @field_validator("until")
    @classmethod
    def _is_not_before_from(cls, until: date, info: ValidationInfo) -> date:
        start = info.data.get("from_")
        if start is not None and until < start:
            raise ValueError(f"`until: {until}` lies before `from: {start}`")
        return until

    def to_cover(self) -> Cover:
        """Return the cover for the roster."""
        return Cover(from_=self.from_, until=self.until, person=self.person, instead_of=self.instead_of)


class RosterKeys(Keys):
    """Who holds a role when: a rotation of `people`, or `shifts` by the hours of the day."""

    rotate: Literal["day", "week"] | None = None
    handover: Handover | None = Field(default=None, description="Default: 09:00, of a week on Monday.")
    from_: Day | None = Field(default=None, alias="from", description="The first day of the first person.")
    people: tuple[Text, ...] = ()
    shifts: tuple[ShiftKeys, ...] = ()
    cover: tuple[CoverKeys, ...] = ()

    @field_validator("handover")
    @classmethod
    def _fits_the_rotation(
        cls, handover: tuple[int | None, time] | None, info: ValidationInfo
    ) -> tuple[int | None, time] | None:
        rotate = info.data.get("rotate")
        if handover is not None and rotate == "day" and handover[0] is not None:
            raise ValueError('`rotate: day` hands over every day\nwrite the time alone: "09:00"')
        if handover is not None and rotate == "week" and handover[0] is None:
            raise ValueError('`rotate: week` needs the weekday\nwrite it like "mon 09:00"')
        return handover

    @model_validator(mode="after")
    def _is_one_form(self) -> RosterKeys:
        if self.shifts and self.rotate:
            raise ValueError("a roster has `rotate` or `shifts`, not both")
        if self.shifts and any(getattr(self, key) for key in _ROTATION_ONLY):
            raise ValueError("`handover` and `people` go with `rotate`; each shift names its person")
        if not self.shifts and not (self.rotate and self.people):
            raise ValueError("a roster needs `rotate` with `people`, or `shifts`")
        if self.rotate and len(self.people) > 1 and self.from_ is None:
            raise ValueError("a rotation needs `from`, the first day of its first person")
        return self

    def to_roster(self, id_: str) -> Roster:
        """Return the roster for the schedules."""
        weekday, clock = self.handover or (None, time(9))
        return Roster(
            id=id_,
            rotate=self.rotate,
            handover_weekday=weekday or 0,
            handover_at=clock,
            from_=self.from_,
            people=self.people,
            shifts=tuple(Shift(start=shift.hours[0], end=shift.hours[1], person=shift.person) for shift in self.shifts),
            cover=tuple(cover.to_cover() for cover in self.cover),
        )
