"""A copy as it lies in a store: its manifest, its bytes hashed as they come, and what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from opsrunner.archives.encryption import decrypt
from opsrunner.archives.frames import Frame, unpack
from opsrunner.archives.index import read_index
from opsrunner.archives.manifest import MOST_BYTES, Manifest, StoredFile, manifest_name, read_manifest
from opsrunner.archives.members import Member
from opsrunner.errors import ArchiveDamaged, NotStored
from opsrunner.stores.base import Store


def fetch_manifest(store: Store, name: str, *, sha256: str = "") -> Manifest:
    """Return what the copy `name` is; with `sha256`, only if the manifest is still the one of that hash.

    Raises NotStored, StoreFailed, ArchiveDamaged.
    """
    data = fetch_manifest_bytes(store, name)
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise ArchiveDamaged(f"{manifest_name(name)} is not what was written")
    return read_manifest(data, name=name)


def fetch_manifest_bytes(store: Store, name: str) -> bytes:
    """Return the manifest of the copy `name` as it lies there, whatever it says. Raises NotStored, StoreFailed."""
    return b"".join(store.read(manifest_name(name), length=MOST_BYTES))


def read_stored(store: Store, files: Sequence[StoredFile]) -> Iterator[bytes]:
    """Yield the bytes of a copy's objects. Raises ArchiveDamaged at the end of one that is not what was sent."""
    for file in files:
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in store.read(file.name):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
        except NotStored as exc:
            raise ArchiveDamaged(f"{file.name} is not there any more") from exc
        if size != file.size:
            raise ArchiveDamaged(f"{file.name} has {size} bytes, not the {file.size} that were sent")
        if digest.hexdigest() != file.sha256:
            raise ArchiveDamaged(f"{file.name} is not what was sent: its SHA-256 differs")


def read_again(store: Store, manifest: Manifest) -> int:
    """Fetch every byte of a copy and hash it again; return how many. Raises ArchiveDamaged, StoreFailed."""
    return sum(len(chunk) for chunk in read_stored(store, (*manifest.archive, manifest.index)))


def read_packed(
    store: Store, manifest: Manifest, files: Sequence[StoredFile], *, identities: Sequence[str] = ()
) -> Iterator[bytes]:
    """Yield objects of a copy as zstd packed them, decrypted where they are encrypted.

    `identities` are secret keys of age. Raises ArchiveDamaged, StoreFailed, and Refused where none opens it.
    """
    stored = read_stored(store, files)
    if not manifest.encrypted:
        yield from stored
        return
    yield from decrypt(stored, identities)
    for _ in stored:
        pass  # age ends before a byte too many does, and its hash is known at the end only


def read_plain(store: Store, manifest: Manifest, *, identities: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield the tar archive, or the stream, of a copy. Raises as `read_packed` does."""
    size = 0
    for piece in unpack(read_packed(store, manifest, manifest.archive, identities=identities)):
        size += len(piece)
        if size > manifest.plain_size:
            break  # before anybody writes it to a disk
        yield piece
    if size != manifest.plain_size:
        raise ArchiveDamaged(f"{manifest.name} does not unpack to the {manifest.plain_size} bytes that were packed")


def fetch_index(store: Store, manifest: Manifest, *, identities: Sequence[str] = ()) -> Iterator[Frame | Member]:
    """Yield frames and members of a copy. Raises as `read_packed` does."""
    return read_index(read_packed(store, manifest, (manifest.index,), identities=identities))
