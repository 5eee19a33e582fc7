"""Values that several kinds read in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from opsrunner.schedules.parsing import parse_duration
from opsrunner.secrets import SecretRef

_FORMS = "{env: NAME}, {file: path} or {command: [program, argument]}"


def _read_seconds(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"must be a duration such as 2s or 5m; {value} has no unit")  # noqa: TRY004
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 2s or 5m")  # noqa: TRY004
    return parse_duration(value)


def _read_text_or_secret(value: object) -> str | SecretRef:
    if isinstance(value, (str, SecretRef)):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"must be text or {_FORMS}; put quotes around a number")  # noqa: TRY004
    if len(value) == 1:
        (form, what), *_ = value.items()
        if form in ("env", "file") and isinstance(what, str) and what:
            return SecretRef(env=what) if form == "env" else SecretRef(file=what)
        if form == "command" and isinstance(what, (list, tuple)) and what:
            return SecretRef(command=tuple(str(word) for word in what))
    raise ValueError(f"a secret is written as {_FORMS}")


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

Seconds: TypeAlias = Annotated[
    int, PlainValidator(_read_seconds), WithJsonSchema({"type": "string", "examples": ["2s", "30s", "5m"]})
]
"""A duration with its unit, in seconds."""
TextOrSecret: TypeAlias = Annotated[
    str | SecretRef,
    PlainValidator(_read_text_or_secret),
    WithJsonSchema({"anyOf": [{"type": "string"}, _SECRET_SCHEMA]}),
]
"""Text, or a reference to a secret; an error never shows what was written."""
