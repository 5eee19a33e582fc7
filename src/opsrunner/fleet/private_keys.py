"""The private keys we sign in with: loaded once, shared by all connections."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from paramiko import PKey
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import PasswordRequiredException, SSHException

from opsrunner.errors import StateError, StepFailed
from opsrunner.fleet.host_keys import HostKey
from opsrunner.model.host import Host

DEFAULT_KEY_FILE = "secrets/ssh_key"


class PrivateKeys:
    """Loads the key of a host, relative to the site. Loading RSA costs 170 ms, so each file is read once."""

    def __init__(self, site_root: Path) -> None:
        self._root = site_root
        self._lock = threading.Lock()
        self._loaded: dict[tuple[Path, int], PKey] = {}

    def public_key_of(self, host: Host) -> HostKey:
        """Return the public half of the key for `host`: from the `.pub` beside it, else made of the private one.

        Raises StepFailed where there is neither, or where the two do not belong together.
        """
        name = host.key_file or DEFAULT_KEY_FILE
        written = _public_half(self._root / f"{name}.pub")
        if written is not None and not os.access(self._root / name, os.R_OK):
            return written
        key = self.key_for(host)
        made = HostKey(type=key.get_name(), public=key.get_base64())
        if written is not None and written != made:
            message = f"{name}.pub does not belong to {name}; move it away, and it is made of the private key"
            raise StepFailed(f"{host.name}: {message}", permanent=True)
        return made

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


def make_key(site_root: Path, name: str) -> bool:
    """Make a private key (ed25519, without a passphrase) and its `.pub`; tell whether there was none before.

    One that is there stays. `name` is relative to the site. Raises StateError where it cannot be written.
    """
    path = site_root / name
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    beside = path.with_name(f"{path.name}.pub")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, text)
    except FileExistsError as exc:
        if path.is_file():
            return False
        raise StateError(_in_the_way(path)) from exc
    except OSError as exc:
        raise StateError(f"{path}: {exc.strerror}") from exc
    try:
        _write_new(beside, public + b" opsrunner\n")
    except FileExistsError as exc:
        path.unlink()
        raise StateError(f"{beside} is there already, without its private key: move it away") from exc
    except OSError as exc:
        path.unlink()
        raise StateError(f"{beside}: {exc.strerror}") from exc
    return True


def _in_the_way(path: Path) -> str:
    """Return what lies where the file of a key should, or its folder."""
    if path.is_symlink():
        return f"{path} leads to {path.readlink()}, which is not there: mount or make it, or remove the link"
    if path.exists():
        return f"{path} is no file: see what it is, and move it away"
    return f"{path.parent} is no folder: see what it is, and move it away"


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, for its owner alone; half of one does not stay. Raises OSError."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(number)
    except OSError:
        path.unlink()
        raise


def _public_half(path: Path) -> HostKey | None:
    """Return the key of a `.pub` file, or nothing where there is none that can be read."""
    try:
        words = path.read_text(encoding="utf-8").split()
        base64.b64decode(words[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None
    return HostKey(type=words[0], public=words[1])


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
