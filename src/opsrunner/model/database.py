"""A database server that sources read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Literal, TypeAlias

from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef

Engine: TypeAlias = Literal["mysql", "postgresql"]
"""What is spoken there; MariaDB and MySQL speak the same."""
PORTS: Mapping[Engine, int] = MappingProxyType({"mysql": 3306, "postgresql": 5432})


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where a database is, and how to sign in there."""

    engine: Engine = "mysql"
    host: str = "127.0.0.1"
    port: int = 3306
    socket: str = ""
    """Path of a socket (MariaDB) or of the folder it lies in (PostgreSQL), instead of host and port."""
    name: str = ""
    user: str = ""
    password: str | SecretRef | None = field(default=None, repr=False)
    url: SecretRef | None = None
    """Where all of the above stands; it is read when the source is."""
    ca: str = ""
    """File of the authorities that sign the server's certificate; '' is the machine's own."""
    verify: bool = True
    """Whether that certificate must be valid."""

    @property
    def is_local(self) -> bool:
        """Tell whether the server is this machine: nobody reads along on the way there."""
        if self.socket or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_encrypted(self) -> bool:
        """Tell whether TLS is spoken: always with another machine, here where authorities are named."""
        return not self.socket and (bool(self.ca) or not self.is_local)

    @property
    def place(self) -> str:
        """What people call it in a message."""
        return self.socket or f"{self.host}:{self.port}"
