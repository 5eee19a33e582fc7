"""The site that is in force: read again when its files change, kept when they are broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from opsrunner.config.freezing import thaw
from opsrunner.config.loader import Loaded, SiteLoader
from opsrunner.errors import ConfigurationError, OpsrunnerError
from opsrunner.model.routine import Routine
from opsrunner.model.run import RunStatus
from opsrunner.model.site import Site
from opsrunner.model.window import PlannedWindow, WindowChange
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac

if TYPE_CHECKING:
    from opsrunner.ledger.books import Books


Changes: TypeAlias = Mapping[str, Mapping[datetime, WindowChange]]
"""What was changed of single times of windows: by window, by nominal moment."""
CHANGES_MATTER = timedelta(days=400)
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What is in force at one moment: parts that fit together."""

    loaded: Loaded
    site: Site
    almanac: Almanac


class SiteInForce:
    """Holds what is in force; `refresh` takes over what has changed on disk.

    One thread refreshes while others read. What is taken over is swapped as a whole, so who needs two
    parts that fit together asks `now` once.
    """

    def __init__(self, root: Path, *, books: Books | None = None) -> None:
        """Read the site for the first time; of what is wrong, take the last good version that `books` know.

        Raises ConfigurationError where `opsrunner.yaml` is wrong and none of it is known.
        """
        self._loader = (
            SiteLoader(root)
            if books is None
            else SiteLoader(
                root,
                last_good=_LastGood(books),
                last_site=books.service.site_file,
                last_inventory=books.service.inventory,
                last_maintenance=books.service.maintenance_file,
            )
        )
        self._books = books
        self._version = self._windows_version()
        self._now = _in_force(self._loader.load(), self._changes())
        self._put_off: Mapping[str, str] = {}
        self._never_taken: dict[str, str] = {}
        """Names that were put off, each with the one that the ledger knows: another new name may come from it."""

    @property
    def now(self) -> InForce:
        """What is in force now, as a whole."""
        return self._now

    @property
    def site(self) -> Site:
        """The site."""
        return self._now.site

    @property
    def loaded(self) -> Loaded:
        """What reading the site's files came to, problems included."""
        return self._now.loaded

    @property
    def almanac(self) -> Almanac:
        """The site's calendars and schedules."""
        return self._now.almanac

    def refresh(self) -> bool:
        """Read what changed; tell whether anything did.

        A routine that has another name goes by the former one as long as a run of it is under way: all that the run
        does is known by that name. All else of it is as its file is now. Raises ConfigurationError, and all stays as it
        was, where the site itself cannot be read.
        """
        loaded, version = self._loader.load(), self._windows_version()
        renames = self._renames(loaded.site)
        put_off = {new: old for new, old in renames.items() if self._is_under_way(old)}
        if not loaded.changed and version == self._version and put_off == self._put_off:
            return False
        self._now = _in_force(_from_known_names(loaded, renames), self._changes(), put_off=put_off)
        self._version, self._put_off = version, put_off
        self._never_taken.update(put_off)
        return True

    def _renames(self, site: Site | None) -> dict[str, str]:
        """Return the names that the ledger does not know yet, each with the former one as the ledger knows it."""
        if self._books is None or site is None:
            return {}
        known = self._books.routines.name
        new = {one.id: one.renamed_from for one in site.routines.values() if one.renamed_from and known(one.id) is None}
        return {id_: self._never_taken.get(old, old) if known(old) is None else old for id_, old in new.items()}

    def _is_under_way(self, routine: str) -> bool:
        return self._books is not None and bool(self._books.runs.active(routine, status=RunStatus.RUNNING))

    def history_of(self, routine: str) -> str:
        """Return the id by which the ledger knows a routine: the former one until the new one is written."""
        former = self._never_taken.get(routine)
        if former is None or self._books is None or self._books.routines.name(routine) is not None:
            return routine
        return former

    def has_news_of_windows(self) -> bool:
        """Tell whether a time of a maintenance window was changed since: the planner must not pass over that."""
        return self._windows_version() != self._version

    def _windows_version(self) -> str:
        return "" if self._books is None else self._books.downtimes.version()

    def _changes(self) -> Changes:
        if self._books is None:
            return {}
        return self._books.downtimes.changes(since=_long_ago(self._books.service.planned_at()))


def almanac_of(site: Site, changes: Changes) -> Almanac:
    """Return the calendars, schedules and windows of a site, with what was changed of single times."""
    schedules = {routine.id: routine.schedule for routine in site.routines.values()}
    windows = {
        name: PlannedWindow(schedule=window.schedule, lasts_seconds=window.lasts_seconds, changes=changes.get(name, {}))
        for name, window in site.maintenance.windows.items()
    }
    return Almanac(site.calendars, schedules, windows)


def _from_known_names(loaded: Loaded, renames: Mapping[str, str]) -> Loaded:
    """Return what was loaded, its new names coming from those that the ledger knows."""
    if loaded.site is None:
        return loaded
    routines = dict(loaded.site.routines)
    for new, old in renames.items():
        if routines[new].renamed_from != old:
            routines[new] = replace(routines[new], renamed_from=old)
    return replace(loaded, site=replace(loaded.site, routines=routines))


def _in_force(loaded: Loaded, changes: Changes, *, put_off: Mapping[str, str] | None = None) -> InForce:
    if loaded.site is None:
        raise ConfigurationError("\n".join(str(problem) for problem in loaded.problems))
    site, almanac = loaded.site, almanac_of(loaded.site, changes)
    if put_off:
        site = replace(site, routines=_by_former_names(site.routines, put_off))
        loaded = replace(loaded, site=site)
        # others go by either name
        almanac.schedules.update({old: site.routines[old].schedule for old in put_off.values()})
    return InForce(loaded=loaded, site=site, almanac=almanac)


def _by_former_names(routines: Mapping[str, Routine], put_off: Mapping[str, str]) -> dict[str, Routine]:
    """Return the routines with those that cannot have their new name yet under the former one.

    They are as their files are now: what they were before may go by a routine, a window or a calendar that is gone.
    """
    kept = {old: replace(routines[new], id=old, renamed_from=None) for new, old in put_off.items()}
    others = {id_: routine for id_, routine in routines.items() if id_ not in put_off}
    return dict(sorted((kept | others).items()))


def _long_ago(planned_at: datetime | None) -> datetime:
    """Return since when changes of windows still matter: all that is not accounted for, and what calendars show."""
    return FIRST_MOMENT if planned_at is None else planned_at - CHANGES_MATTER


class _LastGood(Mapping[str, Routine]):
    """The newest good version of each routine that the ledger keeps; read when the first one is asked for."""

    def __init__(self, books: Books) -> None:
        self._books = books

    @cached_property
    def _kept(self) -> Mapping[str, str]:
        """The names of the frozen texts, by routine."""
        watched = self._books.routines.all().values()
        return {one.id: one.frozen for one in watched if one.frozen is not None and one.gone_at is None}

    def __getitem__(self, routine: str) -> Routine:
        try:
            return thaw(self._books.runs.frozen_body(self._kept[routine]))
        except (OpsrunnerError, ValueError) as exc:  # an older program froze it in a form that is gone
            raise KeyError(routine) from exc

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
