"""Finds the references to secrets in what has been read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from opsrunner.config.positions import Path
from opsrunner.secrets import SecretRef


@dataclass(frozen=True, kw_only=True)
class SecretPlace:
    """A reference, and where it stands."""

    path: Path
    secret: SecretRef


def secrets_in(value: Any, path: Path = ()) -> Iterator[SecretPlace]:
    """Return every reference in models, mappings and lists."""
    if isinstance(value, SecretRef):
        yield SecretPlace(path=path, secret=value)
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from secrets_in(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from secrets_in(item, (*path, name))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from secrets_in(item, (*path, position))
