"""Commands on hosts over SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsrunner.clock import Clock
from opsrunner.fleet.connections import Connections
from opsrunner.fleet.environment import check_environment, remote_script
from opsrunner.fleet.link import hang_up
from opsrunner.fleet.session import RemoteCommand
from opsrunner.fleet.taker import Take
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.site import Host
from opsrunner.secrets import Vault


class SshHosts:
    """Opens a connection for each command. Safe among threads."""

    def __init__(
        self,
        connections: Connections,
        *,
        clock: Clock,
        limit_bytes: Callable[[], int],
        connect_seconds: float,
        vault: Vault,
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._vault = vault
        self._connect_seconds = connect_seconds

    def run(
        self,
        host: Host,
        command: str,
        *,
        env: Mapping[str, str],
        timeout_seconds: float,
        stopping: Stopping,
        take: Take | None = None,
    ) -> HostAnswer:
        """Run `command` on `host`; `timeout_seconds` holds for connecting and running together.

        With `take` its standard output goes there, and is not kept.
        """
        check_environment(env)
        started = self._clock.monotonic()
        patience = min(timeout_seconds, self._connect_seconds)
        transport = self._connections.open(host, seconds=patience, stopping=stopping)
        try:
            left = timeout_seconds - (self._clock.monotonic() - started)
            remote = RemoteCommand(
                transport,
                host_name=host.name,
                clock=self._clock,
                timeout_seconds=left,
                limit_bytes=self._limit_bytes(),
                vault=self._vault,
                take=take,
            )
            script = remote_script(command, environment=env, timeout_seconds=left)
            return remote.run(script, stopping=stopping)
        finally:
            hang_up(transport)
