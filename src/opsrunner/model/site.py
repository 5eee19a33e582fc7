"""The checked site: what `opsrunner.yaml` and the folders beside it say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from opsrunner.model.expiry import RdapSettings
from opsrunner.model.host import Host as Host  # noqa: PLC0414  a part of the site, and taken from here by most
from opsrunner.model.person import Person, Roster
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Calendar, DigestTimes, Freeze
from opsrunner.model.store import StoreSettings
from opsrunner.model.window import Maintenance
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef


@dataclass(frozen=True, kw_only=True)
class SmtpSettings:
    """How to reach the mail server. `security` none is for loopback only."""

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretRef | None = None
    verify: bool = True
    timeout_seconds: float = 30


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """Who our mails come from, and how they leave: by SMTP, else into a Maildir of the state folder."""

    from_: str
    smtp: SmtpSettings | None = None
    maildir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A declared column: `text`, `number`, `moment`, `date` or `flag`; `optional` allows empty."""

    name: str
    type: Literal["text", "number", "moment", "date", "flag"]
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Pages:
    """How an answer over HTTP goes on; one of `next`, `page`, `offset` and `link_header` is set."""

    next: str = ""
    """JMESPath of the next page's address, or of what goes into `parameter`."""
    parameter: str = ""
    page: str = ""
    """Parameter that counts pages."""
    offset: str = ""
    """Parameter that counts items."""
    link_header: bool = False
    """The header `Link` names the next page (RFC 8288)."""
    first: int = 0
    """Where `page` or `offset` begins."""
    most: int = 1000
    """More pages are an error."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where rows come from. `kind` names the reader, `where` is its plain settings."""

    name: str
    kind: Literal["csv", "sqlite", "sql", "http_json", "tables", "feeds", "imap", "bounces"]
    where: Mapping[str, Any]
    columns: tuple[Column, ...] = ()
    timezone: str = "UTC"
    expect_rows: bool = False
    """Zero rows are an error."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of the daemon."""

    workers: int = 16
    output_bytes: int = 1_000_000
    keep_runs_seconds: int = 400 * 86400
    keep_tasks_seconds: int = 1100 * 86400
    grace_seconds: float = 30


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """Whom to tell that we live; `url` may be a secret."""

    url: str | SecretRef


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Where the page listens and how it is called from outside."""

    listen: str = "127.0.0.1:8420"
    url: str = ""

    @property
    def address(self) -> str:
        """The address that people open."""
        return self.url.rstrip("/") or f"http://{self.listen}"

    def link(self, *, task: int | None = None, run: int | None = None) -> str:
        """Return where a mail leads about a task, else a run, else home; '' where only this machine has a page."""
        path = f"/tasks/{task}" if task else f"/runs/{run}" if run else "/"
        return f"{self.url.rstrip('/')}{path}" if self.url else ""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake of one file. `path` is like `steps[1].timout`; line and column count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        hint = f", {self.hint}" if self.hint else ""
        return f"{where}{path}{self.message}{hint}"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Everything that is in force. `broken` maps the ids of routines whose file does not check to why."""

    root: Path
    name: str
    timezone: str
    people: Mapping[str, Person]
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    freezes: tuple[Freeze, ...] = ()
    hosts: Mapping[str, Host] = field(default_factory=dict)
    hosts_from: Mapping[str, str] = field(default_factory=dict)
    """Where each host stands: `opsrunner.yaml`, or FILE:LINE of an inventory, or both."""
    mail: MailSettings
    stores: Mapping[str, StoreSettings] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    digest: DigestTimes = DigestTimes()
    limits: Limits = Limits()
    heartbeat: Heartbeat | None = None
    web: WebSettings = WebSettings()
    rdap: RdapSettings = RdapSettings()
    routines: Mapping[str, Routine] = field(default_factory=dict)
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    maintenance: Maintenance = Maintenance()
    sample_seed: int | None = None
    """Set where the site's data are invented: `sample/*.csv` of the state folder is written anew."""

    @property
    def business(self) -> Calendar:
        """The site's calendar: the one named `business`, else Monday to Friday."""
        return self.calendars.get("business", Calendar())

    @cached_property
    def for_rows(self) -> tuple[Routine, ...]:
        """The routines that run for the rows of a source."""
        return tuple(routine for routine in self.routines.values() if routine.on_rows is not None)

    def name_of(self, person: str | None) -> str:
        """Return how a person is called; an id that is not theirs stays as it is."""
        found = self.people.get(person or "")
        return found.name if found else person or ""

    def holders_of(self, role: str) -> tuple[Person, ...]:
        """Return the people who have `role`, in the order of the file."""
        return tuple(person for person in self.people.values() if role in person.roles)
