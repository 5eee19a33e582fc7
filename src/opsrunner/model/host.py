"""A machine of the inventory."""

from __future__ import annotations

from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Host:
    """One machine of the inventory; `local` is this one and always there."""

    name: str
    address: str
    user: str = ""
    port: int = 22
    groups: tuple[str, ...] = ()
    key_file: str | None = None
    """Private key, relative to the site; None: `secrets/ssh_key`."""
    jump: Host | None = None
    """The host that it is reached through; None: straight."""
    sessions: int = 4
    """How many commands run there at once; more wait."""

    @property
    def is_local(self) -> bool:
        """Tell whether commands run here, without SSH."""
        return self.name == "local"
