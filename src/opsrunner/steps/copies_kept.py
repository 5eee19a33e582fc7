"""What goes after a good copy came: shown before it acts, and never the last good one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.archives.adopting import find_unknown
from opsrunner.archives.copying import Order
from opsrunner.archives.removing import remove_copy, remove_orphans
from opsrunner.archives.retention import BEYOND, plan_retention
from opsrunner.archives.vanished import NO_MANIFEST, NOT_THERE, find_missed
from opsrunner.errors import Refused, StateError, StoreFailed, StoreRefused
from opsrunner.model.backup import Copy, CopyNote, CopyState, Gone, Keep, NewCopy, Reread
from opsrunner.records import dataclass
from opsrunner.steps.base import Means
from opsrunner.stores.base import Store

ORPHANED_AFTER = timedelta(hours=1)
"""A store's clock may be wrong by this much."""


@dataclass(frozen=True, kw_only=True)
class Tidied:
    """What people have to know of a store, and its copies that are gone or damaged: to be noted once that was told."""

    remarks: tuple[str, ...] = ()
    missed: tuple[Gone | Reread, ...] = ()


def tidy_up(store: Store, store_name: str, order: Order, *, keep: Keep, means: Means, zone: str) -> Tidied:
    """Set right what a run before left when it was killed, and find what others took away.

    Half objects go, and a whole copy is known from now on. One of which nothing is there any more is gone, and one that
    lost its manifest is damaged: without a word where `keep` did not ask for it. What cannot be set right now waits for
    the next time. A try also clears away the copies of those before it, which no catalogue knows.
    """
    now = means.clock.now()
    lying = means.copies.lying(routine=order.routine, step=order.step, store=store_name)
    known = {copy.name for copy in lying}
    refused = ""
    with suppress(StoreFailed):
        store.sweep(order.prefix, before=now)
    try:
        before = now - ORPHANED_AFTER
        remove_orphans(store, order.prefix, before=before, known=known, whole_too=order.is_trial)
    except StoreRefused as exc:
        left_by = "an earlier try" if order.is_trial else "a killed run"
        refused = f"what {left_by} left stays in {store_name}: {exc.message}"
    except StoreFailed:
        pass  # whoever copies next is told why
    with suppress(StoreFailed):
        new = find_unknown(store, store_name, known=known, at=now, prefix=order.prefix, ledger=order.ledger)[0]
        note_at_once(new, means=means)
    beyond = _beyond([copy for copy in lying if copy.key == order.key], keep, now=now, zone=zone)
    missed = Tidied()
    with suppress(StoreFailed):
        missed = _find_missed(store, store_name, lying, prefix=order.prefix, beyond=beyond, at=now)
    return replace(missed, remarks=(refused, *missed.remarks)) if refused else missed


def _find_missed(
    store: Store, store_name: str, lying: Sequence[Copy], *, prefix: str, beyond: Collection[int], at: datetime
) -> Tidied:
    """Return what is not there of the copies that should lie under `prefix`. Raises StoreFailed."""
    missed = find_missed(store, lying, prefix=prefix)
    gone = missed.gone
    lost = [copy for copy in missed.headless if copy.id not in beyond and copy.state is not CopyState.DAMAGED]
    return Tidied(
        remarks=(
            *_gone_words([copy for copy in gone if copy.id not in beyond], store_name),
            *(f"{_word(copy)} in {store_name} has no manifest any more; it counts as damaged" for copy in lost),
        ),
        missed=(
            *(Gone(copy=copy.id, at=at, why=BEYOND if copy.id in beyond else NOT_THERE) for copy in gone),
            *(Reread(copy=copy.id, at=at, problem=NO_MANIFEST) for copy in lost),
        ),
    )


def _beyond(lying: Sequence[Copy], keep: Keep, *, now: datetime, zone: str) -> frozenset[int]:
    """Return the numbers of what was to go: a run that died over it had no time to note that it went."""
    return frozenset(copy.id for copy in plan_retention(lying, keep, now=now, zone=ZoneInfo(zone)).removed)


def _gone_words(gone: Sequence[Copy], store_name: str) -> Iterator[str]:
    """Yield what is to be told of copies that others removed; a damaged one was theirs to remove."""
    missed = [_word(copy) for copy in gone if copy.state is not CopyState.DAMAGED]
    if missed:
        what = f"{missed[0]} does" if len(missed) == 1 else f"{len(missed)} copies up to {missed[0]} do"
        yield f"{what} not lie in {store_name} any more; somebody else removed what was there, or it is another place"


def _word(copy: Copy) -> str:
    """Return the last word of a copy's name."""
    return copy.name.rpartition("/")[2]


def note_at_once(notes: Sequence[CopyNote], *, means: Means) -> bool:
    """Note what was made or removed, and return whether that is written: else it is with the step's end.

    The ledger's disk may be full while the store's is not, and a step's end waits for room.
    """
    try:
        means.copies.note(notes)
    except StateError:
        for note in notes:
            means.note(note)
        return False
    return True


def remove_beyond(
    store: Store, new: NewCopy, keep: Keep, *, missed: Collection[int] = (), means: Means, zone: str
) -> str:
    """Remove the copies of the step in a store that `keep` does not ask for, now that `new` is known, which stays.

    Those that are `missed`, gone or damaged, stand for nothing. Each that goes is noted at once, so that nobody looks
    for it there: not the next try, not the next row, and nobody after a crash. One that went in part is none any more,
    and the next night clears away the rest. One that somebody reads stays until the next time. Return why old ones stay
    that should go, '' where none does.
    """
    lying = means.copies.lying(routine=new.routine, step=new.step, store=new.store, key=new.key)
    if new.name not in {copy.name for copy in lying}:
        return ""  # it could not be noted yet: no old copy goes before
    now = means.clock.now()
    plan = plan_retention([copy for copy in lying if copy.id not in missed], keep, now=now, zone=ZoneInfo(zone))
    going = [copy for copy in plan.removed if copy.name != new.name]  # a clock set back makes the new one look old
    return plan.doubt or "; ".join(_remove_each(store, going, at=now, means=means))


def _remove_each(store: Store, going: Sequence[Copy], *, at: datetime, means: Means) -> Iterator[str]:
    """Remove copies, and yield why some stay. Where the store does not let us delete, nothing else is tried."""
    for place, copy in enumerate(going):
        try:
            with means.removing(copy):
                left = remove_copy(store, copy.name)
        except (Refused, StateError) as exc:
            yield f"{_word(copy)} stays in {copy.store}: {exc.message}"
            continue
        except StoreRefused as exc:
            yield f"{len(going) - place} old copies stay in {copy.store}: {exc.message}"
            return
        except StoreFailed as exc:
            yield f"an old copy stays in {copy.store}: {exc.message}"
            return
        is_noted = note_at_once([Gone(copy=copy.id, at=at, why=BEYOND)], means=means)
        if left:
            yield f"what is left of an old copy stays in {copy.store} until the next one: {left}"
            return
        if not is_noted:
            return
