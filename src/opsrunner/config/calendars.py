"""What `opsrunner.yaml` may say about calendars, freezes and the times of digests."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator, model_validator

from opsrunner.config.days import Day, Days
from opsrunner.config.fields import Hours, Keys, Text, Texts
from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import Calendar, CalendarRule, DigestTimes, Every, Frame, Freeze, Schedule
from opsrunner.schedules.almanac import check_calendar
from opsrunner.schedules.day_words import WEEKDAYS, parse_weekday
from opsrunner.schedules.parsing import as_written, parse_clock

DAYS_OF_EVERY_MONTH = 28


class CalendarKeys(Keys):
    """Which days are business days."""

    country: Text | None = Field(default=None, description="Two capital letters: its public holidays are free.")
    subdivision: Text | None = Field(default=None, description="A part of the country with its own holidays.")
    working_hours: Hours = (time(8), time(17))
    days_off: Days = ()

    @field_validator("working_hours")
    @classmethod
    def _are_within_a_day(cls, hours: tuple[time, time]) -> tuple[time, time]:
        start, end = hours
        if end != time(0) and end < start:
            raise ValueError("working hours cannot pass midnight")
        return hours

    @model_validator(mode="after")
    def _is_known(self) -> CalendarKeys:
        try:
            check_calendar(self.to_calendar("business"))
        except ConfigurationError as exc:
            raise ValueError(str(exc)) from exc
        return self

    def to_calendar(self, name: str) -> Calendar:
        """Return the calendar for the almanac."""
        return Calendar(
            name=name,
            country=self.country,
            subdivision=self.subdivision,
            working_hours=self.working_hours,
            days_off=self.days_off,
        )


class FreezeKeys(Keys):
    """A period, both days included, that holds every routine with one of `tags`."""

    from_: Day = Field(alias="from")
    until: Day
    tags: Texts = Field(min_length=1)
    reason: Text

    @field_validator("until")
    @classmethod
    def _is_not_before_from(cls, until: date, info: ValidationInfo) -> date:
        start = info.data.get("from_")
        if start is not None and until < start:
            raise ValueError(f"`until: {until}` lies before `from: {start}`")
        return until

    def to_freeze(self) -> Freeze:
        """Return the freeze for the planner."""
        return Freeze(from_=self.from_, until=self.until, tags=self.tags, reason=self.reason)


Series: TypeAlias = Literal["daily", "weekly", "monthly"]


def _read_daily(value: object) -> tuple[str, time]:
    return "", parse_clock(_text(value, "07:00"))


def _read_weekly(value: object) -> tuple[str, time]:
    day, clock = _two_words(value, "mon 07:00")
    return WEEKDAYS[parse_weekday(day)], parse_clock(clock)


def _read_monthly(value: object) -> tuple[str, time]:
    day, clock = _two_words(value, "1 07:00")
    if not (day.isascii() and day.isdigit() and len(day) <= 2 and 1 <= int(day) <= DAYS_OF_EVERY_MONTH):
        raise ValueError(f"'{day[:20]}' is not a day that every month has\nwrite 1 to {DAYS_OF_EVERY_MONTH}")
    return str(int(day)), parse_clock(clock)


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f'{as_written(value)} is not a time\nwrite it in quotes: "{example}"')
    return value


def _two_words(value: object, example: str) -> tuple[str, str]:
    words = _text(value, example).split()
    if len(words) != 2:
        raise ValueError(f"{as_written(value)} is not a day and a time\nwrite it like {example}")
    return words[0], words[1]


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


Daily: TypeAlias = Annotated[tuple[str, time], PlainValidator(_read_daily), _schema("07:00")]
Weekly: TypeAlias = Annotated[tuple[str, time], PlainValidator(_read_weekly), _schema("mon 07:00")]
Monthly: TypeAlias = Annotated[tuple[str, time], PlainValidator(_read_monthly), _schema("1 07:00")]


class DigestKeys(Keys):
    """When each digest goes out, and to whom; a series without a time is not sent."""

    daily: Daily | None = None
    weekly: Weekly | None = None
    monthly: Monthly | None = None
    to: Texts = Field(default=("owner",), min_length=1)

    def to_times(self, *, timezone: str) -> DigestTimes:
        """Return the schedules of the series, on the wall clock of the site."""
        return DigestTimes(
            daily=_schedule("day", self.daily, timezone),
            weekly=_schedule("week", self.weekly, timezone),
            monthly=_schedule("month", self.monthly, timezone),
            to=self.to,
        )


def _schedule(every: Every, when: tuple[str, time] | None, timezone: str) -> Schedule | None:
    if when is None:
        return None
    day, clock = when
    frame = Frame(timezone=timezone)
    return Schedule(rules=(CalendarRule(every=every, on=(day,) if day else (), at=(clock,), frame=frame),))
