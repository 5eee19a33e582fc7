"""`hosts`: the inventory and its pinned keys."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import NotFound, Refused

if TYPE_CHECKING:
    from opsrunner.cli.screen import Cell
    from opsrunner.fleet.host_keys import HostKey
    from opsrunner.model.site import Host
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner hosts list
opsrunner hosts trust web1
"""
LIST_EXAMPLE = "opsrunner hosts list --json"
TRUST_EXAMPLE = """
opsrunner hosts trust web1
opsrunner hosts trust web1 --yes
"""
FORGET_EXAMPLE = "opsrunner hosts forget web1"


@group_of_verbs(EXAMPLE, name="hosts")
def hosts() -> None:
    """Show the hosts; trust or forget their keys.

    A host whose key was not trusted is never spoken to; one that shows another key is refused.
    """


@verb(LIST_EXAMPLE, name="list", of=hosts)
@json_option
@site_options
@click.pass_obj
def list_hosts(session: Session) -> int:
    """Show every host with its address, its groups and its trusted keys."""
    from opsrunner.cli.screen import Column
    from opsrunner.fleet.host_keys import KnownHosts

    with session.opened() as app:
        known = KnownHosts(app.known_hosts)
        inventory = [(host, known.keys_of(host)) for host in app.site.hosts.values()]
        if session.as_json:
            session.print_json([_view(host, keys) for host, keys in inventory])
            return 0
        if not inventory:
            session.screen.line("No hosts in opsrunner.yaml: steps run on this machine.")
            return 0
        columns = [
            Column(title="host"),
            Column(title="where"),
            Column(title="groups"),
            Column(title="keys", grows=True),
        ]
        rows = [(host.name, _where(host), ", ".join(host.groups), _trust(host, keys)) for host, keys in inventory]
        session.screen.table(columns, rows)
    return 0


@verb(TRUST_EXAMPLE, name="trust", of=hosts)
@click.argument("name", metavar="HOST")
@click.option("--yes", is_flag=True, help="Trust what the host shows without asking: only where the line is safe.")
@person_option
@json_option
@site_options
@click.pass_obj
def trust(session: Session, name: str, yes: bool) -> int:
    """Ask HOST for its keys, show their fingerprints, and pin them when you say they are right.

    Compare them with what the host itself says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    """
    from opsrunner.fleet.host_keys import KnownHosts

    with session.opened() as app:
        host = _remote(app, name)
        shown = app.fleet.scan(host)
        pinned = KnownHosts(app.known_hosts).keys_of(host)
        if not shown:
            raise Refused(f"{name} showed no key of a type that opsrunner accepts")
        if not session.as_json:
            _show_keys(session, host, shown, pinned)
        if set(pinned) != set(shown):
            _agree(host, pinned, yes=yes)
            _pin(session, app, host, shown)
        if session.as_json:
            session.print_json(_view(host, shown))
        else:
            already = "is trusted already" if set(pinned) == set(shown) else "is trusted from now on"
            session.screen.line(f"{name} {already}.", tone="fine")
    return 0


@verb(FORGET_EXAMPLE, name="forget", of=hosts)
@click.argument("name", metavar="HOST")
@person_option
@json_option
@site_options
@click.pass_obj
def forget(session: Session, name: str) -> int:
    """Forget the keys of HOST: nothing speaks to it until it is trusted again."""
    from opsrunner.cli.lookup import actor_name
    from opsrunner.fleet import host_keys

    with session.opened() as app:
        host = _remote(app, name)
        if not host_keys.forget(app.known_hosts, host):
            raise Refused(f"{name} has no trusted key")
        app.books.audit.add("forget", f"host {name}", actor=actor_name(session, app), at=app.clock.now())
        if session.as_json:
            session.print_json(_view(host, ()))
        else:
            session.screen.line(f"The keys of {name} are forgotten.", tone="fine")
    return 0


def _remote(app: OpenSite, name: str) -> Host:
    from opsrunner.cli.lookup import near

    host = app.site.hosts.get(name)
    if host is None:
        raise NotFound(f"there is no host '{name}'{near(name, app.site.hosts)}")
    if host.is_local:
        raise Refused("local is this machine: it is reached without SSH")
    return host


def _show_keys(session: Session, host: Host, shown: Sequence[HostKey], pinned: Sequence[HostKey]) -> None:
    session.screen.heading(f"{host.name} shows", _where(host))
    for key in shown:
        session.screen.line(f"  {key.fingerprint}  {key.type}")
    if pinned and set(pinned) != set(shown):
        session.screen.heading("and was trusted with")
        for key in pinned:
            session.screen.line(f"  {key.fingerprint}  {key.type}")
        session.screen.line("Its key has changed. If nobody reinstalled it, somebody may be in between.", tone="failed")


def _agree(host: Host, pinned: Sequence[HostKey], *, yes: bool) -> None:
    """Return if a person says that the keys are right. Raises Refused."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{host.name} is not trusted: compare the fingerprints, then say --yes")
    question = f"Do you trust {host.name} with {'these new keys' if pinned else 'these keys'}?"
    if not click.confirm(question, default=False):
        raise Refused(f"{host.name} is not trusted; nothing was changed")


def _pin(session: Session, app: OpenSite, host: Host, keys: Sequence[HostKey]) -> None:
    from opsrunner.cli.lookup import actor_name
    from opsrunner.fleet import host_keys

    actor = actor_name(session, app)
    host_keys.trust(app.known_hosts, host, keys)
    detail = " ".join(key.fingerprint for key in keys)
    app.books.audit.add("trust", f"host {host.name}", actor=actor, at=app.clock.now(), detail=detail)


def _where(host: Host) -> str:
    if host.is_local:
        return "this machine"
    port = "" if host.port == 22 else f":{host.port}"
    way = f" through {host.jump.name}" if host.jump else ""
    return f"{f'{host.user}@' if host.user else ''}{host.address}{port}{way}"


def _trust(host: Host, keys: Sequence[HostKey]) -> Cell:
    from opsrunner.cli.screen import Cell

    if host.is_local:
        return Cell(text="needs none", dim=True)
    if not keys:
        return Cell(text=f"not trusted yet: opsrunner hosts trust {host.name}", tone="look")
    return Cell(text=", ".join(key.type for key in keys), tone="fine")


def _view(host: Host, keys: Sequence[HostKey]) -> dict[str, Any]:
    return {
        "host": host.name,
        "address": host.address,
        "port": host.port,
        "user": host.user,
        "groups": host.groups,
        "jump": host.jump.name if host.jump else None,
        "local": host.is_local,
        "trusted": host.is_local or bool(keys),
        "keys": [{"type": key.type, "fingerprint": key.fingerprint} for key in keys],
    }
