"""What goes after a good copy came: shown before it acts, and never the last good one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

from opsrunner.archives.adopting import find_unknown
from opsrunner.archives.copying import Order
from opsrunner.archives.removing import remove_copy, remove_orphans
from opsrunner.archives.retention import plan_retention
from opsrunner.archives.vanished import NOT_THERE, find_vanished
from opsrunner.errors import StoreFailed, StoreRefused
from opsrunner.model.backup import Copy, CopyState, Gone, Keep, NewCopy
from opsrunner.records import dataclass
from opsrunner.steps.base import Means
from opsrunner.stores.base import Store

UNKNOWN = 0
"""The number of a copy that the catalogue does not know yet."""
ORPHANED_AFTER = timedelta(hours=1)
"""A store's clock may be wrong by this much."""


@dataclass(frozen=True, kw_only=True)
class Tidied:
    """What people have to know of a store, and the copies that others removed from it, by their numbers."""

    remarks: tuple[str, ...] = ()
    gone: frozenset[int] = frozenset()


def tidy_up(store: Store, store_name: str, order: Order, *, means: Means) -> Tidied:
    """Set right what a run before left when it was killed, and note what others took away.

    Half objects go, a whole copy is known from now on, and one of which nothing is there any more is gone. What cannot
    be set right now waits for the next time.
    """
    now = means.clock.now()
    lying = means.copies.lying(routine=order.routine, step=order.step, store=store_name)
    remarks: list[str] = []
    gone: tuple[Copy, ...] = ()
    with suppress(StoreFailed):
        store.sweep(order.prefix, before=now)
    try:
        remove_orphans(store, order.prefix, before=now - ORPHANED_AFTER)
    except StoreRefused as exc:
        remarks.append(f"what a killed run left stays in {store_name}: {exc.message}")
    except StoreFailed:
        pass  # whoever copies next is told why
    with suppress(StoreFailed):
        known = {copy.name for copy in lying}
        for new in find_unknown(store, store_name, known=known, at=now, prefix=order.prefix, ledger=order.ledger)[0]:
            means.note(new)
    with suppress(StoreFailed):
        gone = find_vanished(store, lying, prefix=order.prefix)
    for copy in gone:
        means.note(Gone(copy=copy.id, at=now, why=NOT_THERE))
    return Tidied(remarks=(*remarks, *_missed(gone, store_name)), gone=frozenset(copy.id for copy in gone))


def _missed(gone: Sequence[Copy], store_name: str) -> Iterator[str]:
    """Yield what is to be told of copies that others removed; a damaged one was theirs to remove."""
    missed = [copy.name.rpartition("/")[2] for copy in gone if copy.state is not CopyState.DAMAGED]
    if missed:
        what = f"{missed[0]} does" if len(missed) == 1 else f"{len(missed)} copies up to {missed[0]} do"
        yield f"{what} not lie in {store_name} any more; somebody else removed what was there, or it is another place"


def remove_beyond(
    store: Store, new: NewCopy, keep: Keep, *, gone: Collection[int] = (), means: Means, zone: str
) -> str:
    """Remove the copies of the step in a store that `keep` does not ask for, now that `new` lies there, which stays.

    Those that are `gone` stand for nothing. Return why old ones stay that should go, '' where none does. Where the
    store does not let us delete, nothing else is tried.
    """
    known = means.copies.lying(routine=new.routine, step=new.step, store=new.store, key=new.key)
    before = [copy for copy in known if copy.id not in gone]
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
