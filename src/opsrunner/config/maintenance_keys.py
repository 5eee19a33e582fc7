"""What `maintenance.yaml` may say: windows, and what holds for incidents."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from opsrunner.config.fields import Flag, HostNames, Keys, Name, PositiveSeconds, Text, Texts
from opsrunner.config.schedule import OffsetKeys, RuleKeys, ScheduleField, to_schedule
from opsrunner.model.notice import STATUS_PAGE, Ladder
from opsrunner.model.window import Audience, CreditRule, IncidentRules, ReviewItem, Window
from opsrunner.notices.words import parse_ladder
from opsrunner.steps.fields import Seconds, one_or_many

LONGEST_SECONDS = 14 * 86400
MOST_WINDOWS = 200
INCIDENT_LADDER = ("start", "every 3h via: status_page", "end")
LADDER = ("7d", "24h", "start", "every 30m via: status_page", "end")


def _read_ladder(value: object) -> Ladder:
    """Return the rungs; a window and an incident have an end."""
    return parse_ladder(value if isinstance(value, list | tuple) else [value], has_until=True)


def _read_audiences(value: object) -> object:
    return one_or_many(value)


PerMinute: TypeAlias = Annotated[
    Annotated[int, Field(ge=1, le=10_000, strict=True)] | None,
    Field(description="So many of its mails leave in a minute at most; null: as fast as the server takes them."),
]
LadderField: TypeAlias = Annotated[
    Ladder,
    PlainValidator(_read_ladder),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": ["string", "object"]},
            "examples": [["7d", "24h", "start", {"every 30m via": "status_page"}, "end"]],
        }
    ),
]


class AudienceKeys(Keys):
    """Who is told: the rows of a source whose host is one of the window's."""

    source: Text
    where: dict[Text, Any] = Field(default_factory=dict, description="As with query.")
    host: Text = Field(default="host", description="Column with the host that a row is on.")
    to: Text = Field(default="email", description="Column with the address, or several.")
    name: Text = Field(default="name", description="Column with the name that the mail begins with.")
    customer: Text = Field(default="customer", description="Column with the customer's number.")
    service: Texts = Field(default=("service",), description="Columns that together say which service it is.")
    amount: Text = Field(default="amount", description="Column with the price, for credits.")
    cycle: Text = Field(default="cycle", description="Column with what the price is for: monthly, yearly.")

    def to_audience(self) -> Audience:
        """Return who is told."""
        return Audience(**{name: getattr(self, name) for name in AudienceKeys.model_fields})


def _check_advance(ladder: Ladder, *, kind: str) -> Ladder:
    """Refuse rungs that such a thing cannot have. Raises ValueError."""
    for rung in ladder.rungs:
        if kind == "incident" and rung.is_before:
            raise ValueError(f"'{rung.name}' lies before the beginning, which nobody knows of an incident")
        if rung.via == STATUS_PAGE and not rung.every_seconds:
            raise ValueError(f"'{rung.name}' cannot go via the status page\nwrite it like every 30m via: status_page")
    return ladder


class WindowKeys(Keys):
    """A maintenance window, single or recurring."""

    name: Text = Field(description="What customers call it.")
    about: str = Field(default="", description="What customers are told of it, in plain words.")
    schedule: ScheduleField
    lasts: PositiveSeconds
    hosts: HostNames = Field(min_length=1)
    audience: Annotated[
        tuple[AudienceKeys, ...],
        Field(json_schema_extra={"anyOf": [{"type": "object"}, {"type": "array"}]}),
    ] = ()
    ladder: LadderField = Field(default=LADDER, validate_default=True)
    approve: PositiveSeconds = Field(default=8 * 86400, description="How long before it begins it is laid before.")
    approve_by: Text = Field(default="owner", description="Role, roster or person who approves what is sent.")
    accountable: Text = Field(default="owner", description="Role, roster or person that its tasks are for.")
    template: Text = "maintenance"
    ics: Flag = Field(default=True, description="Put it into the customers' calendars.")
    hours: Literal["business"] | None = Field(
        default=None, description="Mails before it begins go in working hours, rather earlier."
    )
    per_minute: PerMinute = None

    @field_validator("audience", mode="before")
    @classmethod
    def _many_audiences(cls, value: object) -> object:
        return _read_audiences(value)

    @field_validator("schedule")
    @classmethod
    def _stands_alone(cls, value: RuleKeys | tuple[RuleKeys, ...] | None) -> RuleKeys | tuple[RuleKeys, ...]:
        rules = value if isinstance(value, tuple) else (value,)
        if value is None or any(isinstance(rule, OffsetKeys) for rule in rules):
            raise ValueError("a window says when it is by every, cron or once\nroutines can go by it with of:")
        return value

    @field_validator("lasts")
    @classmethod
    def _is_no_state(cls, seconds: int) -> int:
        if seconds > LONGEST_SECONDS:
            raise ValueError(f"a window lasts {LONGEST_SECONDS // 86400} days at most")
        return seconds

    @field_validator("ladder")
    @classmethod
    def _fits(cls, ladder: Ladder) -> Ladder:
        return _check_advance(ladder, kind="window")

    @model_validator(mode="after")
    def _is_approved_first(self) -> WindowKeys:
        days = [-rung.offset_days * 86400 - rung.offset_seconds for rung in self.ladder.rungs if rung.is_before]
        if self.audience and days and self.approve <= max(days):
            raise ValueError("approve comes no earlier than the first mail\nlay it before at least a day ahead of it")
        return self

    def to_window(self, id_: str, *, timezone: str) -> Window:
        """Return the window for everybody else."""
        return Window(
            id=id_,
            name=self.name,
            about=self.about,
            schedule=to_schedule(self.schedule, timezone=timezone),
            lasts_seconds=self.lasts,
            hosts=self.hosts,
            audience=tuple(audience.to_audience() for audience in self.audience),
            ladder=self.ladder,
            approve_seconds=self.approve,
            approve_by=self.approve_by,
            accountable=self.accountable,
            template=self.template,
            ics=self.ics,
            hours=self.hours or "",
            per_minute=self.per_minute,
        )


class CreditKeys(Keys):
    """What a service that was down is credited, as a list to be approved."""

    after: Seconds = Field(default=1800, description="What was down for less gets nothing.")
    times: Annotated[float, Field(gt=0, le=100)] = Field(default=1.0, description="So often the price of that time.")


class IncidentKeys(Keys):
    """What holds for incidents, which staff open."""

    audience: Annotated[
        tuple[AudienceKeys, ...],
        Field(json_schema_extra={"anyOf": [{"type": "object"}, {"type": "array"}]}),
    ] = ()
    ladder: LadderField = Field(default=INCIDENT_LADDER, validate_default=True)
    accountable: Text = Field(default="owner", description="Role, roster or person that its tasks are for.")
    approve_by: Text = Field(default="owner", description="Role, roster or person who approves the credits.")
    template: Text = "incident"
    per_minute: PerMinute = None
    review: Name = Field(default="incident-review", description="Checklist of the review.")
    credit: CreditKeys | None = Field(
        default_factory=lambda: CreditKeys.model_validate({}), description="null: no list of credits."
    )

    @field_validator("audience", mode="before")
    @classmethod
    def _many_audiences(cls, value: object) -> object:
        return _read_audiences(value)

    @field_validator("ladder")
    @classmethod
    def _fits(cls, ladder: Ladder) -> Ladder:
        return _check_advance(ladder, kind="incident")

    def to_rules(self, review: tuple[ReviewItem, ...]) -> IncidentRules:
        """Return the rules for everybody else."""
        return IncidentRules(
            audience=tuple(audience.to_audience() for audience in self.audience),
            ladder=self.ladder,
            accountable=self.accountable,
            approve_by=self.approve_by,
            template=self.template,
            per_minute=self.per_minute,
            review=review,
            credit=CreditRule(after_seconds=self.credit.after, times=self.credit.times) if self.credit else None,
        )


class MaintenanceKeys(Keys):
    """What `maintenance.yaml` may say."""

    windows: dict[Name, WindowKeys] = Field(default_factory=dict, max_length=MOST_WINDOWS)
    incidents: IncidentKeys = Field(default_factory=lambda: IncidentKeys.model_validate({}))
