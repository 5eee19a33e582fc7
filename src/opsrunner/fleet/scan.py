"""Asks a host for its keys, without signing in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from paramiko.ssh_exception import IncompatiblePeer

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.host_keys import HostKey
from opsrunner.fleet.link import Phases, Way, shown_key
from opsrunner.fleet.transport import hang_up
from opsrunner.model.host import Host

SCAN_SECONDS = 15
AT_ONCE = 16
"""Hosts that are asked at a time; most of it is waiting."""
_ASKED = (("ssh-ed25519",), ("ecdsa-sha2-nistp256",), ("rsa-sha2-512", "rsa-sha2-256"))


def scan_all(
    hosts: Sequence[Host], *, one: Callable[[Host], list[HostKey]], told: Callable[[int], None]
) -> dict[Host, list[HostKey] | StepFailed]:
    """Return what each host shows, or why it shows nothing.

    `one` scans a host; `told` hears after each how many have answered.
    """
    found: dict[Host, list[HostKey] | StepFailed] = {}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="scan") as pool:
        asked = {pool.submit(_scan_or_not, host, one): host for host in hosts}
        for done in as_completed(asked):
            found[asked[done]] = done.result()
            told(len(found))
    return {host: found[host] for host in hosts}


def _scan_or_not(host: Host, one: Callable[[Host], list[HostKey]]) -> list[HostKey] | StepFailed:
    try:
        return one(host)
    except StepFailed as exc:
        return exc


def scan(host: Host, *, clock: Clock, seconds: float = SCAN_SECONDS, way: Way | None = None) -> list[HostKey]:
    """Return the keys that `host` shows, one a type; `way` leads there through its jump host.

    Raises StepFailed where it does not answer.
    """
    found = []
    for key_types in _ASKED:
        phases = Phases(host, clock=clock, seconds=seconds, stopping=threading.Event(), way=way)
        try:
            transport = phases.exchange_keys(key_types)
        except IncompatiblePeer:
            continue
        found.append(shown_key(transport))
        hang_up(transport)
    return found
