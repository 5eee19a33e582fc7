"""Reads `opsrunner.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from opsrunner.config.calendars import CalendarKeys, DigestKeys, FreezeKeys
from opsrunner.config.cross_checks import Known
from opsrunner.config.data_keys import SourceKeys, StoreKeys
from opsrunner.config.fields import HostName, Keys, Name, SourceName, Text, Zone
from opsrunner.config.folder import SITE_FILE, Signature
from opsrunner.config.inventories.keys import InventoryKeys
from opsrunner.config.inventories.reading import Inventories, Inventory
from opsrunner.config.joined_sources import note_tables
from opsrunner.config.jumps import with_jumps
from opsrunner.config.permissions import note_open_secrets, problem_of_mode
from opsrunner.config.plain_secrets import note_plain_secrets
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
    RdapKeys,
    SampleKeys,
    WebKeys,
)
from opsrunner.config.site_names import OWNER, SiteNames, names_in
from opsrunner.config.yaml12 import BadYaml, decode, read_bytes, read_yaml
from opsrunner.model.site import Heartbeat, Host, MailSettings, Problem, Site, WebSettings
from opsrunner.records import dataclass

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
    inventory: InventoryKeys | tuple[InventoryKeys, ...] = ()
    mail: MailKeys | None = None
    stores: dict[Name, StoreKeys] = Field(default_factory=dict)
    sources: dict[SourceName, SourceKeys] = Field(default_factory=dict)
    digest: DigestKeys = Field(default_factory=lambda: DigestKeys.model_validate(USUAL_DIGESTS))
    limits: LimitKeys = Field(default_factory=LimitKeys)
    heartbeat: HeartbeatKeys | None = None
    web: WebKeys = Field(default_factory=WebKeys)
    rdap: RdapKeys = Field(default_factory=RdapKeys)
    sample: SampleKeys | None = None


class _OnlyInventory(Keys):
    """The one key by which further files are found."""

    inventory: InventoryKeys | tuple[InventoryKeys, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SiteDraft:
    """The file as far as it could be understood.

    `site` (without routines) only where nothing is wrong with the file itself; where an inventory is broken, it holds
    the hosts that were good before.
    """

    site: Site | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    names: SiteNames | None = None
    """What it calls what; None where it is no mapping at all."""
    text: str = ""
    """What `site` was made of; empty without it."""


def read_site(root: Path, *, signature: Signature | None, inventories: Inventories) -> SiteDraft:
    """Return what the site's own file says, and the inventories that it names, with all of their mistakes."""
    path = root / SITE_FILE
    try:
        draft = read_site_text(decode(read_bytes(path)), root, inventories=inventories)
    except BadYaml as exc:
        draft = SiteDraft(problems=(problem_of(exc, SITE_FILE),))
    unsafe = problem_of_mode(signature[0], file=SITE_FILE, path=path) if signature else None
    if unsafe is None:
        return draft
    return SiteDraft(problems=(unsafe, *draft.problems), warnings=draft.warnings, names=draft.names)


def read_site_text(text: str, root: Path, *, inventories: Inventories) -> SiteDraft:
    """Return what the text of such a file says. Raises BadYaml where it is no YAML as it is read here."""
    report, doubts = Report(SITE_FILE, text), Report(SITE_FILE, text)
    data = read_yaml(text)
    keys = _keys(data, report)
    if not isinstance(data, dict):
        return SiteDraft(problems=report.problems())
    inventory = _inventory(data, inventories)
    names = _names(data, inventory, report)
    if keys is None:
        return SiteDraft(problems=(*report.problems(), *inventory.problems), warnings=inventory.warnings, names=names)
    _note_missing_addresses(keys, inventory, report)
    note_tables(keys.sources, report)
    note_open_secrets(secrets_in(keys), root=root, report=doubts)
    note_plain_secrets(data, text=text, doubts=doubts)
    problems = (*report.problems(), *inventory.problems)
    warnings = (*doubts.problems(), *inventory.warnings)
    if report or inventory.hosts is None:
        return SiteDraft(problems=problems, warnings=warnings, names=names)
    site = _site(keys, root, inventory)
    return SiteDraft(site=site, problems=problems, warnings=warnings, names=names, text=text)


def _inventory(data: Mapping[str, Any], inventories: Inventories) -> Inventory:
    """Return the inventories that the file names, also where other keys of it are wrong."""
    try:
        wanted = _OnlyInventory.model_validate({"inventory": data.get("inventory", ())}).inventory
    except ValidationError:
        return Inventory(hosts=None)
    own = data.get("hosts")
    hosts = own if isinstance(own, dict) else {}
    return inventories.read(
        wanted if isinstance(wanted, tuple) else (wanted,),
        own={name: keys if isinstance(keys, dict) else {} for name, keys in hosts.items()},
    )


def _names(data: Mapping[str, Any], inventory: Inventory, report: Report) -> SiteNames:
    """Return what the file and its inventories call what; what is wrong with the names goes to `report`."""
    names = names_in(data)
    if inventory.hosts is None:
        names = replace(names, unreadable=(*names.unreadable, "hosts"))
    else:
        found = inventory.hosts
        names = replace(
            names,
            inventory={name: host.keys.groups for name, host in found.items()},
            jumps={name: host.keys.jump for name, host in found.items() if host.keys.jump},
        )
    Known(names=names.defined()).note_unknown(names.references(), report)
    names.note_clashes(report)
    return names


def _note_missing_addresses(keys: SiteKeys, inventory: Inventory, report: Report) -> None:
    for name, host in keys.hosts.items():
        if host.address is None and inventory.hosts is not None and name not in inventory.hosts:
            report.add(("hosts", name, "address"), "is needed", "no inventory says it" if inventory.hosts else "")


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


def _site(keys: SiteKeys, root: Path, inventory: Inventory) -> Site:
    hosts, places = _hosts(keys, inventory)
    return Site(
        root=root,
        name=keys.site,
        timezone=keys.timezone,
        people={name: person.to_person(name) for name, person in keys.people.items()},
        rosters={name: roster.to_roster(name) for name, roster in keys.rosters.items()},
        calendars={name: calendar.to_calendar(name) for name, calendar in keys.calendars.items()},
        freezes=tuple(freeze.to_freeze() for freeze in keys.freezes),
        hosts=hosts,
        hosts_from=places,
        mail=keys.mail.to_settings() if keys.mail else MailSettings(from_=_usual_sender(keys)),
        stores={name: store.to_settings() for name, store in keys.stores.items()},
        sources={name: source.to_source(name, keys.timezone) for name, source in keys.sources.items()},
        digest=keys.digest.to_times(timezone=keys.timezone),
        limits=keys.limits.to_limits(),
        heartbeat=Heartbeat(url=keys.heartbeat.url) if keys.heartbeat else None,
        web=WebSettings(listen=keys.web.listen, url=keys.web.url),
        rdap=keys.rdap.to_settings(),
        sample_seed=keys.sample.seed if keys.sample else None,
    )


def _hosts(keys: SiteKeys, inventory: Inventory) -> tuple[dict[str, Host], dict[str, str]]:
    """Return the hosts of the file and of its inventories, and where each of them stands."""
    found = inventory.hosts or {}
    hosts = {name: host.over(found[name].keys) if name in found else host for name, host in keys.hosts.items()}
    hosts |= {name: host.keys for name, host in found.items() if name not in hosts}
    places = {name: str(host.place) for name, host in found.items()}
    for name in keys.hosts:
        places[name] = f"{SITE_FILE}, {places[name]}" if name in places else SITE_FILE
    jumps = {name: host.jump for name, host in hosts.items() if host.jump}
    return with_jumps({name: host.to_host(name) for name, host in hosts.items()}, jumps), places


def _usual_sender(keys: SiteKeys) -> str:
    """Return `opsrunner@` at the domain of the first owner, or of the first person."""
    people = sorted(keys.people.values(), key=lambda person: OWNER not in person.roles)
    return f"opsrunner@{people[0].email.partition('@')[2]}"
