"""Real archives, made by GNU tar, in real folders."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.archives.choosing import choose, matches
from opsrunner.archives.drilling import drill_all, drill_sample
from opsrunner.archives.frames import Packing
from opsrunner.archives.hashing import HASHED_BY
from opsrunner.archives.manifest import Manifest, manifest_name
from opsrunner.archives.restoring import restore_all, restore_chosen
from opsrunner.archives.sources import tar_command
from opsrunner.archives.writer import ArchiveWriter, store_chunks
from opsrunner.errors import OpsrunnerError
from opsrunner.stores.base import Store
from opsrunner.stores.local import LocalFolder

NAME = "nightly/copy/2026-11-21T023000Z-r7"
MADE_AT = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
AT_ONCE = 100_000
Act = Callable[[LocalFolder, Manifest, Path], object]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalFolder]:
    with LocalFolder(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """An empty folder to restore to."""
    folder = tmp_path / "to"
    folder.mkdir()
    return folder


def tar_of(folder: Path) -> bytes:
    """Return what the archiver writes of a folder; `within` tells where that stands when it is restored."""
    command = tar_command([str(folder)])
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def within(to: Path, folder: Path) -> Path:
    """Return where a folder stands that was restored to another."""
    return to / folder.relative_to("/")


def pack(
    store: Store,
    data: bytes,
    *,
    form: str = "tar",
    recipients: Sequence[str] = (),
    volume_bytes: int = 1 << 40,
    stream_name: str = "",
) -> Manifest:
    """Put a stream into a store as a copy, and return its manifest."""
    suffix = ".tar.zst" if form == "tar" else ".dump.zst"
    writer = ArchiveWriter(
        store,
        NAME,
        suffix=suffix,
        packing=Packing(level=1),
        is_tar=form == "tar",
        recipients=recipients,
        volume_bytes=volume_bytes,
    )
    try:
        for begin in range(0, len(data), AT_ONCE):
            writer.write(data[begin : begin + AT_ONCE])
        written = writer.finish()
    except BaseException:
        writer.abort()
        raise
    finally:
        writer.close()
    manifest = Manifest.model_validate(
        {
            "name": NAME,
            "site": "Example",
            "routine": "nightly",
            "step": "copy",
            "run": 7,
            "made_at": MADE_AT,
            "seconds": 1.0,
            "of": "a tree",
            "form": form,
            "stream_name": stream_name,
            "encrypted": "age" if recipients else "",
            "archive": written.archive,
            "index": written.index,
            "hashed_by": HASHED_BY,
            "plain_size": written.plain_size,
            "files": written.files,
        }
    )
    store_chunks(store, manifest_name(NAME), [manifest.to_bytes()])
    return manifest


def hash_of(store: Store, name: str) -> str:
    return hashlib.sha256(b"".join(store.read(name))).hexdigest()


def bytes_of(manifest: Manifest, store: Store) -> bytes:
    """Return the archive of a copy as it lies."""
    return b"".join(chunk for file in manifest.archive for chunk in store.read(file.name))


@dataclass
class Counting:
    """A store that counts what is read from it."""

    inner: LocalFolder
    read_bytes: int = 0
    names: list[str] = field(default_factory=list)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.names.append(name)
        for chunk in self.inner.read(name, offset=offset, length=length):
            self.read_bytes += len(chunk)
            yield chunk


def member(
    name: str, *, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more: object
) -> tuple[tarfile.TarInfo, bytes]:
    """Return one member of an archive that is made by hand."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(data), 1_790_000_000
    for word, value in more.items():
        setattr(info, word, value)
    return info, data


def made_by_hand(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """Return an archive of members such as no archiver would write."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def whole(store: LocalFolder, manifest: Manifest, to: Path) -> object:
    return drill_all(store, manifest, to, must_include=[])


def sample(store: LocalFolder, manifest: Manifest, to: Path) -> object:
    dice = random.Random(1)
    return drill_sample(store, manifest, to, count=99, must_include=["*"], dice=dice, room_bytes=1 << 40)


def restore(store: LocalFolder, manifest: Manifest, to: Path) -> object:
    return restore_all(store, manifest, to, own=True, replace=True, tell=lambda _: None)


def some(store: LocalFolder, manifest: Manifest, to: Path) -> object:
    chosen = choose(store, manifest, matches(["*"]))
    return restore_chosen(store, manifest, chosen, to, own=False, replace=False, tell=lambda _: None)


@pytest.fixture(params=[whole, sample, restore, some], ids=["whole drill", "sample", "restore", "some of it"])
def act(request: pytest.FixtureRequest) -> Act:
    act: Act = request.param
    return act


def with_error(act: Act, store: LocalFolder, manifest: Manifest, to: Path) -> str:
    """Do it, and return the one clear line that it ends with, '' where it goes well."""
    try:
        act(store, manifest, to)
    except OpsrunnerError as exc:
        return exc.message.replace("\n", "a second line: ")
    return ""
