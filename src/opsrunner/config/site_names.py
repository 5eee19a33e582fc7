"""The names that a site file defines and uses, read from its plain data: also where other keys of it are wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import Any

from opsrunner.config.fields import check_name
from opsrunner.config.jumps import note_jumps
from opsrunner.config.positions import Path
from opsrunner.config.references import Noun, Reference
from opsrunner.config.report import Report
from opsrunner.config.site_keys import PersonKeys
from opsrunner.records import dataclass

OWNER = "owner"
ALWAYS_HOSTS = ("local", "all")
SECTIONS = ("people", "rosters", "hosts", "sources", "stores", "calendars")
_HOMES: Mapping[Noun, tuple[str, ...]] = {
    "holder": ("people", "rosters"),
    "person": ("people",),
    "host": ("hosts",),
    "source": ("sources",),
    "store": ("stores",),
    "calendar": ("calendars",),
}


@dataclass(frozen=True, kw_only=True)
class SiteNames:
    """What a site file calls what."""

    sections: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Section → name → its keys: `people`, `rosters`, `hosts`, `sources`, `stores`, `calendars`."""
    unreadable: Collection[str] = ()
    """Sections of which it is not known what they should define: what follows from a mistake is no mistake."""
    inventory: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The hosts that stand in files beside it, each with its groups."""
    jumps: Mapping[str, str] = field(default_factory=dict)
    """Of the hosts of inventories, the ones that they are reached through."""
    recipients: tuple[str, ...] = ()
    """Who gets the digest, where the file says it."""

    @property
    def roles(self) -> set[str]:
        """Every role that somebody has."""
        return {role for person in self.sections["people"].values() for role in words_of(person.get("roles"))}

    def defined(self) -> dict[Noun, Collection[str]]:
        """Return the names that may be used, without the nouns whose names are not known."""
        people, hosts = self.sections["people"], self.sections["hosts"]
        groups = {group for host in hosts.values() for group in words_of(host.get("groups"))}
        groups |= {group for host, theirs in self.inventory.items() if host not in hosts for group in theirs}
        groups |= {
            group for host, keys in hosts.items() if "groups" not in keys for group in self.inventory.get(host, ())
        }
        found: dict[Noun, Collection[str]] = {
            "holder": {OWNER, *self.roles, *self.sections["rosters"], *people},
            "person": set(people),
            "host": {*ALWAYS_HOSTS, *hosts, *self.inventory, *groups},
            "source": set(self.sections["sources"]),
            "store": set(self.sections["stores"]),
            "calendar": {"business", *self.sections["calendars"]},
        }
        return {noun: names for noun, names in found.items() if not set(_HOMES[noun]) & set(self.unreadable)}

    def references(self) -> Iterator[Reference]:
        """Yield the names that the file itself uses."""
        for position, name in enumerate(self.recipients):
            yield Reference(path=("digest", "to", position), noun="holder", name=name)
        for id_, roster in self.sections["rosters"].items():
            for path, name in _people_of(roster):
                yield Reference(path=("rosters", id_, *path), noun="person", name=name)
        for id_, store in self.sections["stores"].items():
            sftp = store.get("sftp")
            if isinstance(sftp, Mapping) and isinstance(sftp.get("host"), str):
                yield Reference(path=("stores", id_, "sftp", "host"), noun="host", name=sftp["host"])
        for id_, source in self.sections["sources"].items():
            imap = source.get("imap")
            if isinstance(imap, Mapping) and isinstance(imap.get("match"), str):
                yield Reference(path=("sources", id_, "imap", "match"), noun="source", name=imap["match"])

        for id_, source in self.sections["sources"].items():
            for position, table in enumerate(words_of(source.get("tables"))):
                yield Reference(path=("sources", id_, "tables", position), noun="source", name=table)

    def note_clashes(self, report: Report) -> None:
        """Note names that stand for two things, and an owner that is missing."""
        people, roles = self.sections["people"], self.roles
        for name in people:
            if name in roles:
                report.add(("people", name), f"'{name}' is a role too", "a name stands for one thing", on_key=True)
        for name in self.sections["rosters"]:
            other = "role" if name in roles else "person" if name in people else ""
            if other:
                report.add(("rosters", name), f"'{name}' is a {other} too", "a name stands for one thing", on_key=True)
        if "people" not in self.unreadable and OWNER not in roles:
            report.add(("people",), "nobody has the role owner", "add roles: [owner] to one person")
        self._note_logins(report)
        self._note_hosts(report)

    def _note_logins(self, report: Report) -> None:
        logins: dict[str, str] = {}
        for name, person in self.sections["people"].items():
            for login in words_of(person.get("login")):
                if logins.setdefault(login, name) != name:
                    report.add(("people", name, "login"), f"'{login}' is the login of {logins[login]} too")

    def _note_hosts(self, report: Report) -> None:
        hosts = self.sections["hosts"]
        if "local" in hosts:
            report.add(("hosts", "local"), "'local' is this machine and always there", "choose another name")
        for name, host in hosts.items():
            for group in words_of(host.get("groups")):
                if group in hosts or group in self.inventory or group in ALWAYS_HOSTS:
                    report.add(("hosts", name, "groups"), f"the group '{group}' has the name of a host")
        note_jumps(hosts, report, others=self.inventory, jumps_of_others=self.jumps)


def names_in(data: Mapping[str, Any]) -> SiteNames:
    """Return the names of a site file; whatever has another shape than it should is left out."""
    digest = data.get("digest")
    return SiteNames(
        sections={section: _mappings(data.get(section)) for section in SECTIONS},
        unreadable=[section for section in SECTIONS if not _is_readable(section, data)],
        recipients=words_of(digest.get("to")) if isinstance(digest, dict) else (),
    )


def words_of(value: object) -> tuple[str, ...]:
    """Return one word or many as a tuple; nothing of what is no text."""
    many = value if isinstance(value, list) else [value]
    return tuple(word for word in many if isinstance(word, str))


def _is_readable(section: str, data: Mapping[str, Any]) -> bool:
    if section == "people":
        people = data.get(section)
        return isinstance(people, dict) and bool(people) and all(_has_clear_roles(one) for one in people.values())
    return isinstance(data.get(section, {}), dict)


def _has_clear_roles(person: object) -> bool:
    """Tell whether nothing but `roles` can hold a person's roles, and that they are names."""
    if not isinstance(person, dict) or not set(person) <= set(PersonKeys.model_fields):
        return False
    try:
        return all(check_name(role) for role in words_of(person.get("roles")))
    except ValueError:
        return False


def _mappings(value: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, dict):
        return {}
    return {name: keys if isinstance(keys, dict) else {} for name, keys in value.items() if isinstance(name, str)}


def _people_of(roster: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    people = roster.get("people")
    for position, name in enumerate(people if isinstance(people, list) else []):
        if isinstance(name, str):
            yield ("people", position), name
    for section, keys in (("shifts", ("person",)), ("cover", ("person", "instead_of"))):
        entries = roster.get(section)
        for position, entry in enumerate(entries if isinstance(entries, list) else []):
            for key in keys:
                if isinstance(entry, dict) and isinstance(entry.get(key), str):
                    yield (section, position, key), entry[key]
