"""A store that is read only as long as its step may go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsrunner.archives.watched import Watched
from opsrunner.errors import StepFailed
from opsrunner.stores.local import LocalFolder


def test_a_reading_ends_where_its_time_is_over(tmp_path: Path) -> None:
    store = LocalFolder(tmp_path / "copies")
    upload = store.begin("big")
    upload.write(bytes(10 << 20))
    upload.finish()
    asked: list[int] = []

    def require_time() -> None:
        asked.append(1)
        if len(asked) > 3:
            raise StepFailed("no end after 1 s", status="timed_out")

    with Watched(store, require_time=require_time) as watched:
        pieces = watched.read("big")
        assert next(pieces)
        with pytest.raises(StepFailed, match="no end after"):
            list(pieces)
        assert [stored.name for stored in watched.list()] == ["big"]
