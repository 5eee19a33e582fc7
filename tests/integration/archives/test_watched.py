"""A store that is read only as long as its step may go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import cast

import pytest

from opsrunner.archives.watched import Watched
from opsrunner.errors import StepFailed
from opsrunner.model.store import Stored
from opsrunner.stores.base import Store


class Endless:
    """A folder in a folder in a folder, and never a file."""

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        for number in count():
            if not may_hold(f"{prefix}{number}"):
                return
        yield from ()


def test_a_survey_that_finds_nothing_ends_with_its_step() -> None:
    left = iter(range(100))

    def require_time() -> None:
        if next(left, None) is None:
            raise StepFailed("no end after 1 s", status="timed_out")

    with pytest.raises(StepFailed, match="no end after 1 s"):
        list(Watched(cast("Store", Endless()), require_time=require_time).survey(may_hold=lambda _: True))
