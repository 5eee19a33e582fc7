"""Ports that a host listens on, as `ss` or the kernel's own tables tell of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from opsrunner.audits.baseline import Baseline
from opsrunner.audits.sections import Sections, clean, clean_subject
from opsrunner.audits.seen import Seen
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

CAUSE = "port"
_PROCESS = re.compile(r'users:\(\("([^"]{1,60})"')
_RANGE = re.compile(r"range ([0-9]{1,5})\s+([0-9]{1,5})\Z")
_KERNEL = re.compile(r"(tcp|udp)6? ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})\Z")
_USUAL_RANGE = (32768, 60999)
_ALL = str(IPv4Address(0))
_INSIDE = [
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
]
_OPEN_DOORS = {
    ("tcp", 2375): "Docker without a password",
    ("tcp", 6379): "Redis",
    ("tcp", 9200): "Elasticsearch",
    ("tcp", 11211): "memcached",
    ("udp", 11211): "memcached",
    ("tcp", 27017): "MongoDB",
}
"""What often asks for no password at all."""
_NEVER_OUTSIDE = {
    ("tcp", 23): "telnet",
    ("tcp", 111): "portmapper",
    ("udp", 111): "portmapper",
    ("tcp", 139): "Windows shares",
    ("udp", 161): "SNMP",
    ("tcp", 445): "Windows shares",
    ("tcp", 512): "rexec",
    ("tcp", 513): "rlogin",
    ("tcp", 514): "rsh",
    ("tcp", 873): "rsync",
    ("tcp", 1433): "SQL Server",
    ("tcp", 2049): "NFS",
    ("tcp", 3306): "MySQL",
    ("tcp", 3389): "remote desktop",
    ("tcp", 5432): "PostgreSQL",
    ("tcp", 5672): "RabbitMQ",
    ("tcp", 5900): "VNC",
    ("tcp", 5984): "CouchDB",
    ("tcp", 8086): "InfluxDB",
    ("tcp", 10050): "Zabbix agent",
}
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class Listener:
    """One socket that waits for others."""

    protocol: str
    address: Address
    port: int
    process: str = ""
    also: str = ""
    """The other address of the same service, where it listens on all of both families."""

    @property
    def subject(self) -> str:
        """`tcp 0.0.0.0:3306`, `udp [::]:53`."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.protocol} {host}:{self.port}"

    @property
    def is_outside(self) -> bool:
        """Tell whether the address is one that the whole net can have a way to."""
        return self.address.is_unspecified or not any(
            self.address in network for network in _INSIDE if network.version == self.address.version
        )


def judge_ports(host: str, answer: Sections, baseline: Baseline) -> Seen:
    """Judge every port that others can have a way to. Whether a firewall stands before it is not looked at."""
    problem = answer.problem("ports", "ports")
    lines = answer.lines("ports")
    listeners = _listeners(lines)
    if problem or not any(line.startswith(("ss ", "tcp", "udp")) for line in lines):
        problem = problem or "ports: the host tells of none, not even its own"
    facing = _merged(listener for listener in listeners if not listener.address.is_loopback)
    return Seen(
        examined=frozenset() if problem else frozenset({CAUSE}),
        findings=tuple(
            _finding(host, listener)
            for listener in facing
            if not baseline.allows_port(listener.protocol, listener.port)
        ),
        problems=(problem,) if problem else (),
        facts={"ports": len(facing)},
    )


def _listeners(lines: Sequence[str]) -> list[Listener]:
    low, high = _USUAL_RANGE
    found = []
    for line in lines:
        if match := _RANGE.match(line):
            low, high = int(match[1]), int(match[2])
        listener = _of_ss(line) if line.startswith("ss ") else _of_kernel(line)
        # A UDP socket of that range is one that asked somebody and waits for the answer, another one each time.
        if listener and not (listener.protocol == "udp" and low <= listener.port <= high):
            found.append(listener)
    return found


def _of_ss(line: str) -> Listener | None:
    words = line.split()
    if len(words) < 7 or words[1] not in ("tcp", "udp") or words[2] not in ("LISTEN", "UNCONN"):
        return None
    host, _, port = words[5].rpartition(":")
    address = _address(host)
    if address is None or not re.fullmatch(r"[0-9]{1,5}", port):
        return None
    process = _PROCESS.search(line)
    return Listener(
        protocol=words[1], address=address, port=int(port), process=clean(process[1], most=40) if process else ""
    )


def _address(text: str) -> Address | None:
    """Return the address as `ss` writes it: `*` is all, `%` names a device, older ones leave the brackets out."""
    bare = text.partition("%")[0].strip("[]") if text != "*" else _ALL
    try:
        return _plain(ip_address(bare))
    except ValueError:
        return None


def _of_kernel(line: str) -> Listener | None:
    """Read `tcp 0100007F:0016`: the address in words of four bytes, each the wrong way round."""
    match = _KERNEL.match(line)
    if match is None:
        return None
    octets = bytes.fromhex(match[2])
    words = b"".join(octets[start : start + 4][::-1] for start in range(0, len(octets), 4))
    return Listener(protocol=match[1], address=_plain(ip_address(words)), port=int(match[3], 16))


def _plain(address: Address) -> Address:
    """Return an IPv4 address that is written as an IPv6 one as what it is."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _merged(listeners: Iterable[Listener]) -> list[Listener]:
    """Return each port once: of a service on all addresses of both families, the one of IPv4."""
    by_subject: dict[str, Listener] = {}
    for listener in listeners:
        known = by_subject.get(listener.subject)
        if known is None or (listener.process and not known.process):
            by_subject[listener.subject] = listener
    for subject, listener in list(by_subject.items()):
        beside = f"{listener.protocol} {_ALL}:{listener.port}"
        if subject != beside and listener.address.is_unspecified and beside in by_subject:
            by_subject[beside] = replace(by_subject[beside], also="[::]")
            del by_subject[subject]
    return list(by_subject.values())


def _finding(host: str, listener: Listener) -> Finding:
    named = (listener.protocol, listener.port)
    service = _OPEN_DOORS.get(named) or _NEVER_OUTSIDE.get(named, "")
    if listener.address.is_unspecified:
        reach = "on every address, IPv6 too" if listener.also else "on every address"
    else:
        reach = "on a public address" if listener.is_outside else "on an address of the inner network"
    told = f"{listener.process or 'process not visible'}, {reach}"
    return Finding(
        host=host,
        cause=CAUSE,
        subject=clean_subject(listener.subject),
        severity=_severity(named, is_outside=listener.is_outside),
        detail=f"{service}: {told}" if service else told,
        mark=listener.process,
    )


def _severity(named: tuple[str, int], *, is_outside: bool) -> Severity:
    if named in _OPEN_DOORS:
        return Severity.CRITICAL if is_outside else Severity.MEDIUM
    if named in _NEVER_OUTSIDE:
        return Severity.HIGH if is_outside else Severity.LOW
    return Severity.MEDIUM if is_outside else Severity.LOW
