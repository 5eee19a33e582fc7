"""Host keys that were checked by a person, in OpenSSH's `known_hosts` format.

The file lies in the state folder. A host that is not in it, or shows another key, is refused before
anything is told to it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Lines with a marker (`@cert-authority`,
`@revoked`) and patterns with wildcards pin nothing; a key that is marked as revoked, for whichever host, is
pinned to none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from opsrunner.errors import StateError
from opsrunner.model.host import Host
from opsrunner.records import dataclass

_HASHED = "|1|"
_REVOKED = "@revoked"


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """One public key of a host."""

    type: str
    """As OpenSSH names it: `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa` …"""
    public: str
    """The key itself, base64."""

    @property
    def fingerprint(self) -> str:
        """The key's SHA-256 fingerprint, as `ssh-keygen -l` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.public)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def line(self, name: str) -> str:
        """Return the line of `known_hosts` that pins this key to `name`."""
        return f"{name} {self.type} {self.public}"


def known_name(host: Host) -> str:
    """Return the name under which OpenSSH pins `host`: the port is part of it unless it is 22.

    Behind a jump host an address means something only there, so the way is part of it: `[10.0.0.2@bastion]:22`.
    """
    if host.jump is not None:
        return f"[{host.address}{_way(host)}]:{host.port}"
    return host.address if host.port == 22 else f"[{host.address}]:{host.port}"


def _way(host: Host) -> str:
    """Return the hosts on the way to `host`, the nearest to it first; no address holds an `@`."""
    return f"@{host.jump.name}{_way(host.jump)}" if host.jump is not None else ""


def without_jump(host: Host) -> Host:
    """Return `host` as OpenSSH would pin it, which leaves out the way."""
    return replace(host, jump=None)


def with_address(host: Host, address: str) -> Host:
    """Return `host` as it would be pinned under another address."""
    return replace(host, address=address)


class KnownHosts:
    """Reads the file of pinned keys; parsed once, and again when it changes. Safe among threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._index = _Index([])

    def keys_of(self, host: Host) -> tuple[HostKey, ...]:
        """Return the keys pinned for `host`, none where it is unknown."""
        return self._current().keys_of(known_name(host))

    def _current(self) -> _Index:
        with self._lock:
            try:
                status = self._path.stat()
            except OSError:
                return _Index([])
            version = (status.st_mtime_ns, status.st_ino)
            if version != self._version:
                self._index = _Index(_read_lines(self._path))
                self._version = version
            return self._index


class _Index:
    """The lines of one version of the file, by the names that they pin."""

    def __init__(self, lines: Sequence[str]) -> None:
        revoked = {line.split()[3] for line in lines if line.startswith(_REVOKED) and len(line.split()) > 3}
        self._by_name: dict[str, list[tuple[int, HostKey]]] = {}
        self._hashed: list[tuple[str, int, HostKey]] = []
        self._found: dict[str, tuple[HostKey, ...]] = {}
        for number, line in enumerate(lines):
            entry = _parse(line)
            if entry is not None and entry[1].public not in revoked:
                self._add(number, *entry)

    def keys_of(self, name: str) -> tuple[HostKey, ...]:
        """Return the keys of `name`, in the order of the file; a hashed name is tried once a name that is asked for."""
        found = self._found.get(name)
        if found is None:
            hashed = [(number, key) for written, number, key in self._hashed if _matches(written, name)]
            numbered = dict([*self._by_name.get(name, ()), *hashed])
            found = self._found[name] = tuple(numbered[number] for number in sorted(numbered))
        return found

    def _add(self, number: int, names: Sequence[str], key: HostKey) -> None:
        for written in names:
            if written.startswith(_HASHED):
                self._hashed.append((written, number, key))
            else:
                self._by_name.setdefault(written, []).append((number, key))


def trust(known_hosts: Path, host: Host, keys: Sequence[HostKey]) -> None:
    """Pin `keys`, and no others, to `host`; all else in the file stays as it is."""
    trust_all(known_hosts, {host: keys})


def trust_all(known_hosts: Path, keys_of: Mapping[Host, Sequence[HostKey]]) -> None:
    """Pin to each host its keys, and no others; all else in the file stays as it is. The file is written once."""
    lines = _read_lines(known_hosts)
    for host, keys in keys_of.items():
        lines = [*_without(lines, host), *(key.line(known_name(host)) for key in keys)]
    _write(known_hosts, lines)


def forget(known_hosts: Path, host: Host) -> bool:
    """Unpin every key of `host`; tell whether there was one."""
    before = _read_lines(known_hosts)
    kept = _without(before, host)
    if kept == before:
        return False
    _write(known_hosts, kept)
    return True


def _without(lines: Sequence[str], host: Host) -> list[str]:
    name = known_name(host)
    kept = []
    for line in lines:
        entry = _parse(line)
        if entry is None or not _names(entry[0], name):
            kept.append(line)
            continue
        others = [written for written in entry[0] if not _matches(written, name)]
        if others:
            kept.append(entry[1].line(",".join(others)))
    return kept


def _read_lines(path: Path) -> list[str]:
    """Return the file's lines; none where it is not there. Raises StateError where it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise StateError(f"{path} is no file: see what it is, and move it away")
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise StateError(f"{path}: {exc.strerror}") from exc


def _parse(line: str) -> tuple[list[str], HostKey] | None:
    fields = line.split()
    if len(fields) < 3 or fields[0][0] in "#@":
        return None
    try:
        base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return fields[0].split(","), HostKey(type=fields[1], public=fields[2])


def _names(written: Sequence[str], name: str) -> bool:
    return any(_matches(one, name) for one in written)


def _matches(written: str, name: str) -> bool:
    if not written.startswith(_HASHED):
        return written == name
    try:
        salt, expected = (base64.b64decode(part) for part in written[len(_HASHED) :].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), expected)


def _write(path: Path, lines: Sequence[str]) -> None:
    """Replace the file in one step, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".known_hosts-")
    try:
        with os.fdopen(number, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
