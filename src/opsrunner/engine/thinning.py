"""What retention comes to for the copies of a step: which stay and why, which go, and which go next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo

from opsrunner.archives.retention import Retention, plan_retention
from opsrunner.engine.standing_copies import Standing
from opsrunner.model.backup import Copy, CopyState, Keep
from opsrunner.records import dataclass

COMING = 0
"""The number of a copy that is not made yet."""


@dataclass(frozen=True, kw_only=True)
class Thinning:
    """What retention comes to for one step in one store."""

    routine: str
    step: str
    store: str
    key: str
    keep: Keep
    retention: Retention
    copies: Mapping[int, Copy]
    """Those that lie in the store by their numbers, newest first."""


def thin(standing: Standing, *, now: datetime, zone: tzinfo) -> Iterator[Thinning]:
    """Yield what retention comes to in a store that has copies of a step; without a `keep` all of them stay."""
    if standing.copies:
        yield Thinning(
            routine=standing.routine.id,
            step=standing.step,
            store=standing.store,
            key=standing.key,
            keep=standing.keep,
            retention=plan_retention(standing.copies, standing.keep, now=now, zone=zone),
            copies={copy.id: copy for copy in standing.copies},
        )


def go_next(thinning: Thinning, *, at: datetime, zone: tzinfo) -> tuple[Copy, ...]:
    """Return what goes once another good copy is made at that moment, oldest first: also what nothing keeps now."""
    if thinning.retention.doubt:
        return ()
    copies = list(thinning.copies.values())
    coming = replace(copies[0], id=COMING, made_at=at, state=CopyState.GOOD)
    return plan_retention([coming, *copies], thinning.keep, now=at, zone=zone).removed
