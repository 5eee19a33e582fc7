"""How long tests wait, and how quick things must be, on a machine that others use as well."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def until(is_so: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that comes soon."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.02)


def within(seconds: float, act: Callable[[], T], *, tries: int = 3, clock: Callable[[], float] = time.monotonic) -> T:
    """Do something that must take less than `seconds`, and return what came of it.

    What is slow is slow each time, and a machine that is busy is so for once: it is done anew where it took too long,
    `tries` times at the most. With `time.thread_time` as `clock` only what this thread does is counted. Objects that
    other tests have left in this process are not: collecting garbage would walk over them.
    """
    took: list[float] = []
    gc.freeze()
    try:
        while len(took) < tries:
            began = clock()
            came = act()
            took.append(clock() - began)
            if took[-1] < seconds:
                return came
    finally:
        gc.unfreeze()
    raise AssertionError(f"not within {seconds:g} s, but {', '.join(f'{each:.2f} s' for each in took)}")


def raised(error: type[E], act: Callable[[], object], *, match: str | None = None) -> E:
    """Return the error that an act must end with."""
    with pytest.raises(error, match=match) as caught:
        act()
    return caught.value
