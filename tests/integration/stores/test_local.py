"""A folder of this machine as a store of copies."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from opsrunner.errors import NotStored, StoreFailed, StoreRefused
from opsrunner.stores.base import Store
from opsrunner.stores.local import LocalFolder

from .contract import NAME, FolderContract, got, later, names, put


class TestLocalFolder(FolderContract):
    """The contract."""

    @pytest.fixture
    def store(self, disk: Path) -> Iterator[Store]:
        with LocalFolder(disk / "copies") as folder:
            yield folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "copies"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_files_and_folders_are_for_us_alone_whatever_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        put(LocalFolder(folder), "a/b/c", b"x")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder / "a", folder / "a/b", folder / "a/b/c")]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_a_folder_that_was_there_keeps_its_mode(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o750)
    put(LocalFolder(folder), "a", b"x")
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_store_whose_folder_vanished_says_so(folder: Path) -> None:
    store = LocalFolder(folder)
    upload = store.begin(NAME)
    upload.write(b"x")
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(StoreFailed, match="what was written is gone"):
        upload.finish()
    upload.abort()
    with pytest.raises(StoreFailed, match="copies is not there; is its disk mounted"):
        got(store, NAME)


def test_what_reads_back_other_than_it_was_written_never_gets_its_name(folder: Path) -> None:
    store = LocalFolder(folder)
    upload = store.begin(NAME)
    upload.write(b"0123456789")
    (hidden,) = folder.rglob("*.part")
    hidden.write_bytes(b"012345x789")
    with pytest.raises(StoreFailed, match="gives back other bytes than were written") as seen:
        upload.finish()
    assert not seen.value.permanent
    upload.abort()
    assert (names(store), list(folder.rglob("*.part"))) == ([], [])


def test_what_is_shorter_than_it_was_written_never_gets_its_name(folder: Path) -> None:
    upload = LocalFolder(folder).begin(NAME)
    upload.write(b"0123456789")
    (hidden,) = folder.rglob("*.part")
    os.truncate(hidden, 4)
    with pytest.raises(StoreFailed, match="the disk has 4 bytes of the 10 written"):
        upload.finish()
    upload.abort()


def test_an_upload_under_way_is_a_hidden_file_for_us_alone(folder: Path) -> None:
    upload = LocalFolder(folder).begin("a/b")
    (hidden,) = (folder / "a").iterdir()
    assert (hidden.name[0], hidden.suffix, hidden.stat().st_mode & 0o777) == (".", ".part", 0o600)
    upload.abort()
    assert list((folder / "a").iterdir()) == []


def test_the_folders_that_an_object_leaves_empty_go_with_it(folder: Path) -> None:
    store = LocalFolder(folder)
    put(store, "a/b/c", b"x")
    put(store, "a/d", b"x")
    store.remove("a/b/c")
    assert [path.name for path in (folder / "a").iterdir()] == ["d"]
    store.remove("a/d")
    assert list(folder.iterdir()) == []


def test_what_a_person_put_there_is_passed_over(folder: Path) -> None:
    store = LocalFolder(folder)
    put(store, "a/b", b"x")
    (folder / ".opsrunner").mkdir()
    (folder / ".opsrunner" / "file").write_text("x")
    (folder / "a" / ".swp").write_text("x")
    (folder / "what is this?").write_text("x")
    os.mkfifo(folder / "pipe")
    assert names(store) == ["a/b"]
    assert store.sweep("", before=later()) == 0
    with pytest.raises(NotStored):
        got(store, "pipe")


def test_a_symbolic_link_is_never_followed_out_of_the_store(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    store = LocalFolder(folder)
    put(store, "whole", b"x")
    (folder / "link").symlink_to(outside / "file")
    (folder / "way").symlink_to(outside)
    assert (names(store), store.find("link")) == (["whole"], None)
    with pytest.raises(StoreRefused, match="link is a symbolic link, which a store does not follow"):
        got(store, "link")
    for act in (lambda: got(store, "way/file"), lambda: store.begin("way/new"), lambda: store.remove("way/file")):
        with pytest.raises(StoreRefused, match="way is a symbolic link"):
            act()
    put(store, "link", b"ours")
    store.remove("link")
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_bytes() == b"secret"


def test_the_folder_itself_may_be_a_symbolic_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    folder.symlink_to(tmp_path / "disk")
    put(LocalFolder(folder), NAME, b"x")
    assert got(LocalFolder(tmp_path / "disk"), NAME) == b"x"


def test_what_lies_in_the_way_is_told(folder: Path) -> None:
    store = LocalFolder(folder)
    put(store, "a/b", b"x")
    for name in ("a", "a/b/c"):
        with pytest.raises(StoreFailed, match="something else lies in its place") as seen:
            store.begin(name)
        assert seen.value.permanent
    assert names(store) == ["a/b"]


def test_a_store_that_is_a_file_is_told(folder: Path) -> None:
    folder.write_text("x")
    with pytest.raises(StoreFailed, match="something else lies in its place"):
        LocalFolder(folder).begin(NAME)


def test_a_file_that_is_too_large_for_us_is_told(folder: Path) -> None:
    upload = LocalFolder(folder).begin(NAME)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StoreFailed, match="file too large; make room, or keep fewer copies") as seen:
            upload.write(bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert seen.value.permanent
    upload.abort()
    assert list(folder.rglob("*.part")) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.needs("root")
def test_a_disk_without_room_is_told_and_keeps_what_it_has(small_disk: Path) -> None:
    store = LocalFolder(small_disk)
    put(store, "older", bytes(100_000))
    upload = store.begin(NAME)
    with pytest.raises(StoreFailed, match=f"{NAME}: no space left on device; make room, or keep fewer copies") as seen:
        upload.write(bytes(600_000))
    assert seen.value.permanent
    upload.abort()
    assert names(store) == ["older"]
    put(store, NAME, bytes(300_000))


@pytest.mark.needs("root")
def test_a_disk_that_may_only_be_read_is_told(small_disk: Path) -> None:
    store = LocalFolder(small_disk)
    put(store, NAME, b"x")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for act in (lambda: store.begin("another"), lambda: store.remove(NAME)):
        with pytest.raises(
            StoreRefused, match="read-only file system; opsrunner has to be able to read and write"
        ) as seen:
            act()
        assert seen.value.permanent
    assert (got(store, NAME), store.sweep("", before=later())) == (b"x", 0)


AS_NOBODY = """
import os, sys
from pathlib import Path
from opsrunner.errors import StoreFailed
from opsrunner.stores.local import LocalFolder
os.setgid(65534)
os.setuid(65534)
store = LocalFolder(Path(sys.argv[1]))
for act in (lambda: store.begin("new"), lambda: list(store.read("a")), lambda: list(store.list()),
            lambda: list(store.survey(may_hold=lambda _: True))):
    try:
        act()
    except StoreFailed as failed:
        print(type(failed).__name__, failed.permanent, str(failed).replace(sys.argv[1], "STORE"))
"""


@pytest.mark.needs("root")
def test_a_folder_that_is_not_ours_is_told() -> None:
    with TemporaryDirectory() as reachable:  # nobody else gets as far as tmp_path
        Path(reachable).chmod(0o711)
        folder = Path(reachable) / "copies"
        put(LocalFolder(folder), "a", b"x")
        said = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(folder)], check=True, capture_output=True, text=True
        ).stdout
    advice = "permission denied; opsrunner has to be able to read and write STORE"
    assert said.splitlines() == [
        f"StoreRefused True STORE/new: {advice}",
        f"StoreRefused True STORE/a: {advice}",
        f"StoreRefused True STORE: {advice}",
        f"StoreRefused True STORE: {advice}",
    ]


def test_uploads_are_swept_by_when_they_were_last_written(folder: Path) -> None:
    store = LocalFolder(folder)
    old, young = store.begin("nightly/old"), store.begin("nightly/young")
    (path,) = folder.rglob(".old.*.part")
    os.utime(path, (1_000_000, 1_000_000))
    assert store.sweep("nightly/", before=datetime(2026, 1, 1, tzinfo=UTC)) == 1
    young.finish()
    old.abort()
    assert names(store) == ["nightly/young"]


def everything(_: str) -> bool:
    return True


def test_a_survey_tells_of_others_files_by_their_odd_names_and_follows_no_link(folder: Path, tmp_path: Path) -> None:
    (folder / "2026-11-21" / "acc ounts").mkdir(parents=True)
    for name in ("2026-11-21/acc ounts/jos\u00e9@home.tar", "2026-11-21/.hidden", "a\nb"):
        (folder / name).write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "file-link").symlink_to(tmp_path / "elsewhere" / "secret")
    os.mkfifo(folder / "pipe")
    found = sorted(one.name for one in LocalFolder(folder).survey(may_hold=everything))
    assert found == ["2026-11-21/.hidden", "2026-11-21/acc ounts/jos\u00e9@home.tar", "a\nb"]
    assert [one.name for one in LocalFolder(folder).survey(may_hold=lambda _: False)] == ["a\nb"]


def test_a_survey_of_a_folder_that_is_not_there_finds_not_nothing(folder: Path) -> None:
    with pytest.raises(NotStored, match="is not there; is its disk mounted"):
        list(LocalFolder(folder / "unmounted").survey(may_hold=everything))


def test_a_list_of_a_prefix_looks_into_its_folder_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalFolder(folder)
    for name in ("a/b/1", "a/b/2", "a/bc/3", "d/e/4"):
        put(store, name, b"x")
    seen: list[str] = []
    walk = os.walk

    def watched(top: Path, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        seen.append(str(top))
        return walk(str(top), **options)

    monkeypatch.setattr(os, "walk", watched)
    assert names(store, "a/b/") == ["a/b/1", "a/b/2"]
    assert names(store, "a/b") == ["a/b/1", "a/b/2", "a/bc/3"]
    assert names(store, "x/y/") == []
    assert seen == [str(folder / "a/b"), str(folder / "a"), str(folder / "x/y")]


def test_a_list_behind_a_link_is_empty(folder: Path, tmp_path: Path) -> None:
    put(LocalFolder(tmp_path / "elsewhere"), "b/1", b"x")
    folder.mkdir()
    (folder / "a").symlink_to(tmp_path / "elsewhere")
    assert names(LocalFolder(folder), "a/b/") == names(LocalFolder(folder), "a/") == names(LocalFolder(folder)) == []
