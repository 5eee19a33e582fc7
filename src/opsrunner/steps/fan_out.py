"""One command on many hosts at once; none stops the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from opsrunner.errors import OpsrunnerError, StepFailed
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import StepStatus
from opsrunner.model.site import Host
from opsrunner.records import dataclass
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.environment import host_environment
from opsrunner.steps.suggestions import nearest

EVERY_HOST = "all"
NOT_ASKED: Mapping[str, Any] = {"reached": None}
"""The facts of a host that nobody asked anything: nothing is known of it."""
LOGGER = logging.getLogger("opsrunner")


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """Why the command did not start on a host, or that nobody knows."""

    status: StepStatus
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """`reached`: False where the host was not, None where it was not even asked."""


@dataclass(frozen=True, kw_only=True)
class HostEnd:
    """What came of the command on one host: an answer, or why there is none."""

    host: Host
    answered_at: datetime | None = None
    """When its answer was whole; a host's own clock is compared with that."""
    answer: HostAnswer | None = None
    not_run: NotRun | None = None


def select_hosts(wanted: str | tuple[str, ...], inventory: Mapping[str, Host]) -> list[Host]:
    """Return the hosts that `wanted` names, each once. Raises StepFailed for a name that is none."""
    chosen: dict[str, Host] = {}
    for name in (wanted,) if isinstance(wanted, str) else wanted:
        chosen |= {host.name: host for host in _named(name, inventory)}
    if not chosen:
        raise StepFailed("no host is meant: the inventory has none but this machine", permanent=True)
    return list(chosen.values())


def ask_hosts(
    call: StepCall,
    means: Means,
    hosts: Sequence[Host],
    *,
    command: str,
    most_at_once: int,
    env: Mapping[str, str] | None = None,
) -> Iterator[HostEnd]:
    """Run `command` on all hosts and give each end, in the order of `hosts`.

    `env` comes on top of the step's. `timeout_seconds` of the call holds for all hosts together.
    """
    environments = {host.name: {**host_environment(host, call, means.vault), **(env or {})} for host in hosts}
    ends_at = means.clock.monotonic() + call.timeout_seconds

    def one(host: Host) -> HostEnd:
        try:
            seconds = ends_at - means.clock.monotonic()
            return _ask(host, means, command, env=environments[host.name], seconds=seconds)
        except OpsrunnerError as exc:
            return _none(host, StepStatus.FAILED, exc.message, facts=NOT_ASKED)
        except Exception as exc:  # noqa: BLE001 - what trips us up on one host must not cost the others theirs
            return HostEnd(host=host, not_run=at_fault(host, call, exc))

    yield from _at_once(one, hosts, most=most_at_once)


def at_fault(host: Host, call: StepCall, fault: Exception) -> NotRun:
    """Answer for a host that we stumbled over ourselves. The command may have run there, and the others keep theirs."""
    LOGGER.exception(
        "run %s: host %s of step %s stopped by a fault of opsrunner",
        call.run_id,
        host.name,
        call.step,
        extra={"action": "fault", "run": call.run_id},
    )
    name = type(fault).__name__
    message = f"a fault of opsrunner ({name}), and its log says where; nobody knows how far the command came"
    return NotRun(status=StepStatus.UNKNOWN, message=message)


def _at_once(one: Callable[[Host], HostEnd], hosts: Sequence[Host], *, most: int) -> Iterator[HostEnd]:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only to run, and much to import

    with ThreadPoolExecutor(max_workers=min(most, len(hosts)), thread_name_prefix="ssh") as pool:
        yield from pool.map(one, hosts)


def _named(name: str, inventory: Mapping[str, Host]) -> list[Host]:
    if name == EVERY_HOST:
        return [host for host in inventory.values() if not host.is_local]
    if name in inventory:
        return [inventory[name]]
    members = [host for host in inventory.values() if name in host.groups]
    if not members:
        groups = {group for host in inventory.values() for group in host.groups}
        hint = nearest(name, [*inventory, *sorted(groups), EVERY_HOST])
        raise StepFailed(f"there is no host or group '{name}'{hint}", permanent=True)
    return members


def _ask(host: Host, means: Means, command: str, *, env: Mapping[str, str], seconds: float) -> HostEnd:
    if means.stopping.is_set():
        return _none(host, StepStatus.INTERRUPTED, "not started: the run was stopped", facts=NOT_ASKED)
    if seconds <= 0:
        return _none(host, StepStatus.TIMED_OUT, "not started: the step's time was over", facts=NOT_ASKED)
    try:
        answer = means.fleet.run(host, command, env=env, timeout_seconds=seconds, stopping=means.stopping)
    except StepFailed as exc:
        said = exc.message.removeprefix(f"{host.name}: ")
        return _none(host, StepStatus(exc.status), said, facts={"reached": False, **exc.facts})
    return HostEnd(host=host, answered_at=means.clock.now(), answer=answer)


def _none(host: Host, status: StepStatus, message: str, *, facts: Mapping[str, Any]) -> HostEnd:
    return HostEnd(host=host, not_run=NotRun(status=status, message=message, facts=dict(facts)))
