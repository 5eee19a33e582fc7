"""What a site allows its hosts to have: what the hardening audit holds every host against."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from ipaddress import ip_address, ip_network

from opsrunner.records import dataclass

_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?\Z")
_MOST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What is allowed. Raises ValueError, in one line, for what cannot be meant."""

    allow_ports: tuple[str, ...] = ()
    """`22`, `53/udp`, `8000-8010/tcp`; without a protocol, both."""
    allow_ssh: tuple[str, ...] = ()
    """Settings as a finding names them: `PasswordAuthentication yes`."""
    allow_root_accounts: tuple[str, ...] = ()
    allow_root_from: tuple[str, ...] = ()
    """Addresses and networks from which root may log in by key."""
    web_roots: tuple[str, ...] = ()
    """Patterns of folders; without any, the usual ones."""
    web_roots_seconds: int = 240
    """How long the look through all web roots of a host may take."""
    login_days: int = 7
    """How far back root's logins are looked at."""
    without: frozenset[str] = field(default_factory=frozenset)
    """Causes that the site does not want looked at."""

    def __post_init__(self) -> None:
        for text in self.allow_ports:
            read_ports(text)
        for text in self.allow_root_from:
            _check_network(text)

    def allows_port(self, protocol: str, port: int) -> bool:
        """Tell whether a port may be listened on."""
        ranges = (read_ports(text) for text in self.allow_ports)
        return any(low <= port <= high and protocol in protocols for low, high, protocols in ranges)

    def allows_ssh(self, setting: str) -> bool:
        """Tell whether a setting of the SSH server may stand."""
        return setting.lower() in {" ".join(text.lower().split()) for text in self.allow_ssh}

    def allows_root_from(self, source: str) -> bool:
        """Tell whether root may log in from there by key."""
        try:
            address = ip_address(source)
        except ValueError:
            return False
        return any(address in ip_network(text, strict=False) for text in self.allow_root_from)


def read_ports(text: str) -> tuple[int, int, tuple[str, ...]]:
    """Return the first port, the last one and the protocols. Raises ValueError if it is none of the forms."""
    match = _PORT.match(text)
    low = int(match[1]) if match else 0
    high = int(match[2] or match[1]) if match else 0
    if match is None or not 1 <= low <= high <= _MOST_PORT:
        raise ValueError(f"{text!r} is no port: write 22, 53/udp or 8000-8010/tcp")
    return low, high, (match[3],) if match[3] else ("tcp", "udp")


def environment_of(baseline: Baseline) -> Mapping[str, str]:
    """Return the variables that the script reads."""
    return {
        "OPS_WEB_ROOTS": "\n".join(baseline.web_roots),
        "OPS_WEB_ROOTS_SECONDS": str(baseline.web_roots_seconds),
        "OPS_LOGIN_DAYS": str(baseline.login_days),
        "OPS_WITHOUT": " ".join(sorted(baseline.without)),
    }


def _check_network(text: str) -> None:
    try:
        ip_network(text, strict=False)
    except ValueError as exc:
        raise ValueError(f"{text!r} is no address or network: write 192.0.2.7 or 192.0.2.0/24") from exc
