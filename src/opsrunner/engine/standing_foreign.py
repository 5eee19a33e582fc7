"""How the backups stand that other tools make, as each `backup_check` step last found them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.engine.standing_copies import is_in_time, restored_within
from opsrunner.model.digest import Tone
from opsrunner.model.foreign import ForeignState, KnownForeign
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac


@dataclass(frozen=True, kw_only=True)
class ForeignStanding:
    """What one step knows."""

    routine: Routine
    step: str
    backups: tuple[KnownForeign, ...]
    restored_within: timedelta | None

    @property
    def gaps(self) -> tuple[KnownForeign, ...]:
        """What has no backup that one could count on, for the longest time first."""
        found = [one for one in self.backups if one.state.is_gap]
        return tuple(sorted(found, key=lambda one: (one.since or one.checked_at, one.key)))

    @property
    def unrestorable(self) -> tuple[KnownForeign, ...]:
        """Those whose last drill found something wrong."""
        return tuple(one for one in self.backups if one.problem)

    @property
    def fine(self) -> int:
        """How many have a backup that nothing speaks against."""
        return sum(one.state is ForeignState.FINE and not one.problem for one in self.backups)

    @property
    def new(self) -> int:
        """How many are too new to have one."""
        return sum(one.state is ForeignState.NEW for one in self.backups)

    @property
    def checked_at(self) -> datetime | None:
        """When it last looked, and saw."""
        return max((one.checked_at for one in self.backups), default=None)

    @property
    def restored_at(self) -> datetime | None:
        """When one of them was last restored."""
        return max((one.restored_at for one in self.backups if one.restored_at), default=None)

    def is_checked_in_time(self, now: datetime, almanac: Almanac) -> bool:
        """Tell whether no check was due since the last one."""
        return self.checked_at is not None and is_in_time(self.routine, self.checked_at, now=now, almanac=almanac)

    def verdict(self, now: datetime, almanac: Almanac) -> tuple[Tone, str]:
        """Return how it stands, in a word or two."""
        if self.checked_at is None:
            return "nothing", "not checked yet"
        if self.unrestorable:
            return "failed", "drill failed"
        if self.gaps:
            count = len(self.gaps)
            is_bad = any(tone_of(one) == "failed" for one in self.gaps)
            return "failed" if is_bad else "look", f"{count} gap{'' if count == 1 else 's'}"
        if not self.is_checked_in_time(now, almanac):
            return "look", "not checked"
        if self.proof_overdue_since(now) is not None:
            return "look", "proof overdue"
        return ("fine", "proven and fresh") if self.restored_at else ("look", "never restored")

    def proof_overdue_since(self, now: datetime) -> datetime | None:
        """Return since when a proof by restoring is overdue, None where it is not, or none is asked for.

        Where nothing was ever restored it is waited for since the first of them was expected.
        """
        if self.restored_within is None or self.checked_at is None:
            return None
        first_seen = min(one.first_seen_at for one in self.backups)
        due = (self.restored_at or first_seen) + self.restored_within
        return due if due < now else None


def tone_of(one: KnownForeign) -> Tone:
    """Return how one of them is shown."""
    if one.problem or (one.state.is_gap and one.state is not ForeignState.SMALL):
        return "failed"
    return "look" if one.state.is_gap else "fine"


def foreign_standings(desk: Desk) -> Iterator[ForeignStanding]:
    """Yield what every backup_check step of the site knows, also of one that has not looked yet."""
    for routine in desk.site().routines.values():
        for plan in routine.steps:
            if plan.kind == "backup_check":
                yield _of_step(desk, routine, plan)


def _of_step(desk: Desk, routine: Routine, plan: StepPlan) -> ForeignStanding:
    return ForeignStanding(
        routine=routine,
        step=plan.id,
        backups=tuple(desk.books.foreign.of(routine.id, plan.id)),
        restored_within=restored_within(plan),
    )
