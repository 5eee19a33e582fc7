"""The site that is in force: read again when its files change, kept when they are broken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from opsrunner.config.freezing import freeze, thaw
from opsrunner.config.loader import Loaded, SiteLoader
from opsrunner.errors import ConfigurationError, OpsrunnerError
from opsrunner.ledger.books import Books
from opsrunner.model.routine import Routine
from opsrunner.model.site import Site
from opsrunner.schedules.almanac import Almanac


class SiteInForce:
    """Holds what is in force; `refresh` takes over what has changed on disk."""

    def __init__(self, root: Path, *, books: Books | None = None) -> None:
        """Read the site for the first time. Raises ConfigurationError where `opsrunner.yaml` is wrong."""
        self._loader = SiteLoader(root, last_good=_last_good(books))
        self._frozen: dict[str, tuple[Routine, str]] = {}
        self.loaded: Loaded
        self.site: Site
        self.almanac: Almanac
        self._take(self._loader.load())

    def refresh(self) -> bool:
        """Read what changed; tell whether anything did."""
        loaded = self._loader.load()
        if not loaded.changed:
            return False
        self._take(loaded)
        return True

    def frozen(self) -> Mapping[str, str]:
        """Return the frozen text of each routine in force, by id."""
        for routine in self.site.routines.values():
            known = self._frozen.get(routine.id)
            if known is None or known[0] is not routine:
                self._frozen[routine.id] = (routine, freeze(routine))
        return {routine: self._frozen[routine][1] for routine in self.site.routines}

    def _take(self, loaded: Loaded) -> None:
        self.loaded = loaded
        if loaded.site is None:
            raise ConfigurationError("\n".join(str(problem) for problem in loaded.problems))
        self.site = loaded.site
        schedules = {routine.id: routine.schedule for routine in loaded.site.routines.values()}
        self.almanac = Almanac(loaded.site.calendars, schedules)


def _last_good(books: Books | None) -> dict[str, Routine]:
    """Return the newest good version of each routine that the ledger keeps."""
    found: dict[str, Routine] = {}
    if books is None:
        return found
    for watched in books.routines.all().values():
        if watched.frozen is None or watched.gone_at is not None:
            continue
        try:
            found[watched.id] = thaw(books.runs.frozen_body(watched.frozen))
        except (OpsrunnerError, ValueError):  # an older program froze it in a form that is gone
            continue
    return found
