"""Servers as people write them: `www.example.com`, `mail.example.com:587`, `imap://mail.example.com:1143`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

from opsrunner.expiries.names import BadName, as_address, to_ascii
from opsrunner.records import dataclass

Way: TypeAlias = Literal["tls", "smtp", "imap", "pop3"]
"""How TLS begins: at once, or after STARTTLS in one of these."""
WAYS: tuple[Way, ...] = ("tls", "smtp", "imap", "pop3")
USUAL_PORT = 443
_STARTTLS: Mapping[int, Way] = {25: "smtp", 587: "smtp", 2525: "smtp", 143: "imap", 110: "pop3"}
_USUAL_PORTS: Mapping[Way, int] = {"tls": USUAL_PORT, "smtp": 25, "imap": 143, "pop3": 110}
_WRITTEN = re.compile(r"(?:([a-z0-9]+)://)?(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]@]+)(?::([0-9]{1,5}))?/?\Z")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One server that shows a certificate."""

    host: str
    """In ASCII, or an address."""
    port: int
    way: Way

    @property
    def name(self) -> str:
        """Return how it is called, the same for each way to write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        front = "" if _STARTTLS.get(self.port, "tls") == self.way else f"{self.way}://"
        return f"{front}{host}:{self.port}"


def read_target(text: str, *, port: int | None = None) -> Target:
    """Return the server that a text names; `port` is taken where it names none. Raises ValueError with advice."""
    match = _WRITTEN.match(text.strip())
    if match is None:
        raise ValueError(f"'{text[:60]}' is no server; write it like mail.example.com:587")
    scheme, host, written = match.groups()
    if scheme in ("https", "http"):
        scheme = "tls"
    if scheme is not None and scheme not in WAYS:
        raise ValueError(f"'{text[:60]}': there is no way '{scheme}'; there are {', '.join(WAYS)}")
    way = cast("Way | None", scheme)
    number = int(written) if written else port or (_USUAL_PORTS[way] if way else USUAL_PORT)
    if not 0 < number < 65536:
        raise ValueError(f"'{text[:60]}': there is no port {number}")
    return Target(host=_host(host.strip("[]"), text), port=number, way=way or _STARTTLS.get(number, "tls"))


def _host(host: str, text: str) -> str:
    if as_address(host) is not None:
        return host.lower()
    try:
        return to_ascii(host)
    except BadName as exc:
        raise ValueError(f"'{text[:60]}' is no server: {exc}") from exc
