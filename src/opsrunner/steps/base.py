"""What a step is given: the call itself, and what it may use of the world."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from opsrunner.clock import Clock
from opsrunner.model.backup import Copy, CopyNote
from opsrunner.model.expiry import RdapSettings
from opsrunner.model.finding import Audited, KnownFinding
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.foreign import KnownForeign
from opsrunner.model.look import Look
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome, Row
from opsrunner.model.site import Host, Source
from opsrunner.model.ticket import KnownTickets, TicketLook
from opsrunner.notices.means import NoticeMeans
from opsrunner.records import dataclass
from opsrunner.schedules.working_time import WorkingTime
from opsrunner.secrets import SecretRef, Vault
from opsrunner.steps import no_means
from opsrunner.steps.date_book import NOTHING_KEPT, DateBook
from opsrunner.steps.team import Team
from opsrunner.stores.base import Store

__all__ = [
    "Catalogue",
    "HostAnswer",
    "HostRunner",
    "Means",
    "StepCall",
    "Stopping",
]


@dataclass(frozen=True, kw_only=True)
class StepCall:
    """One try of one step: plain serialisable values, secrets by name only.

    `options` is an instance of the kind's own Options, its templates already rendered.
    """

    run_id: int
    run_token: str
    """Marks every process of this run (`OPS_RUN_TOKEN` in its environment), unique over all sites."""
    routine: str
    step: str
    name: str = ""
    """How people call the step, where its file says it."""
    options: Any
    env: Mapping[str, str | SecretRef] = field(default_factory=dict)
    timeout_seconds: float
    site_root: Path
    workdir: Path
    """Scratch folder of the run; `$OPS_WORKDIR`. It is there for kinds that write files."""
    output: Path
    """The file that the step's output goes to; its folder exists for kinds that write files."""
    output_limit_bytes: int
    rows_as: str | None = None
    """`json`, `csv` or `lines`: standard output becomes rows."""
    row: Row | None = None
    """The row of this turn, where the step runs for each row."""
    row_key: str = ""
    """What that row is about."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the step's templates were rendered with; kinds that render a report file need it."""


class HostRunner(Protocol):
    """Runs a command on a host of the inventory (the fleet, or this machine)."""

    def run(
        self, host: Host, command: str, *, env: Mapping[str, str], timeout_seconds: float, stopping: Stopping
    ) -> HostAnswer:
        """Run `command` through the host's shell and answer with its end.

        Raises StepFailed where the command never started: no connection, host key refused.
        """

    def stream(
        self,
        host: Host,
        command: str,
        *,
        env: Mapping[str, str],
        timeout_seconds: float,
        stopping: Stopping,
        take: Callable[[bytes], None],
    ) -> HostAnswer:
        """Run `command` as `run` does; its standard output goes to `take`, all of it, piece by piece, in order.

        The command waits while `take` does; what `take` raises ends it, and is raised.
        """


class Catalogue(Protocol):
    """What is known of copies."""

    def note(self, notes: Sequence[CopyNote]) -> None:
        """Write at once, in its order, what was made or removed in a store; what waits for the end: `Means.note`.

        Raises StateError where the ledger cannot be written.
        """

    def lying(self, *, routine: str = "", step: str = "", store: str = "", key: str | None = None) -> list[Copy]:
        """Return the copies that lie in stores, newest first: all, or those of a routine, step, store or row's key."""

    def foreign(self, routine: str, step: str) -> list[KnownForeign]:
        """Return what the last check of a step knew of backups that another tool makes."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a step may use of the world."""

    clock: Clock
    vault: Vault
    stopping: Stopping
    hosts: Mapping[str, Host]
    """The inventory by name; `local` is always there."""
    fleet: HostRunner
    sources: Mapping[str, Source]
    read_source: Callable[[Source, Mapping[str, Any]], tuple[Row, ...]]
    """Read a source with the options of a query; raises StepFailed."""
    send: Callable[[Sequence[NewMail]], None]
    """Queue mails; they are written together with the step's outcome."""
    copies: Catalogue
    """Those of another routine stand by its `history_of`, as all that is known of it here."""
    removing: Callable[[Copy], AbstractContextManager[None]] = no_means.nobody_reads
    """Hold a copy while it is removed; raises Refused where somebody reads it, and StateError."""
    note: Callable[[CopyNote], None]
    """Tell the catalogue of copies; it is written together with the step's outcome, whatever that is."""
    findings: Callable[[str, str], Sequence[KnownFinding]] = no_means.nothing_known
    """What stands of what a routine's step found before."""
    history_of: Callable[[str], str] = no_means.the_same
    """Tell by which id a routine's history stands: the former one while a rename waits for the end of a run."""
    ends: Callable[[str, str], Sequence[tuple[datetime, Outcome]]] = no_means.nothing_ended
    """How a routine's step ended in its last runs, newest first: when, and with what outcome."""
    samples: Callable[[str, str], Mapping[str, Mapping[str, Sequence[tuple[datetime, int, int]]]]] = (
        no_means.nothing_measured
    )
    """How full file systems were at earlier runs of a routine's step: by host and mount point, oldest first, the
    moment, the used bytes and the size in bytes."""
    found: Callable[[Audited], None] = no_means.not_told
    """Tell what an audit found; it is written together with the step's outcome, whatever that is."""
    tickets: Callable[[str, str], KnownTickets] = no_means.no_tickets
    """What a routine's step remembers of tickets."""
    looked_at_tickets: Callable[[TicketLook], None] = no_means.not_looked
    """Tell how tickets stand; it is written together with the step's outcome, whatever that is."""
    working_time: Callable[[str], WorkingTime] = no_means.plain_time
    """Give the working time of a calendar of the site, or that around the clock; raises ConfigurationError."""
    timezone: str = "UTC"
    """The site's."""
    is_trial: bool = False
    """Nothing leaves the house, and nothing was there before: `opsrunner try`."""
    seen_rows: Callable[[str, str, Collection[bytes]], frozenset[bytes]] = no_means.none_known
    """Of digests of rows, those that a routine's step has shown before."""
    looked: Callable[[Look], None] = no_means.not_kept
    """Tell what rows are shown; it is written together with the step's outcome, if that is good."""
    addresses: Callable[[str], tuple[str, ...]] = no_means.as_it_stands
    """Turn a role, roster, person or mail address into mail addresses; raises StepFailed for a name
    that is not known. An address stands for itself."""
    dates: DateBook = NOTHING_KEPT
    """What asked places said of when things end."""
    rdap: RdapSettings = RdapSettings()
    """Whom to ask for the dates of domains."""
    team: Callable[[], Team] = no_means.no_team
    """Tell who is away, who holds what, and what is open."""
    reports: tuple[Path, ...] = ()
    """Folders of report templates, the site's own first."""
    open_store: Callable[[str], Store] = no_means.no_store
    """Open a store of the site by its name; raises NotFound, StoreFailed, SecretUnavailable."""
    stream_source: Callable[[Source, Mapping[str, Any]], Generator[Row]] = no_means.no_rows
    """Give a source's rows one by one, none kept: take them all, or close it. It raises StepFailed, also after it
    has given rows: what a step does for good, it does after the last one."""
    notices: NoticeMeans | None = None
    """What notices to customers need."""
    copy_state: Callable[[Path], object] = no_means.no_state
    """Write a copy of the ledger, in use as it is, to a new file; raises StateError."""
