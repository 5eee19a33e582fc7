"""The step kind `expiries`: what ends when, by everybody who says something of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from opsrunner.expiries.names import BadName, to_domain
from opsrunner.expiries.targets import read_target
from opsrunner.steps.fields import AbsolutePaths, Seconds, Words
from opsrunner.steps.kind import InModule, Kind, StepOptions
from opsrunner.steps.output import cut, printable

KNOWN = "known"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def _listed(value: object) -> object:
    """Return a plain list of names, or one name, as the mapping that it stands for."""
    if isinstance(value, str):
        return {"names": (value,)}
    return {"names": value} if isinstance(value, list | tuple) else value


def _read_day(value: object) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.match(value):
        raise ValueError("must be a date, written like 2027-03-01")
    try:
        return date.fromisoformat(value)
    except ValueError as exc:
        raise ValueError(f"the date {value} does not exist") from exc


Day: TypeAlias = Annotated[date, PlainValidator(_read_day), WithJsonSchema({"type": "string", "format": "date"})]


class NamesFrom(StepOptions):
    """Names, as a list or from a column of a source."""

    names: Words = ()
    source: str = ""
    name: str = ""
    """The column of the source that names them."""
    where: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_form(self) -> NamesFrom:
        if bool(self.names) == bool(self.source):
            raise ValueError("needs either names or a source")
        if self.source and not self.name:
            raise ValueError("needs the column 'name' of the source")
        if self.names and (self.name or self.where):
            raise ValueError("name and where are for a source")
        return self


class RdapNames(NamesFrom):
    """Domains that registries are asked for."""

    refresh: Seconds = 30 * 86400
    """How old an answer may get about a domain that does not end soon."""
    most: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 2_000
    """How many are asked for in one run; the others have their turn later."""

    @model_validator(mode="after")
    def _are_domains(self) -> RdapNames:
        for name in () if self.is_known else self.names:
            if "{" in name:
                continue
            try:
                to_domain(name)
            except BadName as exc:
                raise ValueError(f"'{name[:60]}' is no domain: {exc}") from exc
        return self

    @property
    def is_known(self) -> bool:
        """Tell whether all domains are meant that the other places name."""
        return self.names == (KNOWN,)


class TlsTargets(NamesFrom):
    """Servers that are asked for their certificates."""

    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    """Of names without one; default: 443."""

    @model_validator(mode="after")
    def _are_servers(self) -> TlsTargets:
        for name in self.names:
            if "{" not in name:
                read_target(name)
        return self


def _not_empty(value: Mapping[str, date]) -> Mapping[str, date]:
    if not value:
        raise ValueError("must not be empty")
    return value


class Place(StepOptions):
    """One place that says when things end: exactly one of `source`, `rdap`, `tls`, `files` and `by_hand`."""

    source: str = ""
    name: str = ""
    """The column of the source that names the thing."""
    at: str = "expires_at"
    """The column that says when it ends, a date or a moment."""
    where: Mapping[str, Any] = Field(default_factory=dict)
    kind: str = ""
    """What it is: places that say the same kind and name speak of one thing. Default: what the column is called."""
    rdap: Annotated[RdapNames, BeforeValidator(_listed, json_schema_input_type=RdapNames | str | list[str])] | None = (
        None
    )
    tls: Annotated[TlsTargets, BeforeValidator(_listed, json_schema_input_type=TlsTargets | str | list[str])] | None = (
        None
    )
    files: AbsolutePaths = ()
    by_hand: Annotated[Mapping[str, Day], AfterValidator(_not_empty)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Place:
        forms = [form for form in ("source", "rdap", "tls", "files", "by_hand") if getattr(self, form)]
        if len(forms) != 1:
            raise ValueError("must be one of: source, rdap, tls, files, by_hand")
        if self.source and not self.name:
            raise ValueError("needs the column 'name' of the source")
        strange = self.model_fields_set & {"name", "at", "where"}
        if not self.source and strange:
            raise ValueError(f"'{min(strange)}' does not go with {forms[0]}")
        if self.kind and not (self.source or self.by_hand):
            raise ValueError(f"'kind' does not go with {forms[0]}")
        return self

    @property
    def kind_of_thing(self) -> str:
        """Return what a source, or a list by hand, speaks of."""
        return self.kind or self.name or "thing"


def _not_none(value: tuple[Place, ...]) -> tuple[Place, ...]:
    if not value:
        raise ValueError("must not be empty")
    return value


class Options(StepOptions):
    """What stands in `expiries:`."""

    from_: Annotated[tuple[Place, ...], Field(alias="from"), AfterValidator(_not_none)]
    within: Seconds = 60 * 86400
    """What ends within this span, or has ended, becomes a row."""
    agree_within: Seconds = 2 * 86400
    """Dates that lie no farther apart say the same."""
    trust_for: Seconds = 45 * 86400
    """How long a date that could not be asked for again still counts."""
    carry: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Further columns of the sources' rows that the rows pass on."""
    max_parallel: int = Field(default=16, ge=1, le=100, strict=True)
    """How many registries and servers are asked at a time."""


def preview(options: Options) -> str:
    """Return what would be asked."""
    return cut(printable(f"find out what ends when, from {', '.join(_place_words(one) for one in options.from_)}"))


def _place_words(place: Place) -> str:
    if place.source:
        return place.source
    if place.files:
        return ", ".join(place.files)
    if place.by_hand:
        return f"{len(place.by_hand)} by hand"
    asked, whom = (place.rdap, "RDAP") if place.rdap else (place.tls, "TLS")
    assert asked is not None  # noqa: S101  one form is given
    return f"{whom} of {asked.source or ', '.join(asked.names)}"


run = InModule("expiries_run")

KIND = Kind(
    name="expiries",
    summary="Find out what ends when: domains, certificates, services, licences, from all that say something of it.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)
