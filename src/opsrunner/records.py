"""Dataclasses that write their methods when these are first used, and not while their module is imported.

The standard library compiles up to six methods for each class at once, two thirds of a millisecond in all. A verb
imports some 270 classes and makes instances of a few dozen: that was a fifth of what a person waits for `opsrunner
check`. The idea is that of David Beazley's cluegen. What a class can do is the standard library's own, and a test
holds each act against that.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_WRITTEN = ("__init__", "__repr__", "__eq__", "__hash__")
_LATER = frozenset({"frozen", "kw_only"})
"""Options of classes whose methods can wait; those with others are made at once."""

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, **options: bool) -> Any:
        """Make a dataclass, as `dataclasses.dataclass` does."""
        if cls is None:
            return lambda cls: dataclass(cls, **options)
        if not _LATER.issuperset(options):
            return dataclasses.dataclass(cls, **options)
        return _written_later(cls, **options)


def _written_later(cls: type, *, frozen: bool = False, kw_only: bool = False) -> type:
    own = dict(cls.__dict__)
    if own.get("__hash__", cls) is None and "__eq__" in own:
        del own["__hash__"]  # Python's own doing, as the class says what is equal
    if cls.__doc__ is None:
        cls.__doc__ = cls.__name__  # else its signature is looked for
    dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only)
    for name in _WRITTEN:
        if name not in own:
            setattr(cls, name, _first_use(cls, name, frozen=frozen))
    if not frozen and "__hash__" not in own:
        cls.__hash__ = None  # type: ignore[assignment]  # what can change has no hash
    if frozen:
        cls.__setattr__ = _refuse_assignment  # type: ignore[assignment]  # as a frozen one's own
        cls.__delattr__ = _refuse_deletion  # type: ignore[assignment]  # as above
    return cls


def _first_use(cls: type, name: str, *, frozen: bool) -> Any:
    """Return what stands for a method until it is called."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if cls.__dict__[name] is method:  # another thread may have been here
            setattr(cls, name, _method(cls, name, frozen=frozen))
        return getattr(cls, name)(self, *args, **kwargs)

    return method


def _method(cls: Any, name: str, *, frozen: bool) -> Any:
    """Return a method of a class: its beginning in our words, all else in the standard library's."""
    if name == "__init__":
        return _beginning(cls)
    fields: Any = [(field.name, field.type, field) for field in dataclasses.fields(cls)]
    only: dict[str, Any] = {"init": False, "repr": name == "__repr__", "eq": name != "__repr__"}
    return dataclasses.make_dataclass(cls.__name__, fields, frozen=frozen, **only).__dict__[name]


def _beginning(cls: Any) -> Any:
    """Return the `__init__` of a class: the standard library's compiles two more methods along, where it is frozen."""
    names: dict[str, Any] = {"_set": object.__setattr__, "_MADE": dataclasses.MISSING}
    positional, by_name, lines = ["self"], list[str](), list[str]()
    for field in dataclasses.fields(cls):
        value = field.name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{field.name}"] = field.default_factory
            value = f"_make_{field.name}()" + (f" if {field.name} is _MADE else {field.name}" if field.init else "")
        if field.init:
            (by_name if field.kw_only else positional).append(field.name + _default(field, names))
        if field.init or value != field.name:
            lines.append(f"    _set(self, {field.name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    parameters = ", ".join([*positional, *(["*", *by_name] if by_name else [])])
    exec("\n".join([f"def __init__({parameters}):", *(lines or ["    pass"])]), names)  # noqa: S102 - names of fields only
    beginning = names["__init__"]
    beginning.__qualname__ = f"{cls.__qualname__}.__init__"
    beginning.__module__ = cls.__module__
    return beginning


def _default(field: dataclasses.Field[Any], names: dict[str, Any]) -> str:
    """Return what stands behind a parameter; its value is put among `names`."""
    if field.default_factory is not dataclasses.MISSING:
        return "=_MADE"
    if field.default is dataclasses.MISSING:
        return ""
    names[f"_default_{field.name}"] = field.default
    return f"=_default_{field.name}"


def _refuse_assignment(self: object, name: str, value: object) -> None:  # noqa: ARG001 (Python calls it so)
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: object, name: str) -> None:  # noqa: ARG001 (Python calls it so)
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
