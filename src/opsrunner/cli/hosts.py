"""`hosts`: the inventory and its pinned keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from opsrunner.cli.hosts_prepare import prepare
from opsrunner.cli.hosts_trust import trust
from opsrunner.cli.hosts_views import host_view, remote_host, where_words
from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import Refused

if TYPE_CHECKING:
    from opsrunner.cli.screen import Cell
    from opsrunner.fleet.host_keys import HostKey
    from opsrunner.model.site import Host

EXAMPLE = """
opsrunner hosts list
opsrunner hosts prepare web1
opsrunner hosts trust web1
"""
LIST_EXAMPLE = "opsrunner hosts list --json"
FORGET_EXAMPLE = "opsrunner hosts forget web1"


@group_of_verbs(EXAMPLE, name="hosts")
def hosts() -> None:
    """Show the hosts; say what they need; trust or forget their keys.

    A host whose key was not trusted is never spoken to; one that shows another key is refused.
    """


hosts.add_command(prepare)
hosts.add_command(trust)


@verb(LIST_EXAMPLE, name="list", of=hosts)
@json_option
@site_options
@click.pass_obj
def list_hosts(session: Session) -> int:
    """Show every host with its address, its groups, the file that it stands in, and its trusted keys."""
    from opsrunner.cli.screen import Column
    from opsrunner.fleet.host_keys import KnownHosts

    with session.opened() as app:
        known = KnownHosts(app.known_hosts)
        inventory = [(host, known.keys_of(host)) for host in app.site.hosts.values()]
        if session.as_json:
            views = [host_view(host, keys) | {"from": app.site.hosts_from[host.name]} for host, keys in inventory]
            session.print_json(views)
            return 0
        if not inventory:
            session.screen.line("No hosts in opsrunner.yaml: steps run on this machine.")
            return 0
        columns = [
            Column(title="host"),
            Column(title="where"),
            Column(title="groups"),
            Column(title="from"),
            Column(title="keys", grows=True),
        ]
        rows = [
            (host.name, where_words(host), ", ".join(host.groups), app.site.hosts_from[host.name], _trust(host, keys))
            for host, keys in inventory
        ]
        session.screen.table(columns, rows)
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
        host = remote_host(app, name)
        if not host_keys.forget(app.known_hosts, host):
            raise Refused(f"{name} has no trusted key")
        app.books.audit.add("forget", f"host {name}", actor=actor_name(session, app), at=app.clock.now())
        if session.as_json:
            session.print_json(host_view(host, ()))
        else:
            session.screen.line(f"The keys of {name} are forgotten.", tone="fine")
    return 0


def _trust(host: Host, keys: Sequence[HostKey]) -> Cell:
    from opsrunner.cli.screen import Cell

    if host.is_local:
        return Cell(text="needs none", dim=True)
    if not keys:
        return Cell(text=f"not trusted yet: opsrunner hosts trust {host.name}", tone="look")
    return Cell(text=", ".join(key.type for key in keys), tone="fine")
