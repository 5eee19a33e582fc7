"""How the copies of each backup step stand: the newest, how it was proven, and what is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.model.backup import Copy, CopyState, Keep
from opsrunner.model.digest import Tone
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import upcoming
from opsrunner.schedules.parsing import parse_duration
from opsrunner.steps.backup import KeepOptions

SLACK = timedelta(hours=2)
"""How long a copy or a check may take before the one before it is called old."""
BY_HAND = timedelta(days=1)
"""How long one is fresh that no schedule asks for."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The copies of one step, for each row's key apart."""

    routine: Routine
    step: str
    key: str
    copies: tuple[Copy, ...]
    """Those that lie in stores, newest first."""
    restored_within: timedelta | None
    """How long a proof by restoring may lie back, where the step says it."""
    keep: Keep
    """How many copies stay; all of them where the step says nothing."""

    @property
    def newest_good(self) -> Copy | None:
        """The newest copy that can be counted on."""
        return next((copy for copy in self.copies if copy.state is CopyState.GOOD), None)

    @property
    def damaged(self) -> tuple[Copy, ...]:
        """The copies that are not what was sent."""
        return tuple(copy for copy in self.copies if copy.state is CopyState.DAMAGED)

    @property
    def restored_at(self) -> datetime | None:
        """When something of any of them was last restored and compared."""
        return max((copy.restored_at for copy in self.copies if copy.restored_at), default=None)

    def is_fresh(self, now: datetime, almanac: Almanac) -> bool:
        """Tell whether the newest copy is good, and none was due since."""
        newest = self.newest_good
        if newest is None or newest is not self.copies[0]:
            return False
        return is_in_time(self.routine, newest.made_at, now=now, almanac=almanac)

    def verdict(self, now: datetime, almanac: Almanac) -> tuple[Tone, str]:
        """Return how it stands, in a word or two."""
        if self.damaged:
            return "failed", "damaged"
        if not self.copies:
            return "nothing", "no copy yet"
        if self.newest_good is not self.copies[0]:
            return "look", "in doubt"
        if self.proof_overdue_since(now) is not None:
            return "look", "proof overdue"
        if not self.is_fresh(now, almanac):
            return "look", "old"
        return ("fine", "proven and fresh") if self.restored_at else ("look", "never restored")

    def proof_overdue_since(self, now: datetime) -> datetime | None:
        """Return since when a proof by restoring is overdue, None where it is not, or none is asked for."""
        if self.restored_within is None or not self.copies:
            return None
        proven = self.restored_at or min(copy.made_at for copy in self.copies)
        due = proven + self.restored_within
        return due if due < now else None


def standings(desk: Desk) -> Iterator[Standing]:
    """Yield how the copies of every backup step of the site stand, also of one that has none yet."""
    for routine in desk.site().routines.values():
        for plan in routine.steps:
            if plan.kind == "backup":
                yield from _of_step(desk, routine, plan)


def is_in_time(routine: Routine, made_at: datetime, *, now: datetime, almanac: Almanac) -> bool:
    """Tell whether no other copy or check of a routine was due since that one."""
    coming = upcoming(routine.schedule, after=made_at, count=1, almanac=almanac)
    return now <= (coming[0].planned_at + SLACK if coming else made_at + BY_HAND)


def restored_within(plan: StepPlan) -> timedelta | None:
    """Return how long a proof by restoring may lie back, where a step says it."""
    within = plan.options.get("restored_within")
    return timedelta(seconds=parse_duration(within)) if isinstance(within, str) else None


def _of_step(desk: Desk, routine: Routine, plan: StepPlan) -> Iterator[Standing]:
    by_key: dict[str, list[Copy]] = {}
    for copy in desk.books.copies.lying(routine=routine.id, step=plan.id):
        by_key.setdefault(copy.key, []).append(copy)
    keep = plan.options.get("keep")
    for key, copies in sorted(by_key.items()) or [("", [])]:
        yield Standing(
            routine=routine,
            step=plan.id,
            key=key,
            copies=tuple(copies),
            restored_within=restored_within(plan),
            keep=KeepOptions.model_validate(keep or {}).to_keep(),
        )
