"""A real ledger in a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.ledger.books import Books
from opsrunner.model.task import NewTask, TaskKind


@pytest.fixture
def now() -> datetime:
    """Friday 20 November 2026, 07:00 in Oslo."""
    return datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """All tables of a new ledger."""
    opened = Books.open(tmp_path / "ledger.db")
    yield opened
    opened.ledger.close()


@pytest.fixture
def new_task(now: datetime) -> Callable[..., NewTask]:
    """Make a task of the routine `nightly`, not yet written: `new_task(key="17")`."""

    def make(**changes: Any) -> NewTask:
        plain = NewTask(
            kind=TaskKind.ROUTINE,
            run=None,
            routine="nightly",
            step="ask",
            item="ask",
            title="Read the report",
            role="sysadmin",
            opened_at=now,
        )
        return replace(plain, **changes)

    return make
