"""How the copies of each backup step stand in each store: the newest, how it was proven, and what is overdue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.model.backup import AHEAD, MOVED, Copy, CopyState, Keep, PastCopies
from opsrunner.model.digest import Tone
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import next_to_run
from opsrunner.schedules.parsing import parse_duration
from opsrunner.steps.backup import KeepOptions

SLACK = timedelta(hours=2)
"""How long a copy or a check may take before the one before it is called old."""
BY_HAND = timedelta(days=1)
"""How long one is fresh that no schedule asks for."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The copies of one step in one store, for each row's key apart: no store makes up for another."""

    routine: Routine
    step: str
    key: str
    store: str
    is_written_to: bool = True
    """The step has this store still; copies that lie where it once wrote are no backup of today."""
    copies: tuple[Copy, ...]
    """Those that lie in the store, newest first."""
    past: PastCopies | None
    """What is known of these and of those that are gone: a proof is none of the one copy alone."""
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
        """When something of any of them was last restored and compared, also of one that is gone."""
        return self.past.restored_at if self.past else None

    def is_fresh(self, now: datetime, almanac: Almanac) -> bool:
        """Tell whether the newest copy is good and not dated ahead, and none was due since."""
        newest = self.newest_good
        if newest is None or newest is not self.copies[0] or newest.is_ahead(now):
            return False
        return is_in_time(self.routine, newest.made_at, now=now, almanac=almanac)

    def verdict(self, now: datetime, almanac: Almanac) -> tuple[Tone, str]:
        """Return how it stands, in a word or two."""
        if self.damaged:
            return "failed", "damaged"
        if not self.copies or not self.is_written_to:
            return "nothing", "no copy yet" if self.is_written_to else "not written to"
        worry = self._worry(now, almanac)
        return ("look", worry) if worry else ("fine", "proven and fresh")

    def _worry(self, now: datetime, almanac: Almanac) -> str:
        """Return what speaks against copies that lie there and are not damaged, '' where nothing does."""
        if self.copies[0].is_ahead(now):
            return "dated ahead"
        if self.newest_good is not self.copies[0]:
            return "in doubt"
        if self.proof_overdue_since(now) is not None:
            return "proof overdue"
        if not self.is_fresh(now, almanac):
            return "old"
        return "" if self.restored_at else "never restored"

    def proof_overdue_since(self, now: datetime) -> datetime | None:
        """Return since when a proof by restoring is overdue, None where it is not, or none is asked for.

        Where nothing was ever restored it is waited for since the first copy was made, also if that one is gone.
        """
        if self.restored_within is None or self.past is None or not self.copies or not self.is_written_to:
            return None
        due = (self.restored_at or self.past.first_made_at) + self.restored_within
        return due if due < now else None


def standings(desk: Desk, *, at: datetime) -> Iterator[Standing]:
    """Yield how the copies of every backup step of the site stand in each store, also where there is none yet.

    What was proven later than `at` comes from a clock that was wrong, and proves nothing.
    """
    for routine in desk.site().routines.values():
        for plan in routine.steps:
            if plan.kind == "backup":
                yield from _of_step(desk, routine, plan, at=at)


def damage_left_words(standings: Iterable[Standing]) -> str:
    """Return `, 1 damaged copy in a store not written to`, '' where there is none.

    Such a store counts for no backup, so without this what is said of the others would sound well.
    """
    damaged = {copy.id: copy.store for one in standings if not one.is_written_to for copy in one.damaged}
    if not damaged:
        return ""
    copies = "1 damaged copy" if len(damaged) == 1 else f"{len(damaged):,} damaged copies"
    stores = "a store" if len(set(damaged.values())) == 1 else "stores"
    return f", {copies} in {stores} not written to"


def is_in_time(routine: Routine, made_at: datetime, *, now: datetime, almanac: Almanac) -> bool:
    """Tell whether no other copy or check of a routine was due since that one; what its schedule skips was not."""
    coming = next_to_run(routine.schedule, after=made_at, almanac=almanac)
    return now <= (coming.planned_at + SLACK if coming else made_at + BY_HAND)


def restored_within(plan: StepPlan) -> timedelta | None:
    """Return how long a proof by restoring may lie back, where a step says it."""
    within = plan.options.get("restored_within")
    return timedelta(seconds=parse_duration(within)) if isinstance(within, str) else None


def _of_step(desk: Desk, routine: Routine, plan: StepPlan, *, at: datetime) -> Iterator[Standing]:
    found: dict[tuple[str, str], list[Copy]] = {}
    for copy in desk.books.copies.lying(routine=routine.id, step=plan.id):
        found.setdefault((copy.key, copy.store), []).append(copy)
    past = desk.books.copies.past(routine.id, plan.id, proven_before=at + AHEAD, not_gone_as=MOVED)
    stores = _stores_of(plan)
    keys = _keys_of(desk, routine, plan) or {key for key, store in found if store in stores} or {""}
    keep = plan.options.get("keep")
    for key, store in sorted(found.keys() | {(key, store) for key in keys for store in stores}):
        yield Standing(
            routine=routine,
            step=plan.id,
            key=key,
            store=store,
            is_written_to=store in stores,
            copies=tuple(found.get((key, store), ())),
            past=past.get((key, store)),
            restored_within=restored_within(plan),
            keep=KeepOptions.model_validate(keep or {}).to_keep(),
        )


def _stores_of(plan: StepPlan) -> tuple[str, ...]:
    also = plan.options.get("also_to", ())
    return (str(plan.options["to"]), *((also,) if isinstance(also, str) else also))


def _keys_of(desk: Desk, routine: Routine, plan: StepPlan) -> set[str]:
    """Return what a step that copies for each row was last to copy: one of them may never have got a copy."""
    return set(desk.books.steps.last_keys(routine.id, plan.id)) if plan.for_each is not None else set()
