"""What pydantic found, as sentences for people with the path in the file."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from opsrunner.config.mistakes import Mistake, did_you_mean
from opsrunner.config.positions import Path
from opsrunner.records import dataclass
from opsrunner.schedules.parsing import as_written

MOST_ERRORS = 300
"""Of one value; more are not looked at. A union gives several for one mistake."""
_NEEDED = "is needed"
_FIGURES = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_TEXT = frozenset({"string_type", "string_sub_type", "string_unicode", "bytes_type"})
_WHOLE = frozenset({"int_type", "int_parsing", "int_from_float", "int_parsing_size"})
_NUMBER = frozenset({"float_type", "float_parsing", "finite_number", "decimal_type", "decimal_parsing"})
_FLAG = frozenset({"bool_type", "bool_parsing"})
_LIST = frozenset({"list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type", "sequence_str"})
_MAPPING = frozenset(
    {"dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type"}
)
_CHOICE = frozenset({"literal_error", "enum"})
_UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_WRONG_SHAPE = _TEXT | _WHOLE | _NUMBER | _FLAG | _LIST | _MAPPING | {"none_required", "is_instance_of"}
_SHAPES: tuple[tuple[frozenset[str], str], ...] = (
    (_TEXT, "text"),
    (_WHOLE, "a whole number"),
    (_NUMBER, "a number"),
    (_FLAG, "true or false"),
    (_LIST, "a list"),
    (_MAPPING, "a mapping (key: value)"),
)
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
}


@dataclass(frozen=True)
class _Found:
    """One error of pydantic: `path` holds only what is in the file, `forks` the unions passed on the way."""

    error: Mapping[str, Any]
    path: Path
    forks: tuple[tuple[Path, str], ...]


def mistakes_of(exc: ValidationError, *, data: Any, model: type[BaseModel]) -> list[Mistake]:
    """Return the mistakes in `data`; of a union, only those of the form that was meant."""
    found = [_found(error, data) for error in exc.errors(include_url=False)[:MOST_ERRORS]]
    mistakes = [_mistake(one, model, data) for one in _meant(found)]
    meant = {(mistake.path[:-1], mistake.hint) for mistake in mistakes if mistake.on_key}
    return [mistake for mistake in mistakes if not _is_slip(mistake, meant)]


def _is_slip(mistake: Mistake, meant: Collection[tuple[Path, str]]) -> bool:
    """Tell whether a key is missing only because it stands there with a slip of the keyboard."""
    hint = did_you_mean(str(mistake.path[-1]), (str(mistake.path[-1]),)) if mistake.path else ""
    return mistake.message == _NEEDED and (mistake.path[:-1], hint) in meant


def _found(error: Mapping[str, Any], data: Any) -> _Found:
    path: list[str | int] = []
    forks: list[tuple[Path, str]] = []
    value = data
    location = error["loc"]
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        inside, following = _step_into(value, part)
        if inside or (is_last and error["type"] == "missing"):
            path.append(part)
            value = following
        else:
            forks.append((tuple(path), str(part)))
    return _Found(error, tuple(path), tuple(forks))


def _step_into(value: Any, part: str | int) -> tuple[bool, Any]:
    if isinstance(value, dict) and part in value:
        return True, value[part]
    if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
        return True, value[part]
    return False, None


def _meant(found: list[_Found]) -> list[_Found]:
    """Keep, at every fork, the branches that got furthest into what was written."""
    kept: list[_Found] = []
    groups: dict[Path, list[_Found]] = {}
    for one in found:
        if one.forks:
            groups.setdefault(one.forks[0][0], []).append(one)
        else:
            kept.append(one)
    for at, group in groups.items():
        kept.extend(_best_branch(at, group))
    return kept


def _best_branch(at: Path, group: list[_Found]) -> list[_Found]:
    branches: dict[str, list[_Found]] = {}
    for one in group:
        branches.setdefault(one.forks[0][1], []).append(one)
    if len(branches) == 1:
        return _meant([dataclasses.replace(one, forks=one.forks[1:]) for one in group])
    meant = {name: errors for name, errors in branches.items() if not _is_other_shape(at, errors)}
    if not meant:
        return [_merged(group)]
    best = min(meant.values(), key=len)
    return _meant([dataclasses.replace(one, forks=one.forks[1:]) for one in best])


def _is_other_shape(at: Path, errors: list[_Found]) -> bool:
    return all(one.path == at and _is_wrong_shape(one.error) for one in errors)


def _is_wrong_shape(error: Mapping[str, Any]) -> bool:
    is_word = isinstance(error.get("input"), str)
    return error["type"] in _WRONG_SHAPE or (error["type"] in _CHOICE and not is_word)


def _merged(group: list[_Found]) -> _Found:
    shapes = dict.fromkeys(_wanted(one.error) for one in group)
    wanted = " or ".join(shape for shape in shapes if shape)
    error = {**group[0].error, "type": "value_error", "ctx": {"error": f"must be {wanted}"}}
    return _Found(error, group[0].path, ())


def _wanted(error: Mapping[str, Any]) -> str:
    if error["type"] in _CHOICE:
        return f"one of {', '.join(_choices(error))}"
    return _shape_of(error["type"])


def _shape_of(kind: str) -> str:
    return next((name for kinds, name in _SHAPES if kind in kinds), "")


def _mistake(found: _Found, model: type[BaseModel], data: Any) -> Mistake:
    kind = found.error["type"]
    if kind in _UNKNOWN_KEY:
        return _unknown_key(found.path, model, data)
    if kind == "missing":
        return Mistake(path=found.path, message=_NEEDED)
    message, hint = _sentence(found.error)
    return Mistake(path=found.path, message=message, hint=hint)


def _unknown_key(path: Path, model: type[BaseModel], data: Any) -> Mistake:
    """Return that nothing is called so here, or that only another form of this mapping has such a key."""
    key, forms = str(path[-1]), _forms_at(model, path[:-1])
    for part in path[:-1]:
        _, data = _step_into(data, part)
    meant = [form for form in forms if all(name in data for name, needed in form.items() if needed)] or forms
    if not any(key in form for form in forms):
        known = {name for form in meant for name in form}
        return Mistake(path=path, message="unknown key", hint=did_you_mean(key, known), on_key=True)
    beside = next((f"`{name}`" for form in meant for name, needed in form.items() if needed), "what stands beside it")
    return Mistake(path=path, message=f"does not go with {beside}", hint="leave it out", on_key=True)


def _sentence(error: Mapping[str, Any]) -> tuple[str, str]:
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        message, _, hint = str(context.get("error", error["msg"])).partition("\n")
        return message, hint
    if shape := _shape_of(kind):
        return _wrong_shape(shape, value)
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context[name]}", ""
    if kind in _CHOICE:
        return _wrong_choice(_choices(error), value)
    return _SPECIAL.get(kind, _anything_else)(error)


def _wrong_shape(shape: str, value: Any) -> tuple[str, str]:
    if value is None:
        return f"is empty, it must be {shape}", ""
    if shape == "text" and isinstance(value, bool | int | float):
        return "must be text", "put quotes around it"
    if shape in ("a number", "a whole number") and isinstance(value, str) and _FIGURES.fullmatch(value):
        return f"must be {shape}, not {as_written(value)}", "leave the quotes out"
    return f"must be {shape}, not {as_written(value)}", ""


def _choices(error: Mapping[str, Any]) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    return [word.strip(" '\"") for word in expected.replace(" or ", ",").split(",")]


def _wrong_choice(choices: list[str], value: Any) -> tuple[str, str]:
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"must be one of: {', '.join(choices)}", hint


def _too_short(error: Mapping[str, Any]) -> tuple[str, str]:
    least = error.get("ctx", {}).get("min_length", 1)
    return ("must not be empty" if least == 1 else f"must have at least {least} entries"), ""


def _anything_else(error: Mapping[str, Any]) -> tuple[str, str]:
    message = str(error["msg"]).replace("Input should", "must", 1)
    return message[:1].lower() + message[1:], ""


_SPECIAL: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, str]]] = {
    "string_too_short": _too_short,
    "too_short": _too_short,
    "string_pattern_mismatch": lambda error: (f"{as_written(error['input'])} is not written as it must be", ""),
    "none_required": lambda _: ("must be left out", ""),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        lambda _: ("must be a date such as 2026-12-24", ""),
    ),
}


def _forms_at(annotation: Any, path: Path) -> list[Mapping[str, bool]]:
    """Return the forms that a mapping at `path` below `annotation` may take: its keys, and whether each is needed."""
    forms: list[Mapping[str, bool]] = []
    for member in _members(annotation):
        fields = _fields_of(member)
        if not path and fields:
            forms.append({name: needed for name, (_, needed) in fields.items()})
            continue
        item = _item_of(member)
        if path and str(path[0]) in fields:
            forms += _forms_at(fields[str(path[0])][0], path[1:])
        elif item is not None:
            is_one = not path or (isinstance(path[0], str) and get_origin(member) in (list, tuple))
            forms += _forms_at(item, path if is_one else path[1:])  # a list of one may be written as its item
    return forms


def _members(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(_as_input(get_args(annotation)[0], get_args(annotation)[1:]))
    if origin in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _as_input(annotation: Any, metadata: Iterable[Any]) -> Any:
    """Return what a value is written as, where one of ours reads it into something else."""
    inputs = (getattr(one, "json_schema_input_type", PydanticUndefined) for one in metadata)
    return next((one for one in inputs if one not in (PydanticUndefined, Any)), annotation)


def _fields_of(member: Any) -> dict[str, tuple[Any, bool]]:
    """Return the keys of a model with the types that they are written in, and whether they are needed."""
    if not isinstance(member, type):
        return {}
    if issubclass(member, BaseModel):
        return {
            field.alias or name: (_as_input(field.annotation, field.metadata), field.is_required())
            for name, field in member.model_fields.items()
        }
    if dataclasses.is_dataclass(member):
        return {field.name: (None, False) for field in dataclasses.fields(member)}
    return {}


def _item_of(member: Any) -> Any:
    arguments = [argument for argument in get_args(member) if argument is not Ellipsis]
    return arguments[-1] if arguments else None
