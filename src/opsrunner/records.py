"""Dataclasses that write their methods when these are first used, and not while their module is imported.

The standard library compiles up to six methods for each class at once, two thirds of a millisecond in all. A verb
imports some 270 classes and makes instances of a few dozen: that was a fifth of what a person waits for `opsrunner
check`. The idea is that of David Beazley's cluegen. What a class can do, and each method once it is written, is the
standard library's own.
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


def _method(cls: type, name: str, *, frozen: bool) -> Any:
    """Return a method as the standard library writes it for the fields of a class."""
    fields: Any = [(field.name, field.type, field) for field in dataclasses.fields(cls)]
    body = {"__qualname__": cls.__qualname__}
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    only: dict[str, Any] = {
        "init": name == "__init__",
        "repr": name == "__repr__",
        "eq": name in ("__eq__", "__hash__"),
    }
    return dataclasses.make_dataclass(cls.__name__, fields, namespace=body, frozen=frozen, **only).__dict__[name]


def _refuse_assignment(self: object, name: str, value: object) -> None:  # noqa: ARG001 (Python calls it so)
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(self: object, name: str) -> None:  # noqa: ARG001 (Python calls it so)
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
