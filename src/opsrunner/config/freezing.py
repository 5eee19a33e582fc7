"""A routine as text, to be kept with each of its runs, and back."""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter, ValidationError

from opsrunner.errors import StateError
from opsrunner.model.routine import Routine


@cache
def _adapter() -> TypeAdapter[Routine]:
    return TypeAdapter(Routine)


def freeze(routine: Routine) -> str:
    """Return the routine as JSON; secrets stand in it as references only."""
    return _adapter().dump_json(routine).decode("utf-8")


def thaw(text: str) -> Routine:
    """Return the routine that `freeze` made into text. Raises StateError where it is not one."""
    try:
        return _adapter().validate_json(text)
    except ValidationError as exc:
        raise StateError("a frozen routine cannot be read; it was written by another version") from exc
