"""What the verbs of `hosts` share: hosts by name, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opsrunner.errors import NotFound, Refused

if TYPE_CHECKING:
    from opsrunner.fleet.host_keys import HostKey
    from opsrunner.model.site import Host
    from opsrunner.open_site import OpenSite


def remote_host(app: OpenSite, name: str) -> Host:
    """Return a host that is reached over SSH. Raises NotFound or Refused."""
    from opsrunner.cli.lookup import near

    host = app.site.hosts.get(name)
    if host is None:
        raise NotFound(f"there is no host '{name}'{near(name, app.site.hosts)}")
    if host.is_local:
        raise Refused("local is this machine: it is reached without SSH")
    return host


def remote_hosts(app: OpenSite, names: Sequence[str]) -> list[Host]:
    """Return the hosts that names of hosts and groups stand for, each once. Raises NotFound or Refused."""
    chosen: dict[str, Host] = {}
    for name in names:
        members = [host for host in app.site.hosts.values() if name in host.groups]
        chosen |= {host.name: host for host in members or [remote_host(app, name)]}
    return list(chosen.values())


def every_host(app: OpenSite) -> list[Host]:
    """Return all hosts that are reached over SSH. Raises Refused where there are none."""
    found = [host for host in app.site.hosts.values() if not host.is_local]
    if not found:
        raise Refused("there are no hosts: name them in opsrunner.yaml, under hosts or inventory")
    return found


def where_words(host: Host) -> str:
    """Return user, address and port of a host."""
    if host.is_local:
        return "this machine"
    port = "" if host.port == 22 else f":{host.port}"
    way = f" through {host.jump.name}" if host.jump else ""
    return f"{f'{host.user}@' if host.user else ''}{host.address}{port}{way}"


def host_view(host: Host, keys: Sequence[HostKey]) -> dict[str, Any]:
    """Return a host with its keys, for JSON."""
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
