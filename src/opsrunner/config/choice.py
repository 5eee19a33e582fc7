"""Which form of each routine is in force: as its file is, as it last was good, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Schedule
from opsrunner.records import dataclass
from opsrunner.schedules.reckoning import reckonable, routines_of


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The forms that there are of routines, by their ids: those of good files, and the last good ones."""

    good: Mapping[str, Routine]
    last_good: Mapping[str, Routine]
    windows: Mapping[str, Schedule]
    """The schedules of the maintenance windows in force."""
    calendars: Collection[str]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is in force of them."""

    known: Mapping[str, Routine]
    """The newest usable form of each, also of those that cannot be in force."""
    sound: Mapping[str, Routine]
    """Those in force: of each it can be reckoned when it is due."""
    waiting: tuple[str, ...]
    """Routines with a good file that goes by what is not in force."""


def choose(candidates: Candidates, *, broken: Collection[str]) -> Choice:
    """Choose among the forms of routines; those in `broken` hold as they last were good.

    So do good ones that go by what is not in force: by a file that is broken and never was good, as an example.
    """
    waiting: list[str] = []
    while True:
        old = {*broken, *waiting}
        taken = {id_: routine for id_, routine in candidates.good.items() if id_ not in old}
        kept = {id_: candidates.last_good[id_] for id_ in old if id_ in candidates.last_good}
        known = taken | kept
        schedules = {id_: routine.schedule for id_, routine in known.items()}
        sound = reckonable(schedules, windows=candidates.windows, calendars=candidates.calendars)
        loose = {id_: routine for id_, routine in taken.items() if id_ not in sound}
        if not loose:
            in_force = {id_: routine for id_, routine in sorted(known.items()) if id_ in sound}
            return Choice(known=known, sound=in_force, waiting=tuple(waiting))
        waiting += [id_ for id_, routine in loose.items() if not _follows(routine, loose, sound)] or loose


def _follows(routine: Routine, loose: Collection[str], sound: Collection[str]) -> bool:
    """Tell whether a routine goes by loose ones and nothing worse: their last good forms may be enough for it."""
    targets = set(routines_of(routine.schedule))
    return bool(targets.intersection(loose)) and targets.difference(loose) <= set(sound)
