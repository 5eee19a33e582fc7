"""Kinds of values that the models of the site's files share."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)

from opsrunner.errors import ConfigurationError, MailFailed
from opsrunner.mail.headers import parse_address
from opsrunner.schedules.parsing import parse_clock_range
from opsrunner.schedules.zones import load_zone
from opsrunner.steps.fields import Seconds, one_or_many

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_STEP_ID = re.compile(r"[a-z][a-z0-9_-]*\Z")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_URL = re.compile(r"https?://[^\s/]+\S*\Z")
_PHONE = re.compile(r"\+?[0-9(][0-9 ()./-]*[0-9]\Z")
_PHONE_DIGITS = range(3, 16)
"""An extension of the house has three; E.164 allows fifteen."""
_NOT_ZONES = frozenset({"localtime", "posixrules"})
"""Files beside the zones that say another time on each machine."""
_OTHER_CLOCKS = ("posix/", "right/")
"""Folders with the zones once more, the second with leap seconds, which our clock does not count."""


class Keys(BaseModel):
    """Base of all that is read from the site's files: nothing unknown, nothing changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def check_name(text: str) -> str:
    """Return `text` if it can name something of the site. Raises ValueError."""
    if not _NAME.match(text) or len(text) > 60:
        raise ValueError(f"'{text[:60]}' cannot be a name\nuse small letters, digits and '-'")
    return text


def _check_step_id(text: str) -> str:
    if not _STEP_ID.match(text) or len(text) > 60:
        raise ValueError(f"'{text[:60]}' cannot be an id\nuse small letters, digits, '-' and '_'")
    return text


def _check_source_name(text: str) -> str:
    """Return `text` if it can name a source, which may be a table in SQL. Raises ValueError."""
    if not _STEP_ID.match(text) or len(text) > 60:
        raise ValueError(f"'{text[:60]}' cannot be a name\nuse small letters, digits, '-' and '_'")
    return text


def check_host(text: str) -> str:
    """Return `text` if it can name a host or a group. Raises ValueError."""
    if not _HOST.match(text) or len(text) > 253:
        raise ValueError(f"'{text[:60]}' cannot be the name of a host or group")
    return text


def _check_variable(text: str) -> str:
    if not _VARIABLE.match(text):
        raise ValueError(f"'{text[:60]}' cannot be the name of a variable")
    if text.startswith("OPS_"):
        raise ValueError("names that begin with OPS_ are set by opsrunner")
    return text


def _check_email(text: str) -> str:
    """Return an address that a mail can really be sent to."""
    try:
        parse_address(text)
        is_bare = "<" not in text and text == text.strip()
    except MailFailed:
        is_bare = False
    if not is_bare:
        hint = "" if text.rpartition("@")[0].isascii() else "\nbefore the @ only ASCII letters can be sent to"
        raise ValueError(f"'{text[:60]}' is not an e-mail address{hint}")
    return text


def _read_phone(value: object) -> str:
    """Return a number that can be dialled. Without quotes YAML makes it a figure, which loses its `+` and its zeros."""
    if not isinstance(value, str):
        raise ValueError('must be a phone number in quotes, such as "+44 20 7946 0123"')
    if not _PHONE.match(value) or sum(sign.isdigit() for sign in value) not in _PHONE_DIGITS:
        raise ValueError(f"'{value[:60]}' is not a phone number\nwrite it like \"+44 20 7946 0123\"")
    return value


def _check_url(text: str) -> str:
    if not _URL.match(text):
        raise ValueError(f"'{text[:60]}' is not an address such as https://ops.example.com")
    return text


def _check_zone(name: str) -> str:
    if name in _NOT_ZONES or name.startswith(_OTHER_CLOCKS):
        raise ValueError(f"'{name[:60]}' is no IANA name\nuse one such as Europe/Oslo")
    try:
        load_zone(name)
    except ConfigurationError as exc:
        raise ValueError(str(exc)) from exc
    return name


def _check_longer_than_nothing(seconds: int) -> int:
    if seconds <= 0:
        raise ValueError("must be longer than nothing")
    return seconds


def _read_hours(value: object) -> tuple[time, time]:
    if not isinstance(value, str):
        raise ValueError('must be hours such as "22:00-07:00"')
    return parse_clock_range(value)


Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]
Flag: TypeAlias = StrictBool
Name: TypeAlias = Annotated[str, AfterValidator(check_name)]
SourceName: TypeAlias = Annotated[str, AfterValidator(_check_source_name)]
StepId: TypeAlias = Annotated[str, AfterValidator(_check_step_id)]
HostName: TypeAlias = Annotated[str, AfterValidator(check_host)]
Variable: TypeAlias = Annotated[str, AfterValidator(_check_variable)]
Email: TypeAlias = Annotated[str, AfterValidator(_check_email)]
Phone: TypeAlias = Annotated[
    str, PlainValidator(_read_phone), WithJsonSchema({"type": "string", "examples": ["+44 20 7946 0123"]})
]
Url: TypeAlias = Annotated[str, AfterValidator(_check_url)]
Zone: TypeAlias = Annotated[str, AfterValidator(_check_zone)]
Names: TypeAlias = Annotated[
    tuple[Name, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
HostNames: TypeAlias = Annotated[
    tuple[HostName, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Texts: TypeAlias = Annotated[
    tuple[Text, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
PositiveSeconds: TypeAlias = Annotated[Seconds, AfterValidator(_check_longer_than_nothing)]
Hours: TypeAlias = Annotated[
    tuple[time, time],
    PlainValidator(_read_hours),
    WithJsonSchema({"type": "string", "examples": ["22:00-07:00"]}),
]
