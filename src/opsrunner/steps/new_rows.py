"""`only_new` of a query: of the rows, those that no earlier run of the step has shown, for good.

A row is known by its key alone: that a feed gives it another date, another title or another place does not make it
new. The first look at a group of rows, such as one feed among others, is a baseline: all of it is known from then on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.model.look import Look
from opsrunner.model.outcome import Row, SourceRows
from opsrunner.records import dataclass
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.query import OnlyNew
from opsrunner.steps.suggestions import nearest

_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class NewRows:
    """The rows that were not shown before, and what to tell of the others."""

    only_new: OnlyNew
    rows: tuple[Row, ...]
    known: int
    """Rows that were shown before."""
    baseline: int
    """Rows that are known from now on, because nobody had looked at their group before."""
    baseline_of: tuple[str, ...]
    digests: frozenset[bytes]
    """All rows and groups that were looked at."""

    @property
    def words(self) -> str:
        """What people read beside the count of new rows."""
        if not self.baseline_of:
            return f"{self.known} known"
        named = ", ".join(name for name in self.baseline_of[:_MOST_NAMED] if name)
        more = f" and {len(self.baseline_of) - _MOST_NAMED} more" if len(self.baseline_of) > _MOST_NAMED else ""
        of = f" at {named}{more}" if named else ""
        known = f"{self.known} known, " if self.known else ""
        return f"{known}first look{of}: {self.baseline} rows are known from now on"

    def look(self, given: Iterable[Row], call: StepCall) -> Look:
        """Return what is known from now on: all but the new rows that a `limit` holds back for the next run."""
        held_back = _row_digests(self.rows, self.only_new) - _row_digests(given, self.only_new)
        return Look(routine=call.routine, step=call.step, digests=self.digests - held_back)


def pick_new(rows: Sequence[Row], only_new: OnlyNew, call: StepCall, means: Means) -> NewRows:
    """Return the new rows among `rows`. Raises StepFailed where a row has no key."""
    of_rows = [_digest("row", _value(row, only_new.key)) for row in rows]
    groups = [_value(row, only_new.baseline) if only_new.baseline else "" for row in rows]
    of_groups = [_digest("group", group) for group in groups]
    without_rows = {_digest("group", part) for part in _parts(rows, only_new)}
    digests = frozenset([*of_rows, *of_groups, *without_rows])
    known = means.seen_rows(call.routine, call.step, digests)
    if means.is_trial:  # it looks once: a baseline would show nothing of what the step is for
        known |= frozenset(of_groups)
    new: dict[bytes, Row] = {}
    began: Counter[str] = Counter()
    for row, group, of_row, of_group in zip(rows, groups, of_rows, of_groups, strict=True):
        if of_row in known:
            continue
        if of_group in known:
            new.setdefault(of_row, row)
        else:
            began[group] += 1
    return NewRows(
        only_new=only_new,
        rows=tuple(new.values()),
        known=sum(digest in known for digest in of_rows),
        baseline=sum(began.values()),
        baseline_of=tuple(began),
        digests=digests,
    )


def _parts(rows: Sequence[Row], only_new: OnlyNew) -> Sequence[str]:
    """Return the groups that were looked at whether they have rows or not: what comes first in them is new."""
    if only_new.baseline is None:
        return ("",)
    return rows.parts.get(only_new.baseline, ()) if isinstance(rows, SourceRows) else ()


def _row_digests(rows: Iterable[Row], only_new: OnlyNew) -> frozenset[bytes]:
    return frozenset(_digest("row", _value(row, only_new.key)) for row in rows)


def _digest(kind: str, value: str) -> bytes:
    return hashlib.blake2b(f"{kind}\0{value}".encode("utf-8", "replace"), digest_size=16).digest()


def _value(row: Row, column: str) -> str:
    if column not in row:
        raise StepFailed(f"only_new: there is no column '{column}'{nearest(column, row)}", permanent=True)
    value: Any = row[column]
    if value is None or not str(value).strip():
        raise StepFailed(f"only_new: a row has no {column}, so nobody could tell it from others")
    return str(value)
