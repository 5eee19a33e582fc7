"""The fleet: runs a command on any host of the inventory, this machine included."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed, StoreFailed, StoreRefused
from opsrunner.fleet.lean_import import load_paramiko
from opsrunner.fleet.taker import Take, Taker
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.host import Host
from opsrunner.secrets import Vault

if TYPE_CHECKING:
    from opsrunner.fleet.host_keys import HostKey
    from opsrunner.fleet.pool import Pool
    from opsrunner.fleet.sftp import SftpSession
    from opsrunner.fleet.ssh import SshHosts

CONNECT_SECONDS = 15


class Fleet:
    """Runs commands on hosts. `known_hosts` is the file of pinned keys in the state folder.

    Each output stream is kept up to what `limit_bytes` says when the command starts, head and tail, with the
    secrets of `vault` masked. Connections stay open for the next command until `close`.
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
        self._opened: Pool | None = None
        self._ssh: SshHosts | None = None

    def run(
        self, host: Host, command: str, *, env: Mapping[str, str], timeout_seconds: float, stopping: Stopping
    ) -> HostAnswer:
        """Run `command` through the host's shell and answer with its end.

        `timeout_seconds` holds for connecting and running together. Raises StepFailed where the command
        never started: no connection, host key not pinned, sign-in refused.
        """
        return self._run(host, command, env=env, timeout_seconds=timeout_seconds, stopping=stopping)

    def stream(
        self,
        host: Host,
        command: str,
        *,
        env: Mapping[str, str],
        timeout_seconds: float,
        stopping: Stopping,
        take: Take,
    ) -> HostAnswer:
        """Run `command` as `run` does; its standard output goes to `take`, all of it, piece by piece, in order.

        It is neither capped nor masked nor kept. The command waits while `take` does. What `take` raises ends the
        command, and is raised then. An answer without a `status` tells that the output was taken whole.
        """
        taker = Taker(take, stopping=stopping)
        try:
            return self._run(host, command, env=env, timeout_seconds=timeout_seconds, stopping=taker, take=taker.take)
        finally:
            taker.raise_error()

    def _run(
        self,
        host: Host,
        command: str,
        *,
        env: Mapping[str, str],
        timeout_seconds: float,
        stopping: Stopping,
        take: Take | None = None,
    ) -> HostAnswer:
        if not host.is_local:
            ssh = self._over_ssh()
            return ssh.run(host, command, env=env, timeout_seconds=timeout_seconds, stopping=stopping, take=take)
        from opsrunner.fleet.local import run_here  # noqa: PLC0415  10 ms; who asks other hosts alone needs none of it

        return run_here(
            command,
            env=env,
            timeout_seconds=timeout_seconds,
            stopping=stopping,
            clock=self._clock,
            limit_bytes=self._limit_bytes(),
            vault=self._vault,
            take=take,
        )

    def open_sftp(self, host: Host) -> SftpSession:
        """Open an SFTP session on `host`; who asked for it closes it. Raises StoreFailed, StoreRefused."""
        load_paramiko()
        from opsrunner.fleet.sftp import SftpSession  # noqa: PLC0415  paramiko costs 100 ms; not all have such a store

        if host.is_local:
            raise StoreFailed("an SFTP store on `local` is a folder of this machine; write: local", permanent=True)
        try:
            transport = self._pool().open_apart(host, stopping=threading.Event())
        except StepFailed as exc:
            raise (StoreRefused(exc.message) if exc.permanent else StoreFailed(exc.message)) from exc
        return SftpSession(transport, host_name=host.name, clock=self._clock)

    def scan(self, host: Host) -> list[HostKey]:
        """Return the keys that `host` shows, without signing in there. Raises StepFailed where it does not answer."""
        load_paramiko()
        from opsrunner.fleet.scan import scan  # noqa: PLC0415  as above

        way = self._pool().way_to(host, stopping=threading.Event())
        return scan(host, clock=self._clock, way=way)

    def close(self) -> None:
        """Hang up every connection. Nothing runs on hosts after that."""
        with self._lock:
            opened = self._opened
        if opened is not None:
            opened.close()

    def _over_ssh(self) -> SshHosts:
        if self._ssh is None:
            pool = self._pool()
            from opsrunner.fleet.ssh import SshHosts  # noqa: PLC0415  see there

            self._ssh = SshHosts(pool, clock=self._clock, limit_bytes=self._limit_bytes, vault=self._vault)
        return self._ssh

    def _pool(self) -> Pool:
        with self._lock:
            if self._opened is None:
                load_paramiko()
                from opsrunner.fleet.connections import Connections  # noqa: PLC0415  paramiko costs 100 ms
                from opsrunner.fleet.pool import Pool  # noqa: PLC0415  as above

                connections = Connections(site_root=self._site_root, known_hosts=self._known_hosts, clock=self._clock)
                self._opened = Pool(connections, clock=self._clock, connect_seconds=self._connect_seconds)
            return self._opened
