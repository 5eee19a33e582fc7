"""What is known of a routine goes along when it gets another name."""

from __future__ import annotations

from collections.abc import Iterable

from opsrunner.ledger.routines import Routines
from opsrunner.model.routine import Routine
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """What became of the former names that new routines give."""

    former: dict[str, str]
    """The former names of those to which a history was carried over now."""
    without: list[Routine]
    """Those of whose former name nothing is known; a new ledger knows nothing of any, and names none."""


def may_be_renamed(known: Routines, broken: Iterable[str]) -> bool:
    """Tell whether one of the files with a mistake is new: it may be any routine that is gone, by another name."""
    return any(known.name(routine) is None for routine in broken)


def carry_over(known: Routines, routines: Iterable[Routine]) -> Renamed:
    """Carry over what the ledger knows of new routines by their former names."""
    before = known.all()
    done = Renamed(former={}, without=[])
    for routine in routines:
        if routine.renamed_from is None or routine.id in before or not before:
            continue
        if known.rename(routine.renamed_from, routine.id):
            done.former[routine.id] = routine.renamed_from
        else:
            done.without.append(routine)
    return done
