"""Commands on hosts over SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsrunner.clock import Clock
from opsrunner.fleet.environment import check_environment, remote_script
from opsrunner.fleet.pool import Pool
from opsrunner.fleet.session import STREAM_WINDOW_BYTES, RemoteCommand
from opsrunner.fleet.taker import Take
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.host import Host
from opsrunner.model.outcome import StepStatus
from opsrunner.secrets import Vault


class SshHosts:
    """Runs commands on connections of the pool. Safe among threads."""

    def __init__(self, pool: Pool, *, clock: Clock, limit_bytes: Callable[[], int], vault: Vault) -> None:
        self._pool = pool
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._vault = vault

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
        """Run `command` on `host`; `timeout_seconds` holds for waiting, connecting and running together.

        With `take` its standard output goes there, and is not kept.
        """
        check_environment(env)
        started = self._clock.monotonic()
        with self._pool.lease(host, seconds=timeout_seconds, stopping=stopping) as lease:
            channel = lease.open_session(window_bytes=STREAM_WINDOW_BYTES if take else None)
            left = timeout_seconds - (self._clock.monotonic() - started)
            remote = RemoteCommand(
                lease.transport,
                channel,
                host_name=host.name,
                clock=self._clock,
                timeout_seconds=left,
                limit_bytes=self._limit_bytes(),
                vault=self._vault,
                take=take,
            )
            script = remote_script(command, environment=env, timeout_seconds=left)
            answer = remote.run(script, stopping=stopping)
            if answer.status is StepStatus.UNKNOWN:
                lease.retire()  # nobody knows what still goes on there
            return answer
