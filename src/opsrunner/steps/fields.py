"""Values that step kinds and the site's files read in the same way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from opsrunner.schedules.parsing import parse_duration
from opsrunner.secrets import SecretRef

_SIZE = re.compile(r"([0-9]{1,9}) ?(B|kB|KB|MB|GB)\Z")
_UNIT_BYTES = {"B": 1, "kB": 1_000, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_REFERENCE_FORMS = "a reference to a secret: {env: NAME}, {file: path} or {command: [program, …]}"


def one_or_many(value: object) -> object:
    """Return `value` as a list of one where it is none, for BeforeValidator: `to: owner` is `to: [owner]`."""
    return value if isinstance(value, list | tuple) else (value,)


def _read_seconds(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"must be a duration such as 30s, 5m, 4h or 8d{_unit_missing(value)}")  # noqa: TRY004 (pydantic reports ValueError only)
    return parse_duration(value)


def _read_bytes(value: object) -> int:
    match = _SIZE.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a size such as 500kB, 1MB or 2GB")
    return int(match[1]) * _UNIT_BYTES[match[2]]


def _unit_missing(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"; {value} has no unit" if is_number else ""


def read_secret(value: object) -> SecretRef:
    """Return the reference that a mapping says. Raises ValueError, which never shows what was written."""
    if isinstance(value, SecretRef):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"must be {_REFERENCE_FORMS}\na secret itself never stands in a file of the site")  # noqa: TRY004 (pydantic reports ValueError only)
    if len(value) != 1:
        raise ValueError(f"must be {_REFERENCE_FORMS}")
    (form, what), *_ = value.items()
    if form == "command" and isinstance(what, list) and what and all(isinstance(word, str) for word in what):
        return SecretRef(command=tuple(what))
    if form in ("env", "file") and isinstance(what, str) and what:
        return SecretRef(env=what) if form == "env" else SecretRef(file=what)
    raise ValueError(f"must be {_REFERENCE_FORMS}")


def _read_text_or_secret(value: object) -> str | SecretRef:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | SecretRef):
        return read_secret(value)
    is_plain = isinstance(value, bool | int | float)
    raise ValueError(f"must be text or {_REFERENCE_FORMS}" if not is_plain else "must be text\nput quotes around it")


_SECRET_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        "env": {"type": "string"},
        "file": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
}


def _absolute(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(path.startswith("/") and path.isprintable() for path in value):
        raise ValueError("holds something that is no absolute path")
    return value


Words: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(one_or_many, json_schema_input_type=str | tuple[str, ...])
]
"""One word, or a list of them."""
AbsolutePaths: TypeAlias = Annotated[Words, AfterValidator(_absolute)]
"""One absolute path or pattern, or a list of them."""
ExitCode: TypeAlias = Annotated[int, Field(ge=0, le=255, strict=True)]
Seconds: TypeAlias = Annotated[
    int, PlainValidator(_read_seconds), WithJsonSchema({"type": "string", "examples": ["30s", "5m", "4h", "8d"]})
]
"""A duration with its unit, in seconds."""
Bytes: TypeAlias = Annotated[
    int, PlainValidator(_read_bytes), WithJsonSchema({"type": "string", "examples": ["500kB", "1MB"]})
]
"""A size with its unit, in bytes."""
Secret: TypeAlias = Annotated[SecretRef, PlainValidator(read_secret), WithJsonSchema(_SECRET_SCHEMA)]
TextOrSecret: TypeAlias = Annotated[
    str | SecretRef,
    PlainValidator(_read_text_or_secret),
    WithJsonSchema({"anyOf": [{"type": "string"}, _SECRET_SCHEMA]}),
]
"""Text, or a reference to a secret; an error never shows what was written."""
