"""Copies whose index has the SHA-256 of files, as versions before 0.6 made them, are read, restored and drilled.

`tests/data/copies/sha256` was made by 0.5's own writer, of a folder with a sparse file, a file of two names, a link and
an empty file.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from opsrunner.archives.adopting import find_unknown
from opsrunner.archives.choosing import members_of
from opsrunner.archives.drilling import drill_all, drill_sample
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.reader import fetch_manifest, read_again
from opsrunner.archives.restoring import restore_all
from opsrunner.errors import ArchiveDamaged
from opsrunner.stores.local import LocalFolder

from .conftest import MADE_AT, NAME, pack, tar_of

OLD = Path(__file__).parents[2] / "data/copies/sha256"


@pytest.fixture
def old(tmp_path: Path) -> LocalFolder:
    shutil.copytree(OLD, tmp_path / "store", dirs_exist_ok=True)
    return LocalFolder(tmp_path / "store")


@pytest.fixture
def manifest(old: LocalFolder) -> Manifest:
    return fetch_manifest(old, NAME)


def test_it_is_whole(old: LocalFolder, manifest: Manifest, to: Path) -> None:
    assert manifest.hashed_by == "sha256"
    read_again(old, manifest)
    assert drill_all(old, manifest, to, must_include=["**/a.conf"]).is_whole


def test_a_sample_of_it_is_drilled(old: LocalFolder, manifest: Manifest, to: Path) -> None:
    found = drill_sample(
        old, manifest, to, count=3, must_include=["**/sparse"], dice=random.Random(1), room_bytes=1 << 30
    )
    assert found.files >= 3


def test_it_is_restored(old: LocalFolder, manifest: Manifest, to: Path) -> None:
    restored = restore_all(old, manifest, to, own=False, replace=False, tell=lambda _: None)
    assert restored.files == manifest.files == 5
    assert (to / "srv/example/a.conf").read_text(encoding="utf-8") == "key: value\n"
    assert (to / "srv/example/sparse").read_bytes()[150_000:150_003] == b"end"


def test_it_is_adopted(old: LocalFolder, manifest: Manifest) -> None:
    (found,), problems = find_unknown(old, "offsite", known=set(), at=MADE_AT)
    assert (found.name, found.files, found.size_bytes) == (NAME, 5, manifest.size_bytes)
    assert not problems


def test_hashes_of_another_kind_are_found(old: LocalFolder, manifest: Manifest, to: Path) -> None:
    lying = manifest.model_copy(update={"hashed_by": "blake3"})
    with pytest.raises(ArchiveDamaged):
        drill_all(old, lying, to, must_include=[])


def test_new_copies_are_hashed_by_blake3(old: LocalFolder, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/abc").write_bytes(b"abc")
    manifest = pack(old, tar_of(tmp_path / "files"))
    (found,) = (member for member in members_of(old, manifest, []) if member.kind == "file")
    assert manifest.hashed_by == "blake3"
    assert found.hash == "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"  # the BLAKE3 of `abc`
