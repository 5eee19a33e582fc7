"""Connections to hosts over SSH, signed in: pinned host keys, one shared private key, no agent and no passwords."""

from __future__ import annotations

import os
from pathlib import Path

from paramiko import Transport
from paramiko.ssh_exception import IncompatiblePeer

from opsrunner.clock import Clock
from opsrunner.errors import StateError, StepFailed
from opsrunner.fleet.account import own_account
from opsrunner.fleet.host_keys import HostKey, KnownHosts
from opsrunner.fleet.link import Phases, hang_up, shown_key, signature_types
from opsrunner.fleet.private_keys import PrivateKeys
from opsrunner.model.fleet import Stopping
from opsrunner.model.site import Host


class Connections:
    """Opens connections. Safe among threads."""

    def __init__(self, *, site_root: Path, known_hosts: Path, clock: Clock) -> None:
        self._keys = PrivateKeys(site_root)
        self._known_hosts = KnownHosts(known_hosts)
        self._clock = clock

    def open(self, host: Host, *, seconds: float, stopping: Stopping) -> Transport:
        """Return a connection to `host` that is signed in, within `seconds`; who asked for it hangs up.

        Raises StepFailed where there is none: no answer, host key not pinned, sign-in refused.
        """
        key = self._keys.key_for(host)
        try:
            pinned = self._known_hosts.keys_of(host)
        except StateError as exc:
            raise StepFailed(f"{host.name}: {exc}", permanent=True) from exc
        phases = Phases(host, clock=self._clock, seconds=seconds, stopping=stopping)
        try:
            transport = phases.exchange_keys(signature_types(pinned))
        except IncompatiblePeer as exc:
            raise StepFailed(f"{host.name}: no common way to talk: {exc}", permanent=True) from exc
        try:
            require_pinned(host, shown=shown_key(transport), pinned=pinned)
            phases.sign_in(transport, user=host.user or own_account(os.geteuid()).name, key=key)
        except BaseException:
            hang_up(transport)
            raise
        return transport


def require_pinned(host: Host, *, shown: HostKey, pinned: tuple[HostKey, ...]) -> None:
    """Raise StepFailed unless `shown` is one of the keys that a person has checked for `host`."""
    if shown in pinned:
        return
    facts: dict[str, object] = {
        "host": host.name,
        "fingerprint_shown": shown.fingerprint,
        "fingerprints_pinned": [key.fingerprint for key in pinned],
    }
    advice = f"if that is right, run: opsrunner hosts trust {host.name}"
    if not pinned:
        message = f"{host.name}: unknown host key: it shows {shown.fingerprint} ({shown.type}), none is pinned"
    else:
        known = next((key for key in pinned if key.type == shown.type), pinned[0])
        message = (
            f"{host.name}: the host key changed: it shows {shown.fingerprint} ({shown.type}), "
            f"pinned is {known.fingerprint} ({known.type})"
        )
    raise StepFailed(f"{message}; refused before signing in; {advice}", permanent=True, facts=facts)
