"""A site with its ledger open: all that verbs need which look, mark and enter, and nothing that runs steps.

Most verbs end within a second, and what they import is most of what they cost.
"""

from __future__ import annotations

import os
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from opsrunner.clock import Clock, SystemClock
from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk
from opsrunner.engine.in_force import SiteInForce
from opsrunner.engine.known_ledgers import KnownLedgers
from opsrunner.engine.people import People
from opsrunner.engine.state import LEDGER, StateLock, prepare_state
from opsrunner.errors import NotFound
from opsrunner.ledger.books import Books
from opsrunner.model.site import Site
from opsrunner.packaged import library
from opsrunner.schedules.almanac import Almanac
from opsrunner.secrets import Vault

if TYPE_CHECKING:
    from opsrunner.engine.absences import Absences
    from opsrunner.engine.accepting import Accepting
    from opsrunner.engine.announcer import Announcer
    from opsrunner.engine.backups import Backups
    from opsrunner.engine.digest import DigestWriter
    from opsrunner.engine.doctor_patient import Patient
    from opsrunner.engine.downtime_acts import DowntimeActs
    from opsrunner.engine.leaving import Leave
    from opsrunner.engine.routine_acts import RoutineActs
    from opsrunner.engine.sign_in import SignIn
    from opsrunner.engine.site_sources import SiteSources
    from opsrunner.engine.ticks import Ticks
    from opsrunner.fleet.fleet import Fleet
    from opsrunner.stores.base import Store

KNOWN_HOSTS = "known_hosts"


def open_site(root: Path, state: Path | None = None) -> OpenSite:
    """Open a site and its state. Raises ConfigurationError or StateError."""
    return OpenSite(*real_folders(root, state), clock=SystemClock())


def real_folders(root: Path, state: Path | None) -> tuple[Path, Path]:
    """Return the folders of a site and of its state, links followed."""
    return Path(os.path.realpath(root)), Path(os.path.realpath(state or root / "var"))


def open_bare_store(site: Site, name: str, *, state: Path) -> Store:
    """Open a store of a site whose ledger is gone. Raises NotFound, StoreFailed, SecretUnavailable."""
    from opsrunner.fleet.fleet import Fleet  # noqa: PLC0415 - one verb needs it
    from opsrunner.stores.opening import open_store  # noqa: PLC0415 - as above

    if name not in site.stores:
        raise NotFound(f"there is no store '{name}' in opsrunner.yaml")
    vault = Vault(site.root)
    fleet = Fleet(
        site_root=site.root,
        known_hosts=state / KNOWN_HOSTS,
        clock=SystemClock(),
        limit_bytes=lambda: site.limits.output_bytes,
        vault=vault,
    )
    return open_store(
        site.stores[name],
        root=site.root,
        state=state,
        vault=vault,
        connect=lambda host: fleet.open_sftp(site.hosts[host]),
    )


class OpenSite:
    """One opened site. Parts are built when they are first needed."""

    def __init__(self, root: Path, state: Path, *, clock: Clock, is_trial: bool = False) -> None:
        """Open the site at `root`; `state` is made where it is missing and this site has kept no ledger there.

        The state of a trial is made anew each time, and not remembered.
        """
        self.root, self.state, self.clock, self.is_trial = root, state, clock, is_trial
        self.vault = Vault(root)
        known = None if is_trial else KnownLedgers(root)
        if known is not None:
            known.require_ledger(state)
        if not (state / LEDGER).exists():
            SiteInForce(root)  # raises, and makes nothing, where there is no site or one that was never good
        prepare_state(state)
        self.books = Books.open(state / LEDGER)
        if known is not None:
            known.require_same(state, self.books.ledger.id)
        self.in_force = SiteInForce(root, books=self.books)
        if known is not None and self.books.ledger.is_new:
            known.remember(state, self.books.ledger.id)
        self._write_samples()

    @property
    def site(self) -> Site:
        """The site in force."""
        return self.in_force.site

    @property
    def loaded(self) -> Loaded:
        """What reading the site's files came to, problems included."""
        return self.in_force.loaded

    @property
    def almanac(self) -> Almanac:
        """The site's calendars."""
        return self.in_force.almanac

    @cached_property
    def desk(self) -> Desk:
        """What the human half of the engine stands on."""
        return Desk(
            books=self.books,
            site=lambda: self.site,
            almanac=lambda: self.almanac,
            state=self.state,
            reports=(self.root / "reports", library() / "reports"),
        )

    @cached_property
    def people(self) -> People:
        """Who holds what."""
        return People(self.desk)

    @cached_property
    def ticks(self) -> Ticks:
        """What people do to tasks."""
        from opsrunner.engine.ticks import Ticks  # noqa: PLC0415 - verbs that only look do without

        return Ticks(self.desk)

    @cached_property
    def absences(self) -> Absences:
        """Leave, swaps and cover as people enter them."""
        from opsrunner.engine.absences import Absences  # noqa: PLC0415 - as above

        return Absences(self.desk, self.people)

    @cached_property
    def routine_acts(self) -> RoutineActs:
        """What people do to routines and runs."""
        from opsrunner.engine.routine_acts import RoutineActs  # noqa: PLC0415 - as above

        return RoutineActs(self.desk)

    @cached_property
    def downtime_acts(self) -> DowntimeActs:
        """What staff do about windows and incidents."""
        from opsrunner.engine.downtime_acts import DowntimeActs  # noqa: PLC0415 - as above

        return DowntimeActs(self.desk)

    @cached_property
    def sources(self) -> SiteSources:
        """Where rows come from."""
        from opsrunner.engine.site_sources import SiteSources  # noqa: PLC0415 - as above

        return SiteSources(
            site=lambda: self.site,
            state=self.state,
            vault=self.vault,
            clock=self.clock,
            outbox=self.books.outbox,
        )

    @cached_property
    def announcer(self) -> Announcer:
        """What keeps maintenance windows and incidents."""
        from opsrunner.engine.announcer import Announcer  # noqa: PLC0415 - as above

        return Announcer(self.desk, read=self.sources.read, is_trial=self.is_trial)

    @cached_property
    def accepting(self) -> Accepting:
        """What people accept of what audits found."""
        from opsrunner.engine.accepting import Accepting  # noqa: PLC0415 - as above

        return Accepting(self.desk)

    @cached_property
    def sign_in(self) -> SignIn:
        """How people come in by the page."""
        from opsrunner.engine.sign_in import SignIn  # noqa: PLC0415 - as above

        return SignIn(self.desk)

    @cached_property
    def leave(self) -> Leave:
        """How recipients leave notices."""
        from opsrunner.engine.leaving import Leave  # noqa: PLC0415 - as above

        return Leave(self.desk)

    @cached_property
    def digests(self) -> DigestWriter:
        """The digests."""
        from opsrunner.engine.digest import DigestWriter  # noqa: PLC0415 - as above

        return DigestWriter(self.desk, loaded=lambda: self.loaded)

    @cached_property
    def backups(self) -> Backups:
        """The copies."""
        from opsrunner.engine.backups import Backups  # noqa: PLC0415 - as above

        return Backups(self.desk, open_store=self.open_store, open_moved=partial(self.open_store, is_moved=True))

    def open_store(self, name: str, *, is_moved: bool = False) -> Store:
        """Open a store of the site, as the place that the catalogue knows unless it `is_moved`.

        Raises NotFound, StoreFailed, SecretUnavailable.
        """
        from opsrunner.engine.real_copies import known_objects  # noqa: PLC0415 - as above
        from opsrunner.stores.opening import open_store  # noqa: PLC0415 - as above

        if name not in self.site.stores:
            raise NotFound(f"there is no store '{name}' in opsrunner.yaml")
        settings, trial = self.site.stores[name], self.state if self.is_trial else None
        return open_store(
            settings,
            root=self.root,
            state=self.state,
            vault=self.vault,
            connect=lambda host: self.fleet.open_sftp(self.site.hosts[host]),
            name=name,
            known=lambda: [] if is_moved else known_objects(self.books, name, settings, trial=trial),
        )

    @cached_property
    def fleet(self) -> Fleet:
        """The hosts."""
        from opsrunner.fleet.fleet import Fleet  # noqa: PLC0415 - as above

        return Fleet(
            site_root=self.root,
            known_hosts=self.known_hosts,
            clock=self.clock,
            limit_bytes=lambda: self.site.limits.output_bytes,
            vault=self.vault,
        )

    @property
    def known_hosts(self) -> Path:
        """The file of pinned host keys."""
        return self.state / KNOWN_HOSTS

    @cached_property
    def lock(self) -> StateLock:
        """The lock of the state folder."""
        return StateLock(self.state)

    def patient(self, *, every_page: bool = False, brief: bool = False) -> Patient:
        """Return what the doctor looks at; see Patient for `every_page` and `brief`."""
        from opsrunner.engine.doctor_patient import Patient  # noqa: PLC0415 - as above
        from opsrunner.engine.outbox import reach_mail  # noqa: PLC0415 - as above
        from opsrunner.fleet.host_keys import KnownHosts  # noqa: PLC0415 - as above

        known = KnownHosts(self.known_hosts)
        return Patient(
            site=self.site,
            problems=self.loaded.problems,
            warnings=self.loaded.warnings,
            state=self.state,
            books=self.books,
            lock=self.lock,
            now=self.clock.now(),
            pinned=lambda host: bool(known.keys_of(host)),
            every_page=every_page,
            try_mail=lambda: reach_mail(self.site, state=self.state, vault=self.vault),
            brief=brief,
        )

    def daemon_lives(self) -> bool:
        """Tell whether a daemon works on this state."""
        return self.lock.is_held()

    def close(self) -> None:
        """Close the ledger, and the connections to hosts."""
        if "fleet" in vars(self):  # else no verb has asked for it, and there is none
            self.fleet.close()
        self.books.ledger.close()

    def _write_samples(self) -> None:
        """Write the data of a sample site as they stand now; any other site has none."""
        if self.site.sample_seed is None:
            return
        from opsrunner.sample.writing import write_samples  # noqa: PLC0415 - as above

        seed, now = self.site.sample_seed, self.clock.now()
        write_samples(self.site.root, self.state, seed=seed, now=now, name=self.site.name)
