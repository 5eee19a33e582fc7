"""Addresses of names, asked of a DNS server, with the difference between "no such name" and "nobody knows".

The system's own look-up (`getaddrinfo`) has no time limit and reads `/etc/hosts`; neither will do here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from opsrunner.records import dataclass

if TYPE_CHECKING:
    import dns.resolver

ONE_SECONDS = 5.0
"""How long one name is asked for, over all servers and tries."""
WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What a look-up came to: its addresses, none where there is no such name; None where that is not known."""

    name: str
    addresses: tuple[str, ...] | None
    reason: str = ""
    """Why it is not known, in a few words."""


class Stopping(Protocol):
    """Told when no further name should be asked for."""

    def is_set(self) -> bool:
        """Tell whether to stop now."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A DNS server that is asked instead of those of this machine."""

    address: str
    port: int = 53


def look_up(
    names: Sequence[str],
    *,
    servers: Sequence[Server] = (),
    one_seconds: float = ONE_SECONDS,
    stopping: Stopping | None = None,
) -> Mapping[str, Lookup]:
    """Return the IPv4 addresses of each name. Asks several at a time; never raises for what servers do.

    Without `servers`, those of this machine are asked. A name is taken as it is: no domain is put behind it. What was
    not asked before `stopping` was set is not known.
    """
    import dns.exception  # noqa: PLC0415 - few processes ask for names
    import dns.nameserver  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        resolver = dns.resolver.Resolver(configure=not servers)
    except (dns.exception.DNSException, OSError):
        return {name: _unknown(name, "this machine has no DNS server") for name in names}
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(server.address, server.port) for server in servers]
    resolver.lifetime = one_seconds
    resolver.timeout = one_seconds / 2  # one lost packet is no end

    def ask(name: str) -> Lookup:
        if stopping is not None and stopping.is_set():
            return _unknown(name, "stopped")
        return _ask(resolver, name)

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="dns") as pool:
        return {lookup.name: lookup for lookup in pool.map(ask, dict.fromkeys(names))}


def _ask(resolver: dns.resolver.Resolver, name: str) -> Lookup:
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        answer = resolver.resolve(f"{name.rstrip('.')}.", "A", search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return Lookup(name=name, addresses=())
    except dns.exception.Timeout:
        return _unknown(name, "no DNS server answered in time")
    except dns.resolver.NoNameservers:
        return _unknown(name, "the DNS servers could not tell")
    except (dns.exception.DNSException, OSError, UnicodeError, ValueError):
        return _unknown(name, "it cannot be asked for")
    return Lookup(name=name, addresses=tuple(sorted(record.address for record in answer.rrset or ())))


def _unknown(name: str, reason: str) -> Lookup:
    return Lookup(name=name, addresses=None, reason=reason)
