"""One changed byte, or one that is missing, is found wherever it is."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as any_of

from opsrunner.archives.drilling import drill_all
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.reader import fetch_manifest, read_again
from opsrunner.errors import ArchiveDamaged, OpsrunnerError
from opsrunner.stores.local import LocalFolder

from .conftest import NAME, hash_of, made_by_hand, member, pack

FILES = made_by_hand(member("a", data=b"a" * 700), member("b" * 150, data=random.Random(1).randbytes(900)))
KINDS = ("tar.zst", "index.zst", "json")


class Lying:
    """A small copy in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = LocalFolder(folder / "store")
        self.manifest = pack(self.store, FILES)
        self.sha256 = hash_of(self.store, f"{NAME}.json")

    def path(self, kind: str) -> Path:
        return self.folder / "store" / f"{NAME}.{kind}"

    def read_again(self) -> None:
        read_again(self.store, self.fetched())

    def drill(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as to:
            drill_all(self.store, self.fetched(), Path(to), must_include=[])

    def fetched(self) -> Manifest:
        return fetch_manifest(self.store, NAME, sha256=self.sha256)


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> Lying:
    return Lying(tmp_path_factory.mktemp("lying"))


def assert_found(lying: Lying, kind: str, changed: bytes) -> None:
    path = lying.path(kind)
    before = path.read_bytes()
    path.write_bytes(changed)
    try:
        with pytest.raises(ArchiveDamaged):
            lying.read_again()
        with pytest.raises(ArchiveDamaged):
            lying.drill()
    finally:
        path.write_bytes(before)


def test_what_nobody_changed_is_right(lying: Lying) -> None:
    lying.read_again()
    lying.drill()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(where=any_of.floats(0, 1, exclude_max=True), by=any_of.integers(1, 255))
def test_a_changed_byte_is_found(lying: Lying, kind: str, where: float, by: int) -> None:
    data = bytearray(lying.path(kind).read_bytes())
    data[int(where * len(data))] ^= by
    assert_found(lying, kind, bytes(data))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(where=any_of.floats(0, 1, exclude_max=True))
def test_a_cut_end_is_found(lying: Lying, kind: str, where: float) -> None:
    data = lying.path(kind).read_bytes()
    assert_found(lying, kind, data[: int(where * len(data))])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("more", [b"\0", b"{}", b"x" * 2_000_000])
def test_a_longer_end_is_found(lying: Lying, kind: str, more: bytes) -> None:
    assert_found(lying, kind, lying.path(kind).read_bytes() + more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_object_is_found(lying: Lying, kind: str) -> None:
    path = lying.path(kind)
    before = path.read_bytes()
    path.unlink()
    for act in (lying.read_again, lying.drill):
        with pytest.raises(OpsrunnerError, match=r"is not there( any more)?$"):
            act()
    path.write_bytes(before)


def test_a_stream_is_held_to_the_same(tmp_path: Path) -> None:
    store = LocalFolder(tmp_path / "store")
    manifest = pack(store, b"dump" * 999, form="stream", stream_name="x.sql")
    for number, file in enumerate((*manifest.archive, manifest.index)):
        to, path = tmp_path / f"to{number}", tmp_path / "store" / file.name
        to.mkdir()
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(ArchiveDamaged):
            drill_all(store, manifest, to, must_include=[])
        path.write_bytes(data)
        assert list(to.iterdir()) == []
