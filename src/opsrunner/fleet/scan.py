"""Asks a host for its keys, without signing in."""

from __future__ import annotations

import threading

from paramiko.ssh_exception import IncompatiblePeer

from opsrunner.clock import Clock
from opsrunner.fleet.host_keys import HostKey
from opsrunner.fleet.link import Phases, Way, shown_key
from opsrunner.fleet.transport import hang_up
from opsrunner.model.site import Host

SCAN_SECONDS = 15
_ASKED = (("ssh-ed25519",), ("ecdsa-sha2-nistp256",), ("rsa-sha2-512", "rsa-sha2-256"))


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
