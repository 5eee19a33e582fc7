"""Dataclasses that write their methods when they are first used: the same as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, field
from functools import cached_property
from threading import Barrier
from typing import Any

import pytest

from opsrunner import records


def classes_by(dataclass: Callable[..., Any]) -> dict[str, Any]:
    """Return classes of the shapes that there are, made by a decorator."""

    @dataclass(frozen=True, kw_only=True)
    class Host:
        """A host."""

        name: str
        tags: tuple[str, ...] = ()
        facts: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
        _long: int = 0

        def __post_init__(self) -> None:
            object.__setattr__(self, "_long", len(self.name))

        @cached_property
        def shout(self) -> str:
            """Said once."""
            return self.name.upper()

    @dataclass(frozen=True, kw_only=True)
    class Web(Host):
        port: int = 80

    @dataclass(kw_only=True)
    class Count:
        """It changes."""

        seen: int = 0

    @dataclass(frozen=True)
    class Pair:
        """By position."""

        left: int
        right: int = 2

    @dataclass(frozen=True, kw_only=True)
    class Own:  # noqa: PLW1641 - the decorator gives it a hash
        """With words of its own."""

        value: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

    @dataclass
    class Mixed:
        """Some by position, some by name, some not given at all."""

        first: int
        second: list[int] = field(default_factory=list)
        third: str = field(default="c", kw_only=True)
        fourth: dict[str, int] = field(init=False, default_factory=dict)
        fifth: int = field(init=False, default=5)

    @dataclass(frozen=True)
    class Empty:
        """Nothing in it."""

    @dataclass(frozen=True, kw_only=True, order=True)
    class Ordered:
        """Made at once."""

        rank: int

    return {made.__name__: made for made in (Host, Web, Count, Pair, Own, Mixed, Empty, Ordered)}


OURS, THEIRS = classes_by(records.dataclass), classes_by(dataclasses.dataclass)


def told(act: Callable[[], Any]) -> str:
    """Return what an act comes to, in words."""
    try:
        return repr(act()).replace(" object at ", "")
    except Exception as exc:  # noqa: BLE001 - whatever it is, both have to raise it
        return f"{type(exc).__name__}: {exc}"


def changed(count: Any) -> Any:
    """Return it with another value."""
    count.seen = 3
    return count


ACTS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("repr", lambda of: of["Web"](name="web1", tags=("a",))),
    ("missing", lambda of: of["Host"]()),
    ("unknown", lambda of: of["Host"](name="a", nmae="b")),
    ("by position", lambda of: of["Host"]("a")),
    ("equal", lambda of: (of["Host"](name="a") == of["Host"](name="a"), of["Host"](name="a") == of["Host"](name="b"))),
    ("not compared", lambda of: of["Host"](name="a", facts={"x": 1}) == of["Host"](name="a")),
    ("another class", lambda of: of["Host"](name="a") == of["Web"](name="a")),
    ("in a set", lambda of: len({of["Host"](name="a"), of["Host"](name="a"), of["Host"](name="b")})),
    ("no hash", lambda of: hash(of["Count"]())),
    ("hash of a list", lambda of: hash(of["Host"](name="a", tags=[]))),
    ("assigned", lambda of: setattr(of["Host"](name="a"), "name", "b")),
    ("deleted", lambda of: delattr(of["Host"](name="a"), "name")),
    ("assigned below", lambda of: setattr(of["Web"](name="a"), "name", "b")),
    ("what changes", lambda of: changed(of["Count"]())),
    ("replaced", lambda of: dataclasses.replace(of["Web"](name="a"), port=8080)),
    ("as a dict", lambda of: dataclasses.asdict(of["Web"](name="a"))),
    ("fields", lambda of: [one.name for one in dataclasses.fields(of["Web"])]),
    ("is one", lambda of: dataclasses.is_dataclass(of["Pair"])),
    ("matched", lambda of: (of["Pair"].__match_args__, of["Host"].__match_args__)),
    ("said once", lambda of: of["Web"](name="a").shout),
    ("after", lambda of: of["Web"](name="abc")._long),
    ("copied", lambda of: copy.deepcopy(of["Web"](name="a", facts={"x": 1})).facts),
    ("own words", lambda of: (of["Own"](value=1), of["Own"](value=1) == of["Own"](value=2), hash(of["Own"](value=1)))),
    ("ordered", lambda of: of["Ordered"](rank=1) < of["Ordered"](rank=2)),
    ("mixed", lambda of: (of["Mixed"](1), of["Mixed"](1, [2], third="d"), of["Mixed"](first=3).fifth)),
    ("too many", lambda of: of["Mixed"](1, [], "c")),
    ("not to be given", lambda of: of["Mixed"](1, fourth={})),
    ("empty", lambda of: (of["Empty"](), of["Empty"]() == of["Empty"]())),
    ("given twice", lambda of: of["Pair"](1, left=2)),
    ("each its own", lambda of: of["Host"](name="a").facts is of["Host"](name="a").facts),
]


@pytest.mark.parametrize("act", [act for _, act in ACTS], ids=[name for name, _ in ACTS])
def test_a_class_does_what_the_standard_library_s_does(act: Callable[[dict[str, Any]], Any]) -> None:
    first, again = (told(lambda: act(OURS)) for _ in range(2))
    assert first == again == told(lambda: act(THEIRS))


def test_nothing_is_written_before_it_is_used() -> None:
    @records.dataclass(frozen=True, kw_only=True)
    class Idle:
        """Nobody makes one."""

        value: int

    waiting = Idle.__init__
    assert waiting.__module__ == "opsrunner.records"
    Idle(value=1)
    assert Idle.__init__ is not waiting
    assert Idle.__repr__.__module__ == "opsrunner.records", "nobody asked for words"


def test_threads_that_use_one_first_at_the_same_time_all_get_it() -> None:
    for _ in range(200):

        @records.dataclass(frozen=True, kw_only=True)
        class Shared:
            """Made by many at once."""

            value: int

        together = Barrier(4)

        def make(value: int, barrier: Barrier = together, cls: type = Shared) -> Any:
            barrier.wait()
            return cls(value=value).value

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(make, range(4))) == [0, 1, 2, 3]


@records.dataclass(frozen=True, kw_only=True)
class Kept:
    """One that other processes can read."""

    value: int


def test_it_goes_through_pickle() -> None:
    assert pickle.loads(pickle.dumps(Kept(value=3))) == Kept(value=3)


def test_what_is_frozen_stays_so_before_its_first_use() -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'value'"):
        Kept(value=1).value = 2  # type: ignore[misc]  # that is what it refuses
