"""The private keys we sign in with: loaded once, shared by all connections."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import PKey
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import PasswordRequiredException, SSHException

from opsrunner.errors import StepFailed
from opsrunner.model.site import Host

DEFAULT_KEY_FILE = "secrets/ssh_key"


class PrivateKeys:
    """Loads the key of a host, relative to the site. Loading RSA costs 170 ms, so each file is read once."""

    def __init__(self, site_root: Path) -> None:
        self._root = site_root
        self._lock = threading.Lock()
        self._loaded: dict[tuple[Path, int], PKey] = {}

    def key_for(self, host: Host) -> PKey:
        """Return the private key for `host`. Raises StepFailed with what to do about it."""
        name = host.key_file or DEFAULT_KEY_FILE
        path = self._root / name
        with self._lock:
            try:
                status = path.stat()
            except OSError as exc:
                raise StepFailed(
                    f"{host.name}: no private key at {name}; make one with: ssh-keygen -t ed25519 -N '' -f {path}",
                    permanent=True,
                ) from exc
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise StepFailed(
                    f"{host.name}: others may read the private key {name}; run: chmod 600 {path}", permanent=True
                )
            version = (path, status.st_mtime_ns)
            if version not in self._loaded:
                self._loaded[version] = _load(path, name=name, host=host)
            return self._loaded[version]


def _load(path: Path, *, name: str, host: Host) -> PKey:
    locked = f"{host.name}: the private key {name} is protected by a passphrase; the daemon needs one without"
    try:
        return PKey.from_path(path)
    except (PasswordRequiredException, TypeError) as exc:
        raise StepFailed(locked, permanent=True) from exc
    except (SSHException, ValueError, OSError, UnsupportedAlgorithm, UnknownKeyType) as exc:
        if "encrypted" in str(exc) or "password" in str(exc).lower():
            raise StepFailed(locked, permanent=True) from exc
        raise StepFailed(f"{host.name}: {name} does not read as a private SSH key", permanent=True) from exc
