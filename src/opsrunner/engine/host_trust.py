"""What hosts show, held against what was trusted before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from opsrunner.fleet.host_keys import HostKey
from opsrunner.model.digest import Tone
from opsrunner.model.site import Host
from opsrunner.records import dataclass

_ACCEPTED = ("ssh-ed25519", "ecdsa-sha2-", "ssh-rsa")
_TONES: dict[str, Tone] = {"new": "live", "known": "fine", "changed": "failed", "none": "failed"}
_WORDS = {"new": "new", "known": "trusted already", "changed": "", "none": ""}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The keys of one host. `message` says why they are not taken."""

    host: Host
    keys: tuple[HostKey, ...] = ()
    standing: Literal["new", "known", "changed", "none"]
    message: str = ""

    @property
    def tone(self) -> Tone:
        """How it stands."""
        return _TONES[self.standing]

    @property
    def words(self) -> str:
        """How it stands, for people."""
        return _WORDS[self.standing]


def compare(host: Host, shown: Sequence[HostKey] | str, pinned: Sequence[HostKey]) -> Shown:
    """Return how a host stands that shows some keys, or of which a text says why it shows none.

    A host is known where it shows a key that is pinned, and no other of the same type.
    """
    if isinstance(shown, str):
        return Shown(host=host, standing="none", message=shown)
    if not shown:
        return Shown(host=host, standing="none", message="it showed no key of a type that opsrunner accepts")
    keys = tuple(shown)
    if not pinned:
        return Shown(host=host, keys=keys, standing="new")
    types = {key.type for key in pinned}
    if any(key.type in types and key not in pinned for key in keys) or not set(keys) & set(pinned):
        message = f"its key has changed: if that is right, run: opsrunner hosts trust {host.name}"
        return Shown(host=host, keys=keys, standing="changed", message=message)
    return Shown(host=host, keys=keys, standing="known")


def accepted(keys: Sequence[HostKey]) -> tuple[HostKey, ...]:
    """Return the keys of types that opsrunner speaks, each once."""
    return tuple(dict.fromkeys(key for key in keys if key.type.startswith(_ACCEPTED)))
