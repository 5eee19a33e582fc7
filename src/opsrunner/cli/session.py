"""What one call of the program knows: where its site and state lie, who acts, how it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from opsrunner.app import App
    from opsrunner.cli.screen import Screen
    from opsrunner.engine.in_force import SiteInForce
    from opsrunner.open_site import OpenSite

_Opened = TypeVar("_Opened", bound="OpenSite")
STATE = "var"
FIRST_YEAR = 2020


class Session:
    """One call of the program. The options of a verb write into it; the verb reads from it."""

    def __init__(self) -> None:
        self.given_site: Path | None = None
        self.state: Path | None = None
        self.as_json = False
        self.acting_as: str | None = None
        self.zone_name = "UTC"
        self._opened: OpenSite | None = None
        self._screen: Screen | None = None

    @property
    def site(self) -> Path:
        """The site's folder; the working folder unless another was given."""
        from pathlib import Path  # `--help` does without

        return self.given_site or Path()

    @property
    def state_folder(self) -> Path:
        """The state folder, whether it is there or not."""
        return self.state if self.state is not None else self.site / STATE

    @property
    def screen(self) -> Screen:
        """Where the answer goes, for people."""
        if self._screen is None:
            from opsrunner.cli.screen import Screen  # JSON answers need no screen

            self._screen = Screen()
        return self._screen

    @contextmanager
    def opened(self) -> Iterator[OpenSite]:
        """Give the site with its ledger, to look and to mark, and close it afterwards.

        Raises ConfigurationError where the site cannot be read, StateError where its state cannot be used.
        """
        from opsrunner.open_site import open_site  # verbs without a site do not need it

        with self._kept(lambda: open_site(self.site, self.state)) as site:
            yield site

    @contextmanager
    def at_work(self, *, mails_stay: bool = False) -> Iterator[App]:
        """Give the whole application, to run steps and send mail; `mails_stay` keeps every mail in the state folder.

        Raises as `opened` does.
        """
        from opsrunner.app import open_app  # few verbs need all of it

        with self._kept(lambda: open_app(self.site, self.state, mails_stay=mails_stay)) as app:
            yield app

    @contextmanager
    def _kept(self, opening: Callable[[], _Opened]) -> Iterator[_Opened]:
        import logging

        from opsrunner.cli.log_lines import log_to_stderr

        _refuse_clock_of_the_past()
        log_to_stderr(self, level=logging.WARNING)
        opened = opening()
        self._opened = opened
        self.zone_name = opened.site.timezone
        _tell_what_holds(opened)
        try:
            yield opened
        finally:
            opened.close()

    def read(self) -> SiteInForce:
        """Return the site as its files say, without opening its state: quicker, and nothing is written.

        Raises ConfigurationError where the site cannot be read.
        """
        from opsrunner.engine.in_force import SiteInForce  # verbs without a site do not need it

        force = SiteInForce(self.site)
        self.zone_name = force.site.timezone
        return force

    def print_json(self, value: Any) -> None:
        """Print one JSON document; moments are written in the zone of `zone_name`, the site's where it is open."""
        from opsrunner.cli.answers import to_json  # only where JSON was asked for

        print(to_json(value, zone=self.zone_name))

    def mask(self, text: str) -> str:
        """Return `text` without the secrets that this call has read."""
        return text if self._opened is None else self._opened.vault.mask(text)


def _tell_what_holds(opened: OpenSite) -> None:
    """Say on standard error that the site's own file, or the folder of its routines, is not what is in force."""
    from opsrunner.config.folder import ROUTINES, SITE_FILE

    found = [problem for problem in opened.loaded.found if problem.file in (SITE_FILE, ROUTINES)]
    if not found:
        return
    import sys
    from contextlib import suppress

    from opsrunner.cli.escapes import printable
    from opsrunner.engine.meanwhile import KEPT, holds_meanwhile

    first, more = found[0], f"{len(found) - 1} more; " if len(found) > 1 else ""
    holds = holds_meanwhile(opened.site, first.file) or KEPT
    with suppress(OSError):  # nobody reads it
        line = f"opsrunner: {printable(str(first))}; {holds} ({more}see: opsrunner check)"
        print(line, file=sys.stderr, flush=True)


def _refuse_clock_of_the_past() -> None:
    """Raise StateError where the clock shows a time before this program was: all that it wrote would be wrong."""
    from opsrunner.clock import SystemClock
    from opsrunner.errors import StateError

    now = SystemClock().now()
    if now.year < FIRST_YEAR:
        raise StateError(f"the clock says {now:%Y-%m-%d}: set the machine's clock first, nothing was opened")
