"""The site that is in force: read again when its files change, kept when they are broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opsrunner.config.freezing import thaw
from opsrunner.config.loader import Loaded, SiteLoader
from opsrunner.errors import ConfigurationError, OpsrunnerError
from opsrunner.model.routine import Routine
from opsrunner.model.site import Site
from opsrunner.schedules.almanac import Almanac

if TYPE_CHECKING:
    from opsrunner.ledger.books import Books


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
            )
        )
        self._now = _in_force(self._loader.load())

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

        Raises ConfigurationError, and all stays as it was, where the site itself cannot be read.
        """
        loaded = self._loader.load()
        if not loaded.changed:
            return False
        self._now = _in_force(loaded)
        return True


def _in_force(loaded: Loaded) -> InForce:
    if loaded.site is None:
        raise ConfigurationError("\n".join(str(problem) for problem in loaded.problems))
    schedules = {routine.id: routine.schedule for routine in loaded.site.routines.values()}
    return InForce(loaded=loaded, site=loaded.site, almanac=Almanac(loaded.site.calendars, schedules))


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
