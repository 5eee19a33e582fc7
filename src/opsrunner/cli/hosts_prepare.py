"""`hosts prepare`: what hosts need before opsrunner can work there."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from opsrunner.cli.hosts_views import every_host, remote_hosts
from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.fleet.private_keys import PrivateKeys
    from opsrunner.model.site import Host
    from opsrunner.open_site import OpenSite

PREPARE_EXAMPLE = """
opsrunner hosts prepare web1
opsrunner hosts prepare web1 --from 203.0.113.5 | ssh root@web1 sh
opsrunner hosts prepare --make-key
"""
_ADDRESSES = re.compile(r"[A-Za-z0-9.:*?/!_-]+(?:,[A-Za-z0-9.:*?/!_-]+)*\Z")


@verb(PREPARE_EXAMPLE, name="prepare")
@click.argument("names", metavar="[HOST]...", nargs=-1)
@click.option(
    "--from", "only_from", metavar="ADDRESS", default="", help="Let the key in from this address (or list) alone."
)
@click.option("--make-key", is_flag=True, help="Make the private key where there is none; one that is there stays.")
@person_option
@json_option
@site_options
@click.pass_obj
def prepare(session: Session, names: tuple[str, ...], only_from: str, make_key: bool) -> int:
    """Print a script that gives each HOST the account and the restricted key line that opsrunner needs.

    HOST may be a group, too; by default it is every host. Nothing is done there: read the script, and run it as root
    on the host. What it needs root for later stands at its end, as a comment.
    """
    if only_from and not _ADDRESSES.match(only_from):
        raise UsageError(f"--from: '{only_from[:60]}' is no address or list of them, such as 203.0.113.5,2001:db8::/32")
    from opsrunner.engine.host_preparation import preparations
    from opsrunner.fleet.private_keys import PrivateKeys

    with session.opened() as app:
        hosts = remote_hosts(app, names) if names else every_host(app)
        keys = PrivateKeys(app.root)
        if make_key:
            _make_keys(session, app, hosts, keys)
        found = preparations(
            hosts, app.site, public_key_of=keys.public_key_of, own_uid=os.geteuid(), only_from=only_from
        )
        if session.as_json:
            session.print_json(
                [
                    {
                        "hosts": one.hosts,
                        "user": one.user,
                        "key_file": one.key_file,
                        "authorized_keys": one.key_line,
                        "script": one.script,
                        "rights": one.rights,
                    }
                    for one in found
                ]
            )
        else:
            session.screen.block("\n".join(one.script for one in found))
    return 0


def _make_keys(session: Session, app: OpenSite, hosts: Sequence[Host], keys: PrivateKeys) -> None:
    from opsrunner.cli.lookup import actor_name
    from opsrunner.fleet.private_keys import DEFAULT_KEY_FILE, make_key

    actor = actor_name(session, app)
    for name, host in {host.key_file or DEFAULT_KEY_FILE: host for host in hosts}.items():
        if make_key(app.root, name):
            detail = keys.public_key_of(host).fingerprint
            app.books.audit.add("make_key", f"key {name}", actor=actor, at=app.clock.now(), detail=detail)
