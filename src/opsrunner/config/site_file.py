"""Reads `opsrunner.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from opsrunner.config.calendars import CalendarKeys, DigestKeys, FreezeKeys
from opsrunner.config.cross_checks import known_of
from opsrunner.config.data_keys import SourceKeys, StoreKeys
from opsrunner.config.fields import HostName, Keys, Name, Text, Zone
from opsrunner.config.folder import SITE_FILE, Signature
from opsrunner.config.permissions import note_open_secrets, problem_of_mode
from opsrunner.config.positions import Path as Place
from opsrunner.config.references import Reference
from opsrunner.config.report import Report
from opsrunner.config.rosters import RosterKeys
from opsrunner.config.secret_places import secrets_in
from opsrunner.config.shelf import problem_of
from opsrunner.config.site_keys import (
    HeartbeatKeys,
    HostKeys,
    LimitKeys,
    MailKeys,
    PersonKeys,
    SampleKeys,
    WebKeys,
)
from opsrunner.config.yaml12 import BadYaml, decode, read_bytes, read_yaml
from opsrunner.model.site import Heartbeat, MailSettings, Problem, Site, WebSettings

OWNER = "owner"
USUAL_DIGESTS = {"daily": "07:00", "weekly": "mon 07:00", "monthly": "1 07:00"}


class SiteKeys(Keys):
    """What `opsrunner.yaml` may say."""

    site: Text = Field(description="The company's name.")
    timezone: Zone = Field(default="UTC", description="IANA name, such as Europe/Oslo.")
    people: dict[Name, PersonKeys] = Field(min_length=1)
    rosters: dict[Name, RosterKeys] = Field(default_factory=dict)
    calendars: dict[Name, CalendarKeys] = Field(default_factory=dict)
    freezes: tuple[FreezeKeys, ...] = ()
    hosts: dict[HostName, HostKeys] = Field(default_factory=dict)
    mail: MailKeys | None = None
    stores: dict[Name, StoreKeys] = Field(default_factory=dict)
    sources: dict[Name, SourceKeys] = Field(default_factory=dict)
    digest: DigestKeys = Field(default_factory=lambda: DigestKeys.model_validate(USUAL_DIGESTS))
    limits: LimitKeys = Field(default_factory=LimitKeys)
    heartbeat: HeartbeatKeys | None = None
    web: WebKeys = Field(default_factory=WebKeys)
    sample: SampleKeys | None = None


@dataclass(frozen=True, kw_only=True)
class SiteDraft:
    """The file as far as it could be understood; `site` (without routines) only where nothing is wrong."""

    site: Site | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def read_site(root: Path, *, signature: Signature | None) -> SiteDraft:
    """Return what the site's own file says, with all of its mistakes."""
    path = root / SITE_FILE
    try:
        draft = _read(decode(read_bytes(path)), root)
    except BadYaml as exc:
        draft = SiteDraft(problems=(problem_of(exc, SITE_FILE),))
    unsafe = problem_of_mode(signature[0], file=SITE_FILE, path=path) if signature else None
    if unsafe is None:
        return draft
    return SiteDraft(problems=(unsafe, *draft.problems), warnings=draft.warnings)


def _read(text: str, root: Path) -> SiteDraft:
    report, doubts = Report(SITE_FILE, text), Report(SITE_FILE, text)
    data = read_yaml(text)
    keys = _keys(data, report)
    if keys is None:
        return SiteDraft(problems=report.problems())
    site = _site(keys, root)
    _check_names(keys, site, report)
    note_open_secrets(secrets_in(keys), root=root, report=doubts)
    warnings = doubts.problems()
    return (
        SiteDraft(problems=report.problems(), warnings=warnings) if report else SiteDraft(site=site, warnings=warnings)
    )


def _keys(data: Any, report: Report) -> SiteKeys | None:
    if not isinstance(data, dict):
        wrong = "the file is empty" if data is None else "the file must hold a mapping (key: value)"
        report.add((), wrong, "begin with 'site: NAME'")
        return None
    try:
        return SiteKeys.model_validate(data)
    except ValidationError as exc:
        report.add_validation(exc, data=data, model=SiteKeys)
        return None


def _site(keys: SiteKeys, root: Path) -> Site:
    return Site(
        root=root,
        name=keys.site,
        timezone=keys.timezone,
        people={name: person.to_person(name) for name, person in keys.people.items()},
        rosters={name: roster.to_roster(name) for name, roster in keys.rosters.items()},
        calendars={name: calendar.to_calendar(name) for name, calendar in keys.calendars.items()},
        freezes=tuple(freeze.to_freeze() for freeze in keys.freezes),
        hosts={name: host.to_host(name) for name, host in keys.hosts.items()},
        mail=keys.mail.to_settings() if keys.mail else MailSettings(from_=_usual_sender(keys)),
        stores={name: store.to_settings() for name, store in keys.stores.items()},
        sources={name: source.to_source(name, keys.timezone) for name, source in keys.sources.items()},
        digest=keys.digest.to_times(timezone=keys.timezone),
        limits=keys.limits.to_limits(),
        heartbeat=Heartbeat(url=keys.heartbeat.url) if keys.heartbeat else None,
        web=WebSettings(listen=keys.web.listen, url=keys.web.url),
        sample_seed=keys.sample.seed if keys.sample else None,
    )


def _usual_sender(keys: SiteKeys) -> str:
    """Return `opsrunner@` at the domain of the first owner, or of the first person."""
    people = sorted(keys.people.values(), key=lambda person: OWNER not in person.roles)
    return f"opsrunner@{people[0].email.partition('@')[2]}"


def _check_names(keys: SiteKeys, site: Site, report: Report) -> None:
    known_of(site, routines=(), mails=()).note_unknown(_references(keys), report)
    _check_clashes(keys, report)
    if not site.holders_of(OWNER):
        report.add(("people",), "nobody has the role owner", "add roles: [owner] to one person")
    if "local" in keys.hosts:
        report.add(("hosts", "local"), "'local' is this machine and always there", "choose another name")
    for name, host in keys.hosts.items():
        for group in host.groups:
            if group in keys.hosts or group in ("local", "all"):
                report.add(("hosts", name, "groups"), f"the group '{group}' has the name of a host")


def _check_clashes(keys: SiteKeys, report: Report) -> None:
    roles = {role for person in keys.people.values() for role in person.roles}
    for name in keys.people:
        if name in roles:
            report.add(("people", name), f"'{name}' is a role too", "a name stands for one thing", on_key=True)
    for name in keys.rosters:
        other = "role" if name in roles else "person" if name in keys.people else ""
        if other:
            report.add(("rosters", name), f"'{name}' is a {other} too", "a name stands for one thing", on_key=True)
    logins: dict[str, str] = {}
    for name, person in keys.people.items():
        if person.login and logins.setdefault(person.login, name) != name:
            report.add(("people", name, "login"), f"'{person.login}' is the login of {logins[person.login]} too")


def _references(keys: SiteKeys) -> Iterator[Reference]:
    recipients = keys.digest.to if "to" in keys.digest.model_fields_set else ()
    for position, name in enumerate(recipients):
        yield Reference(path=("digest", "to", position), noun="holder", name=name)
    for id_, roster in keys.rosters.items():
        for path, name in _people_of(roster):
            yield Reference(path=("rosters", id_, *path), noun="person", name=name)


def _people_of(roster: RosterKeys) -> Iterator[tuple[Place, str]]:
    for position, name in enumerate(roster.people):
        yield ("people", position), name
    for position, shift in enumerate(roster.shifts):
        yield ("shifts", position, "person"), shift.person
    for position, cover in enumerate(roster.cover):
        yield ("cover", position, "person"), cover.person
        if cover.instead_of is not None:
            yield ("cover", position, "instead_of"), cover.instead_of
