"""Connections to hosts over SSH, signed in: pinned host keys, one shared private key, no agent and no passwords."""

from __future__ import annotations

import os
from pathlib import Path

from paramiko import PKey
from paramiko.ssh_exception import IncompatiblePeer

from opsrunner.clock import Clock
from opsrunner.errors import StateError, StepFailed
from opsrunner.fleet.account import own_account
from opsrunner.fleet.host_keys import HostKey, KnownHosts
from opsrunner.fleet.link import Phases, Way, shown_key, signature_types
from opsrunner.fleet.private_keys import PrivateKeys
from opsrunner.fleet.transport import LeanTransport, hang_up
from opsrunner.model.fleet import Stopping
from opsrunner.model.host import Host
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What both sides have to show now: we our key, the host one of those pinned."""

    key: PKey
    pinned: tuple[HostKey, ...]


@dataclass(eq=False, kw_only=True)
class Connection:
    """A connection that is signed in, and who is on it."""

    transport: LeanTransport
    key: PKey
    shown: HostKey
    users: int = 0
    """Commands and tunnels that are under way on it."""
    idle_since: float = 0.0
    is_retired: bool = False
    """Nothing new is begun on it."""

    def fits(self, trust: Trust) -> bool:
        """Tell whether it lives, and would be opened just so today."""
        if self.is_retired or not self.transport.is_active():
            return False
        return self.key is trust.key and self.shown in trust.pinned


class Connections:
    """Opens connections. Safe among threads."""

    def __init__(self, *, site_root: Path, known_hosts: Path, clock: Clock) -> None:
        self._keys = PrivateKeys(site_root)
        self._known_hosts = KnownHosts(known_hosts)
        self._clock = clock

    def trust_in(self, host: Host) -> Trust:
        """Return what holds for `host` at this moment. Raises StepFailed where our key, or the file, is not right."""
        key = self._keys.key_for(host)
        try:
            return Trust(key=key, pinned=self._known_hosts.keys_of(host))
        except StateError as exc:
            raise StepFailed(f"{host.name}: {exc}", permanent=True) from exc

    def open(self, host: Host, *, seconds: float, stopping: Stopping, way: Way | None) -> Connection:
        """Return a connection to `host` that is signed in, within `seconds`; who asked for it hangs up.

        Raises StepFailed where there is none: no answer, host key not pinned, sign-in refused.
        """
        trust = self.trust_in(host)
        phases = Phases(host, clock=self._clock, seconds=seconds, stopping=stopping, way=way)
        try:
            transport = phases.exchange_keys(signature_types(trust.pinned))
        except IncompatiblePeer as exc:
            raise StepFailed(f"{host.name}: no common way to talk: {exc}", permanent=True) from exc
        try:
            shown = shown_key(transport)
            require_pinned(host, shown=shown, pinned=trust.pinned)
            phases.sign_in(transport, user=host.user or own_account(os.geteuid()).name, key=trust.key)
        except BaseException:
            hang_up(transport)
            raise
        return Connection(transport=transport, key=trust.key, shown=shown)


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
