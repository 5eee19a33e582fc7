"""What goes after a good copy came: shown before it acts, and never the last good one."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

from opsrunner.archives.adopting import find_unknown
from opsrunner.archives.copying import Order
from opsrunner.archives.removing import remove_copy, remove_orphans
from opsrunner.archives.retention import plan_retention
from opsrunner.errors import StoreFailed, StoreRefused
from opsrunner.model.backup import Copy, CopyState, Gone, Keep, NewCopy
from opsrunner.steps.base import Means
from opsrunner.stores.base import Store

UNKNOWN = 0
"""The number of a copy that the catalogue does not know yet."""
ORPHANED_AFTER = timedelta(hours=1)
"""A store's clock may be wrong by this much."""


def tidy_up(store: Store, store_name: str, order: Order, *, means: Means) -> None:
    """Set right what a run before left when it was killed: half objects go, and a whole copy is known from now on.

    What cannot be set right now waits for the next time.
    """
    now = means.clock.now()
    lying = means.copies.lying(routine=order.routine, step=order.step, store=store_name)
    with suppress(StoreFailed):
        store.sweep(order.prefix, before=now)
        remove_orphans(store, order.prefix, before=now - ORPHANED_AFTER)
        known = {copy.name for copy in lying}
        for copy in find_unknown(store, store_name, known=known, at=now, prefix=order.prefix, ledger=order.ledger)[0]:
            means.note(copy)


def remove_beyond(store: Store, new: NewCopy, keep: Keep, *, means: Means, zone: str) -> str:
    """Remove the copies of the step in a store that `keep` does not ask for, now that `new` lies there, which stays.

    Return why old ones stay that should go, '' where none does. Where the store does not let us delete, nothing else
    is tried.
    """
    before = means.copies.lying(routine=new.routine, step=new.step, store=new.store, key=new.key)
    now = means.clock.now()
    plan = plan_retention([as_copy(new), *before], keep, now=now, zone=ZoneInfo(zone))
    going = [copy for copy in plan.removed if copy.id != UNKNOWN]  # a clock set back makes the new one look old
    for place, copy in enumerate(going):
        try:
            remove_copy(store, copy.name)
        except StoreRefused as exc:
            return f"{len(going) - place} old copies stay in {new.store}: {exc.message}"
        except StoreFailed as exc:
            return f"an old copy stays in {new.store}: {exc.message}"
        means.note(Gone(copy=copy.id, at=now, why="beyond what is kept"))
    return plan.doubt


def as_copy(new: NewCopy) -> Copy:
    """Return a copy that the catalogue does not know yet as if it did, under the number UNKNOWN."""
    state = CopyState.DOUBTFUL if new.doubts else CopyState.GOOD
    return Copy(**vars(new), id=UNKNOWN, state=state)
