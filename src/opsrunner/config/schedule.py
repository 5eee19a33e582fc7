"""The `schedule:` and `catch_up:` values of a routine, checked.

A rule is one mapping with `every`, `cron`, `once` or `of`; a schedule is a rule, a list of them, or
nothing. Messages are one sentence, with a hint on a second line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, ValidationInfo, WithJsonSchema, field_validator

from opsrunner.config.days import Day, Days, LocalMoment
from opsrunner.config.every import read_at, read_between, read_every, read_on, read_short_months
from opsrunner.config.fields import Keys, Text, Zone
from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import (
    CalendarRule,
    CatchUp,
    CronRule,
    Every,
    Frame,
    IntervalRule,
    OffsetRule,
    OnceRule,
    OnHoliday,
    Rule,
    Schedule,
    ShortMonths,
)
from opsrunner.model.window import MAINTENANCE
from opsrunner.schedules.cron import parse_cron
from opsrunner.schedules.parsing import as_written, not_a_duration, parse_duration, parse_offset

MOST_RULES = 50


def _read_offset(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{not_a_duration(value)}\nwrite it like -8d or +4h")
    return parse_offset(value)


def _read_within(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{not_a_duration(value)}\nwrite it like 12h or 2d")
    seconds = parse_duration(value)
    if not seconds:
        raise ValueError("`within` must be longer than nothing\nsay policy: skip to catch up on nothing")
    return seconds


class FrameKeys(Keys):
    """What every rule may say beside its own words."""

    timezone: Zone | None = Field(default=None, description="IANA name. Default: the site's.")
    calendar: Text | None = Field(default=None, description="Which days are holidays. Default: business.")
    on_holiday: OnHoliday = Field(default="run", description="On public holidays and days off; weekends are none.")

    def frame(self, *, timezone: str, calendar: str) -> Frame:
        """Return what holds for the rule, with the site's zone and calendar where it names none."""
        return Frame(timezone=self.timezone or timezone, calendar=self.calendar or calendar, on_holiday=self.on_holiday)


class SpanKeys(FrameKeys):
    """What every rule may say that is due more than once. Dates are local, both included."""

    from_: LocalMoment | None = Field(default=None, alias="from")
    until: Day | None = None
    except_: Days = Field(default=(), alias="except")

    @field_validator("until")
    @classmethod
    def _is_not_before_from(cls, until: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("from_")
        if until is not None and start is not None and until < start.date():
            raise ValueError(f"`until: {until}` lies before `from: {start.date()}`")
        return until

    def frame(self, *, timezone: str, calendar: str) -> Frame:
        return Frame(
            timezone=self.timezone or timezone,
            calendar=self.calendar or calendar,
            on_holiday=self.on_holiday,
            from_=self.from_,
            until=self.until,
            except_=self.except_,
        )


class EveryKeys(SpanKeys):
    """A rhythm of the calendar, or equal spacing in elapsed time."""

    every: Annotated[
        Every | int,
        PlainValidator(read_every),
        WithJsonSchema({"type": "string", "examples": ["day", "business day", "weekday", "month", "15m"]}),
    ]
    short_months: Annotated[
        ShortMonths | None, PlainValidator(read_short_months), WithJsonSchema({"enum": ["last day", "skip"]})
    ] = None
    on: Annotated[
        tuple[str, ...],
        PlainValidator(read_on),
        WithJsonSchema({"type": ["string", "integer", "array"], "examples": ["monday", 15, "last day", "24 dec"]}),
    ] = Field(default=(), validate_default=True)
    at: Annotated[
        tuple[time, ...],
        PlainValidator(read_at),
        WithJsonSchema({"type": ["string", "array"], "examples": ["02:30", ["08:00", "16:00"]]}),
    ] = Field(default=(), validate_default=True)
    between: Annotated[
        tuple[time, time] | None,
        PlainValidator(read_between),
        WithJsonSchema({"type": "string", "examples": ["08:00-20:00"]}),
    ] = None

    @field_validator("every")
    @classmethod
    def _moves_only_days(cls, every: Every | int, info: ValidationInfo) -> Every | int:
        if isinstance(every, int) and info.data.get("on_holiday") in ("next business day", "previous business day"):
            raise ValueError("an interval cannot move to another day on a holiday\nsay on_holiday: run or skip")
        return every

    def to_rule(self, *, timezone: str, calendar: str) -> Rule:
        """Return the rule for the planner."""
        frame = self.frame(timezone=timezone, calendar=calendar)
        if isinstance(self.every, int):
            return IntervalRule(seconds=self.every, between=self.between, frame=frame)
        return CalendarRule(every=self.every, at=self.at, on=self.on, short_months=self.short_months, frame=frame)


class CronKeys(SpanKeys):
    """A cron expression with the meaning of Debian's cron."""

    cron: Text = Field(description="Five fields, or @daily and its like.", examples=["30 2 * * 1-5"])

    @field_validator("cron")
    @classmethod
    def _is_an_expression(cls, cron: str) -> str:
        try:
            parse_cron(cron)
        except ConfigurationError as exc:
            raise ValueError(str(exc)) from exc
        return cron

    def to_rule(self, *, timezone: str, calendar: str) -> Rule:
        """Return the rule for the planner."""
        return CronRule(expression=self.cron, frame=self.frame(timezone=timezone, calendar=calendar))


class OnceKeys(FrameKeys):
    """A single moment."""

    once: LocalMoment

    def to_rule(self, *, timezone: str, calendar: str) -> Rule:
        """Return the rule for the planner."""
        return OnceRule(moment=self.once, frame=self.frame(timezone=timezone, calendar=calendar))


class OffsetKeys(SpanKeys):
    """Relative to the nominal moments of another routine, or to a window; whole days are days on the wall."""

    of: Text = Field(description="A routine, or maintenance.NAME.")
    offset: Annotated[
        int,
        PlainValidator(_read_offset),
        WithJsonSchema({"type": "string", "examples": ["-8d", "+4h"]}),
    ]

    @field_validator("of")
    @classmethod
    def _windows_know_no_holidays(cls, of: str, info: ValidationInfo) -> str:
        if of.startswith(MAINTENANCE) and info.data.get("on_holiday", "run") != "run":
            raise ValueError(f"`on_holiday` does not go with a window: it moves with {of}\nleave it out")
        return of

    def to_rule(self, *, timezone: str, calendar: str) -> Rule:
        """Return the rule for the planner."""
        return OffsetRule(
            of=self.of, offset_seconds=self.offset, frame=self.frame(timezone=timezone, calendar=calendar)
        )


RuleKeys: TypeAlias = EveryKeys | CronKeys | OnceKeys | OffsetKeys

_FORMS: Mapping[str, type[RuleKeys]] = {"every": EveryKeys, "cron": CronKeys, "once": OnceKeys, "of": OffsetKeys}


def _read_schedule(value: object, info: ValidationInfo) -> RuleKeys | tuple[RuleKeys, ...] | None:
    """Return what a `schedule:` value says; a list is checked in all of its rules."""
    if value is None:
        return None
    if not isinstance(value, list):
        return _read_rule(value, info)
    if not 0 < len(value) <= MOST_RULES:
        raise ValueError(f"a schedule has 1 to {MOST_RULES} rules\nleave `schedule` out to run it by hand only")
    return tuple(_LIST_OF_RULES.validate_python(value, context=info.context))


def _read_rule(value: object, info: ValidationInfo) -> RuleKeys:
    if not isinstance(value, Mapping):
        raise ValueError(f"{as_written(value)} is not a schedule\n{_advice(value)}")
    forms = [form for form in _FORMS if form in value]
    if len(forms) > 1:
        raise ValueError(f"`{forms[0]}` and `{forms[1]}` cannot stand in one rule\nwrite a list of two rules")
    if not forms:
        near = next((near[0] for key in value if (near := get_close_matches(str(key).lower(), _FORMS, n=1))), None)
        hint = f"did you mean '{near}'?" if near else 'write for example {every: day, at: "02:30"}'
        raise ValueError(f"a schedule says one of `every`, `cron`, `once` and `of`\n{hint}")
    return _FORMS[forms[0]].model_validate(value, context=info.context)


def _advice(value: object) -> str:
    text = str(value)
    if len(text.split()) == 5 or text.startswith("@"):
        return f'write {{cron: "{text[:60]}"}}'
    return 'write for example {every: day, at: "02:30"}'


_LIST_OF_RULES: TypeAdapter[list[RuleKeys]] = TypeAdapter(
    list[Annotated[RuleKeys, PlainValidator(_read_rule)]], config=ConfigDict(defer_build=True)
)


class CatchUpKeys(Keys):
    """What to do about due times that passed while nobody was there."""

    policy: Literal["latest", "all", "skip"] = "latest"
    within: Annotated[
        int | None,
        PlainValidator(_read_within),
        WithJsonSchema({"type": "string", "examples": ["12h"]}),
    ] = None


def _read_windows(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list | tuple) else [value]
    for item in items:
        if not isinstance(item, str) or not item.startswith(MAINTENANCE):
            near = f"{MAINTENANCE}{item}" if isinstance(item, str) else f"{MAINTENANCE}NAME"
            raise ValueError(f"{as_written(item)} is no maintenance window\nwrite {near[:80]}")
    return tuple(dict.fromkeys(items))


def _read_catch_up(value: object) -> CatchUp:
    keys = CatchUpKeys.model_validate(value if isinstance(value, Mapping) else {"policy": value})
    return CatchUp(policy=keys.policy, within_seconds=keys.within)


def to_schedule(
    value: RuleKeys | tuple[RuleKeys, ...] | None, *, timezone: str, calendar: str = "business"
) -> Schedule:
    """Return the schedule that a checked `schedule:` value says, in the site's zone where it names none."""
    rules = value if isinstance(value, tuple) else () if value is None else (value,)
    return Schedule(rules=tuple(rule.to_rule(timezone=timezone, calendar=calendar) for rule in rules))


_SCHEDULE_INPUT: Any = RuleKeys | list[RuleKeys] | None

ScheduleField: TypeAlias = Annotated[
    RuleKeys | tuple[RuleKeys, ...] | None, PlainValidator(_read_schedule, json_schema_input_type=_SCHEDULE_INPUT)
]
WindowNames: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(_read_windows),
    WithJsonSchema({"type": ["string", "array"], "examples": ["maintenance.kernel"]}),
]
CatchUpField: TypeAlias = Annotated[
    CatchUp,
    PlainValidator(_read_catch_up, json_schema_input_type=Literal["latest", "all", "skip"] | CatchUpKeys),
]
