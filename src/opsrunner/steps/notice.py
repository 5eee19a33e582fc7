"""The step kind `notice`: a ladder of mails to customers about something that has a moment, each told once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from opsrunner.errors import MailFailed
from opsrunner.mail.headers import parse_address
from opsrunner.model.notice import MAIL, Ladder
from opsrunner.notices.words import parse_ladder
from opsrunner.steps.fields import Seconds, Words, one_or_many
from opsrunner.steps.kind import InModule, Kind, StepOptions

_RUNGS = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]},
    "examples": [["30d", "14d", "7d", "1d"], ["7d", "24h", "start", "end", "3d after"]],
}
Rungs = Annotated[tuple[Any, ...], BeforeValidator(one_or_many), WithJsonSchema(_RUNGS)]


class LogOptions(StepOptions):
    """Where another's mails are looked for."""

    source: str = Field(min_length=1)
    """A source of the site: one row a mail that went."""
    to: str = Field(default="to", min_length=1)
    """Its column with the recipient."""
    subject: str = Field(default="subject", min_length=1)
    """Its column with the subject."""
    sent_at: str = Field(default="sent_at", min_length=1)
    """Its column with the moment."""
    subject_has: str = ""
    """The column of the notice's own rows whose text stands in the subject. Default: the key's."""
    within: Seconds = 24 * 3600
    """How long after a rung is due its mail may come, and how much earlier it may have gone."""


class Options(StepOptions):
    """What stands in `notice:`."""

    source: str = ""
    """A source of the site: one row for each occasion and recipient."""
    of: str = ""
    """Or an earlier step, whose rows these are."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    """Which rows of the source, as a query says it."""
    sql: str | None = Field(default=None, min_length=1)
    params: Mapping[str, str | bool | int | float | None] = Field(default_factory=dict)
    key: str = Field(min_length=1)
    """The column that says what it is about: a domain, an invoice."""
    at: str = Field(min_length=1)
    """The column with the moment that the rungs count from."""
    until: str = ""
    """The column with the moment of its end."""
    to: Words = Field(min_length=1)
    """The column, or columns, with the mail addresses."""
    name: str = ""
    """The column with the recipient's name."""
    ladder: Rungs
    """When it is told: `30d`, `24h`, `start`, `end`, `3d after`."""
    template: str = ""
    """`renewal` is `reports/renewal.txt.j2`, with `reports/renewal.html.j2` beside it if it is there."""
    hours: Literal["any", "business"] = "any"
    """`business`: a rung outside of working hours goes at the last working moment before it."""
    late: Seconds | None = None
    """A rung that is later than this does not go. Default: as long as it is useful."""
    live: bool = Field(default=False, strict=True)
    """False: nothing goes, and the step tells what would."""
    mode: Literal["send", "watch"] = "send"
    """`watch`: another sends, and its log has to show that it did."""
    log: LogOptions | None = None
    per_minute: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = None
    """So many of its mails leave in a minute at most."""
    contractual: bool = Field(default=False, strict=True)
    """What the contract asks to tell: nobody leaves it by a link."""
    moved: Literal["quiet", "tell"] = "quiet"
    """`tell`: who had heard is told that the moment moved, or that it is cancelled."""
    reply_to: str = ""
    """The address that answers go to."""

    @field_validator("ladder")
    @classmethod
    def _is_ladder(cls, value: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        ladder = parse_ladder(value, has_until=bool(info.data.get("until")))
        if any(rung.via != MAIL for rung in ladder.rungs):
            raise ValueError("tells by mail only\na status page is for maintenance and incidents")
        return value

    @field_validator("reply_to")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            return parse_address(value).address if value else ""
        except MailFailed as exc:
            raise ValueError(exc.message) from exc

    @model_validator(mode="after")
    def _fits_together(self) -> Options:
        if bool(self.source) == bool(self.of):
            raise ValueError("needs either source or of: whose rows it tells about")
        if self.of and (self.where or self.sql or self.params):
            raise ValueError("where, sql and params go with source; the rows of a step are as they are")
        if self.sql is not None and self.where:
            raise ValueError("has sql and where; put the conditions into the SQL, with :name and params")
        if self.params and self.sql is None:
            raise ValueError("params are the values of sql, and there is no sql")
        self._mode_fits()
        return self

    def _mode_fits(self) -> None:
        if self.mode == "send":
            if not self.template:
                raise ValueError("needs template: the mail that goes, in reports/")
            if self.log is not None:
                raise ValueError("log goes with mode: watch")
            return
        if self.log is None:
            raise ValueError("mode: watch needs log: the source that shows what went")
        given = [name for name in ("template", "per_minute", "reply_to", "live", "contractual") if getattr(self, name)]
        if given or self.moved == "tell":
            named = ", ".join([*given, *(["moved"] if self.moved == "tell" else [])])
            raise ValueError(f"mode: watch sends nothing; leave out {named}")

    @property
    def rungs(self) -> Ladder:
        """The ladder, read. Raises ValueError."""
        return parse_ladder(self.ladder, has_until=bool(self.until))


def preview(options: Options) -> str:
    """Return what would be told to whom."""
    about = options.source or f"the rows of {options.of}"
    words = ", ".join(options.rungs.words)
    if options.log is not None:
        return f"look in {options.log.source} whether the reminders about {about} went, at {words}"
    not_yet = "" if options.live else "; it is not live, so that nothing goes"
    return f"tell {', '.join(options.to)} of {about} by {options.template}, at {words}{not_yet}"


run = InModule("notice_run")

KIND = Kind(
    name="notice",
    summary="Tell customers by a ladder of mails, each once; or prove that another did.",
    options=Options,
    run=run,
    preview=preview,
    at_once=True,
    writes_files=False,
    reads_only=True,  # what went is settled in the commit that queues it: begun again, it goes on
    verbatim=frozenset({"sql"}),
)
