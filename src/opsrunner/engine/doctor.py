"""Looks after everything that a routine stands on: rights, clock, mail, keys, files, disk. Checks answer data."""

from __future__ import annotations

import os
import platform
import pwd
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from opsrunner.clock import EARLIEST
from opsrunner.engine.meanwhile import KEPT, holds_meanwhile
from opsrunner.engine.state import StateLock
from opsrunner.engine.unverified import unverified_lines
from opsrunner.errors import OpsrunnerError
from opsrunner.ledger.books import Books
from opsrunner.ledger.database import SOON_READ_BYTES
from opsrunner.model.site import Host, Problem, Site

Level = Literal["fine", "look", "failed"]

_SET_THE_CLOCK = "set the machine's clock; look after NTP"
PLANNED_WITHIN = timedelta(minutes=5)
MAIL_PATIENCE = timedelta(hours=1)
LEAST_FREE = 0.05
LEAST_FREE_BYTES = 200_000_000
SECRETS = "secrets"
DEFAULT_KEY_FILE = "secrets/ssh_key"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    level: Level
    what: str
    """One line: `the state folder is private`."""
    where: str = ""
    advice: str = ""
    """What to do about it; empty where it is fine."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What the doctor looks at."""

    site: Site
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    state: Path
    books: Books
    lock: StateLock
    now: datetime
    pinned: Callable[[Host], bool]
    """Tells whether a host's key is trusted."""
    every_page: bool = False
    """Read all of a long ledger: nobody writes to it meanwhile."""
    try_mail: Callable[[], str]
    """Reaches the mail transport without sending; returns what it reached, raises MailFailed."""


def examine(patient: Patient) -> list[Finding]:
    """Return what every check found, in the order of the checks. A check that cannot be made says so."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check(patient)
        except (OSError, OpsrunnerError) as exc:
            name = check.__name__.removeprefix("_").replace("_", " ")
            findings.append(Finding(level="failed", what=f"the check of {name} could not be made", where=str(exc)))
    return findings


def _programs(patient: Patient) -> Iterator[Finding]:
    row = patient.books.ledger.one("SELECT sqlite_version()")
    sqlite = row[0] if row is not None else "unknown"
    yield Finding(level="fine", what=f"Python {platform.python_version()}, SQLite {sqlite}")


def _files(patient: Patient) -> Iterator[Finding]:
    for problem in patient.problems:
        holds = holds_meanwhile(patient.site, problem.file) or KEPT
        yield Finding(level="failed", what=str(problem), advice=f"correct it; {holds}")
    for warning in patient.warnings:
        yield Finding(level="look", what=str(warning), advice="see whether it is meant so")
    if not patient.problems:
        count = len(patient.site.routines)
        yield Finding(level="fine", what=f"every file checks: {count} routines in force", where=str(patient.site.root))


def _rights_of_the_site(patient: Patient) -> Iterator[Finding]:
    """What group members may write is as good as theirs; what all may write is refused at load."""
    open_to_group = [
        path for path in _site_files(patient.site.root) if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ]
    for path in open_to_group:
        advice = f"chmod go-w {path}"
        yield Finding(level="look", what="others may change what runs here", where=str(path), advice=advice)
    foreign = [path for path in _site_files(patient.site.root) if path.stat().st_uid not in (0, os.geteuid())]
    for path in foreign[:5]:
        what = f"it belongs to {_user(path)}, who decides by it what runs here as another user"
        yield Finding(level="look", what=what, where=str(path), advice=f"if it is not meant so: chown {_us()} {path}")
    if not open_to_group and not foreign:
        yield Finding(level="fine", what="only their owner may change the site's files")


def _user(path: Path) -> str:
    """Return the name of a file's owner, or the number where nobody bears it."""
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def _us() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _site_files(root: Path) -> Iterator[Path]:
    yield root
    for name in ("opsrunner.yaml", "routines", "checklists", "reports"):
        path = root / name
        if path.exists():
            yield path
        if path.is_dir():
            yield from (inner for inner in path.iterdir() if inner.is_file())


def _rights_of_secrets(patient: Patient) -> Iterator[Finding]:
    folder = patient.site.root / SECRETS
    if not folder.is_dir():
        return
    opened = [path for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    opened = [path for path in opened if path.suffix != ".pub"]
    for path in opened:
        yield Finding(level="failed", what="others may read a secret", where=str(path), advice=f"chmod 600 {path}")
    is_open = bool(folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    if is_open:
        what = "others may put secrets of theirs in the place of ours"
        yield Finding(level="failed", what=what, where=str(folder), advice=f"chmod go-w {folder}")
    if not opened and not is_open:
        yield Finding(level="fine", what="secrets are for their owner alone", where=str(folder))


def _rights_of_the_state(patient: Patient) -> Iterator[Finding]:
    opened = [path for path in (patient.state, *_state_files(patient.state)) if path.stat().st_mode & 0o077]
    for path in opened[:5]:
        yield Finding(
            level="failed", what="others may look into the state", where=str(path), advice=f"chmod go= {path}"
        )
    if not opened:
        yield Finding(level="fine", what="the state folder is for its owner alone", where=str(patient.state))


def _state_files(state: Path) -> Iterator[Path]:
    for path in state.iterdir():
        if not path.is_symlink():
            yield path


def _clock(patient: Patient) -> Iterator[Finding]:
    if patient.now < EARLIEST:
        said = f"the clock says {patient.now:%Y-%m-%d}"
        yield Finding(level="failed", what=said, advice=_SET_THE_CLOCK)
        return
    doubt = patient.books.service.clock_doubt()
    if doubt and patient.lock.is_held():
        yield Finding(level="failed", what=f"the daemon holds everything: {doubt}", advice=_SET_THE_CLOCK)
        return
    planned = patient.books.service.planned_at()
    if planned is not None and planned - patient.now > PLANNED_WITHIN:
        what = f"the clock was set back: the last pass was at {planned:%Y-%m-%d %H:%M} UTC"
        yield Finding(level="failed", what=what, advice=_SET_THE_CLOCK)
        return
    yield Finding(level="fine", what=f"the clock is plausible, the site's zone is {patient.site.timezone}")


def _daemon(patient: Patient) -> Iterator[Finding]:
    planned = patient.books.service.planned_at()
    if not patient.lock.is_held():
        since = f"; nothing was planned since {planned:%Y-%m-%d %H:%M} UTC" if planned else ""
        yield Finding(
            level="look", what=f"no daemon works here{since}", advice="opsrunner serve (see docs/operations.md)"
        )
        return
    holder = patient.lock.holder()
    if planned is None or patient.now - planned > PLANNED_WITHIN:
        when = f"{planned:%Y-%m-%d %H:%M} UTC" if planned else "never"
        advice = "its log tells why; restart it"
        yield Finding(level="failed", what=f"process {holder} holds the state but last planned {when}", advice=advice)
        return
    yield Finding(level="fine", what=f"the daemon works: process {holder}")


def _ledger(patient: Patient) -> Iterator[Finding]:
    ledger, path = patient.books.ledger, patient.books.ledger.path
    is_long = path.stat().st_size > SOON_READ_BYTES and not patient.every_page
    if is_long and ledger.is_readable():
        size = f"{path.stat().st_size / 1e9:.1f} GB"
        what = f"the ledger can be read; all of its {size} was checked when the daemon started, or by --every-page"
        yield Finding(level="fine", what=what, where=str(path))
    elif not is_long and ledger.is_intact():
        yield Finding(level="fine", what="the ledger is intact", where=str(path))
    else:
        advice = "stop opsrunner and restore the ledger from a copy"
        yield Finding(level="failed", what="the ledger is damaged", where=str(path), advice=advice)


def _mail(patient: Patient) -> Iterator[Finding]:
    try:
        reached = patient.try_mail()
    except OpsrunnerError as exc:
        yield Finding(level="failed", what=f"mail cannot leave: {exc}", advice="correct `mail` in opsrunner.yaml")
    else:
        yield Finding(level="fine", what=f"mail can leave: {reached}")
    waiting = [mail for mail in patient.books.outbox.queued() if patient.now - mail.created_at > MAIL_PATIENCE]
    waiting = [mail for mail in waiting if mail.not_before is None or mail.not_before <= patient.now]
    if waiting:
        count = "1 mail waits" if len(waiting) == 1 else f"{len(waiting)} mails wait"
        what = f"{count} for more than an hour: {waiting[0].error or 'not tried yet'}"
        yield Finding(level="look", what=what, advice="they are tried again by themselves while opsrunner serve works")
    lost = patient.books.outbox.given_up(since=patient.now - timedelta(days=7))
    for mail in lost[:5]:
        what = f"a mail to {mail.to} was given up: {mail.error}"
        yield Finding(level="look", what=what, where=mail.about, advice="correct the address")


def _certificates(patient: Patient) -> Iterator[Finding]:
    unverified = unverified_lines(patient.site)
    for line in unverified:
        advice = "have it show a certificate that is good, then remove `verify: false`; until then each digest says so"
        yield Finding(level="look", what=line.rstrip("."), advice=advice)
    if not unverified:
        yield Finding(level="fine", what="every server that is asked has to show a good certificate")


def _keys(patient: Patient) -> Iterator[Finding]:
    hosts = [host for host in patient.site.hosts.values() if not host.is_local]
    for name in sorted({host.key_file or DEFAULT_KEY_FILE for host in hosts}):
        path = patient.site.root / name
        if not path.is_file():
            advice = f"ssh-keygen -t ed25519 -N '' -f {path}"
            yield Finding(level="failed", what="a private SSH key is missing", where=str(path), advice=advice)
        elif path.stat().st_mode & 0o077:
            advice = f"chmod 600 {path}"
            yield Finding(level="failed", what="others may read a private SSH key", where=str(path), advice=advice)
    unknown = [host.name for host in hosts if not patient.pinned(host)]
    for host_name in unknown:
        advice = f"opsrunner hosts trust {host_name}"
        yield Finding(level="look", what=f"the key of {host_name} is not trusted yet", advice=advice)
    if hosts and not unknown:
        yield Finding(level="fine", what="the keys of all hosts are trusted", where=f"{len(hosts)} in all")


def _disk(patient: Patient) -> Iterator[Finding]:
    found = os.statvfs(patient.state)
    free_bytes, all_bytes = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    said = f"{free_bytes / 1e9:.1f} GB free of {all_bytes / 1e9:.0f} GB"
    if free_bytes < LEAST_FREE_BYTES:
        yield Finding(level="failed", what=said, where=str(patient.state), advice="make room: nothing can be recorded")
    elif free_bytes < LEAST_FREE * all_bytes:
        yield Finding(level="look", what=said, where=str(patient.state), advice="make room soon")
    elif found.f_files and found.f_favail < LEAST_FREE * found.f_files:
        advice = "remove small files that nobody needs"
        yield Finding(level="look", what="few inodes are left", where=str(patient.state), advice=advice)
    else:
        yield Finding(level="fine", what=said, where=str(patient.state))


CHECKS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    _files,
    _daemon,
    _clock,
    _ledger,
    _disk,
    _mail,
    _certificates,
    _keys,
    _rights_of_the_site,
    _rights_of_secrets,
    _rights_of_the_state,
    _programs,
)
