"""Rows as occasions: what a routine says of the rows that it runs for, and how the look for them stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from opsrunner.model.outcome import Row
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class OnRows:
    """Which rows are occasions: each one, by its `key`, for one run."""

    source: str
    key: str
    """The column that tells one row from another, for good."""
    where: Mapping[str, Any] = field(default_factory=dict)
    sql: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    every_seconds: int = 300

    @property
    def query(self) -> Mapping[str, Any]:
        """What the source is asked for, as a step `query` says it."""
        return {"where": self.where, "sql": self.sql, "params": self.params}


@dataclass(frozen=True, kw_only=True)
class KeyedRow:
    """One row that a routine runs for."""

    key: str
    row: Row


@dataclass(frozen=True, kw_only=True)
class LookStanding:
    """How the looks of one routine stand."""

    routine: str
    meaning: str
    """What is looked for, in words of a machine: another meaning begins anew."""
    tried_at: datetime
    looked_at: datetime | None = None
    """When a look last succeeded."""
    rows: int = 0
    """How many there were then."""
    baseline_at: datetime | None = None
    baseline_rows: int = 0
    """How many were there at the first look: nothing runs for them."""
    error: str = ""
    """Why the last look failed."""
    failing_since: datetime | None = None

    @property
    def is_blind(self) -> bool:
        """Tell whether the last look failed as a whole; else an error is about single rows."""
        return bool(self.error) and (self.looked_at is None or self.looked_at < self.tried_at)
