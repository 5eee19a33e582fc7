"""What goes on with one host: its open connections, how many commands run there, who waits."""

from __future__ import annotations

import threading
from dataclasses import field
from typing import TypeAlias

from opsrunner.errors import StepFailed
from opsrunner.fleet.connections import Connection, Trust
from opsrunner.model.host import Host
from opsrunner.records import dataclass

Endpoint: TypeAlias = tuple[str, int, str, str | None, "Endpoint | None"]
"""Address, port, user, key file, and the same of the host it is reached through."""


def endpoint_of(host: Host) -> Endpoint:
    """Return what makes a connection the same: two names of one machine share it."""
    jump = endpoint_of(host.jump) if host.jump else None
    return host.address, host.port, host.user, host.key_file, jump


@dataclass(eq=False, kw_only=True)
class Lane:
    """The way to one endpoint. All of it is read and written under the lock of `changed`."""

    endpoint: Endpoint
    changed: threading.Condition
    connections: list[Connection] = field(default_factory=list)
    running: int = 0
    """Commands that have a place."""
    present: int = 0
    """Leases that are given out or waited for."""
    most_users: int = 1 << 30
    """A connection has refused to carry more."""
    is_opening: bool = False
    error: StepFailed | None = None
    """Why the last connection could not be opened; None: it could, or whoever asked lost patience."""
    opener: str = ""
    """The host by whose name it was opened."""

    def find(self, trust: Trust) -> Connection | None:
        """Return a connection that one more may use, the least busy one."""
        fitting = [one for one in self.connections if one.users < self.most_users and one.fits(trust)]
        return min(fitting, key=lambda one: one.users) if fitting else None
