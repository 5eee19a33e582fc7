"""The fleet: runs a command on any host of the inventory, this machine included."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opsrunner.clock import Clock
from opsrunner.fleet.local import run_here
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.site import Host
from opsrunner.secrets import Vault

if TYPE_CHECKING:
    from opsrunner.fleet.ssh import SshHosts

CONNECT_SECONDS = 15


class Fleet:
    """Runs commands on hosts. `known_hosts` is the file of pinned keys in the state folder.

    Each output stream is kept up to what `limit_bytes` says when the command starts, head and tail, with the
    secrets of `vault` masked.
    Safe among threads.
    """

    def __init__(
        self,
        *,
        site_root: Path,
        known_hosts: Path,
        clock: Clock,
        limit_bytes: Callable[[], int],
        vault: Vault,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._site_root = site_root
        self._known_hosts = known_hosts
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._vault = vault
        self._connect_seconds = connect_seconds
        self._lock = threading.Lock()
        self._ssh: SshHosts | None = None

    def run(
        self, host: Host, command: str, *, env: Mapping[str, str], timeout_seconds: float, stopping: Stopping
    ) -> HostAnswer:
        """Run `command` through the host's shell and answer with its end.

        `timeout_seconds` holds for connecting and running together. Raises StepFailed where the command
        never started: no connection, host key not pinned, sign-in refused.
        """
        if host.is_local:
            return run_here(
                command,
                env=env,
                timeout_seconds=timeout_seconds,
                stopping=stopping,
                clock=self._clock,
                limit_bytes=self._limit_bytes(),
                vault=self._vault,
            )
        over_ssh = self._over_ssh()
        return over_ssh.run(host, command, env=env, timeout_seconds=timeout_seconds, stopping=stopping)

    def _over_ssh(self) -> SshHosts:
        with self._lock:
            if self._ssh is None:
                from opsrunner.fleet.ssh import SshHosts  # noqa: PLC0415  paramiko costs 100 ms; local needs none

                self._ssh = SshHosts(
                    site_root=self._site_root,
                    known_hosts=self._known_hosts,
                    clock=self._clock,
                    limit_bytes=self._limit_bytes,
                    connect_seconds=self._connect_seconds,
                    vault=self._vault,
                )
            return self._ssh
