"""Finds the references to secrets in what has been read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from opsrunner.config.positions import Path
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretPlace:
    """A reference, and where it stands."""

    path: Path
    secret: SecretRef


def secrets_in(value: Any, path: Path = ()) -> Iterator[SecretPlace]:
    """Return every reference in models, mappings and lists."""
    if isinstance(value, SecretRef):
        yield SecretPlace(path=path, secret=value)
    elif isinstance(value, BaseModel):
        for name, written in _fields_with_secrets(type(value)):
            yield from secrets_in(getattr(value, name), (*path, written))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from secrets_in(item, (*path, name))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from secrets_in(item, (*path, position))


@cache
def _fields_with_secrets(model: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    """Return the fields that can hold a reference, each as it is called and as it is written."""
    fields = model.model_fields.items()
    return tuple((name, field.alias or name) for name, field in fields if _can_hold_secrets(field.annotation))


def _can_hold_secrets(annotation: Any) -> bool:
    if arguments := get_args(annotation):
        return any(_can_hold_secrets(argument) for argument in arguments)
    if not isinstance(annotation, type):
        return False
    return annotation is SecretRef or (issubclass(annotation, BaseModel) and bool(_fields_with_secrets(annotation)))
