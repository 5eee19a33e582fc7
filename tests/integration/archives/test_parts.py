"""Some files of a large copy cost little reading, and are exactly those that were asked for."""

from __future__ import annotations

import dataclasses
import os
import random
from pathlib import Path
from typing import cast

import pytest

from opsrunner.archives.choosing import choose, matches, members_of
from opsrunner.archives.drilling import drill_sample
from opsrunner.archives.frames import FRAME_BYTES
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.restoring import Restored, restore_chosen
from opsrunner.errors import ArchiveDamaged, NotFound, StateError
from opsrunner.stores.base import Store
from opsrunner.stores.local import LocalFolder

from .conftest import Counting, made_by_hand, member, pack, tar_of, within

ROOM = 1 << 40


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """40 MiB that do not compress in 80 files, and small ones among them."""
    top, dice = tmp_path / "tree", random.Random(1)
    for folder in range(8):
        (top / f"site{folder}").mkdir(parents=True)
        for number in range(10):
            (top / f"site{folder}" / f"f{number}").write_bytes(dice.randbytes(1 << 19))
            (top / f"site{folder}" / f"f{number}.php").write_text(f"<?php {folder} {number}")
    os.link(top / "site0" / "f0", top / "site7" / "second name")
    return top


def restore_some(store: LocalFolder | Counting, manifest: Manifest, patterns: list[str], to: Path) -> Restored:
    opened = cast("Store", store)
    chosen = choose(opened, manifest, matches(patterns))
    return restore_chosen(opened, manifest, chosen, to, own=False, replace=False, tell=lambda _: None)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*/site3/f4", {"site3/f4"}),
        ("*/site3/f4.*", {"site3/f4.php"}),
        ("*/site5/*.php", {f"site5/f{number}.php" for number in range(10)}),
    ],
)
def test_chosen_files_alone_come_with_few_bytes_read(
    tree: Path, store: LocalFolder, to: Path, pattern: str, expected: set[str]
) -> None:
    manifest = pack(store, tar_of(tree))
    counting = Counting(store)
    restored = restore_some(counting, manifest, [pattern], to)
    made = within(to, tree)
    assert files_in(to) == {str((made / name).relative_to(to)) for name in expected}
    assert all((made / name).read_bytes() == (tree / name).read_bytes() for name in expected)
    assert restored.files == len(expected)
    assert manifest.size_bytes > 40 << 20
    assert counting.read_bytes < 4 * FRAME_BYTES


def test_a_second_name_comes_with_what_it_is_a_name_of(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree))
    second = next(item for item in members_of(store, manifest) if item.kind == "hard link")
    restored = restore_some(store, manifest, [second.path], to)
    assert files_in(to) == {second.path, second.target}
    assert restored.files == 2
    assert (to / second.path).read_bytes() == (Path("/") / second.target).read_bytes()


def test_many_small_files_of_one_frame_are_read_once(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree))
    counting = Counting(store)
    restore_some(counting, manifest, ["*.php"], to)
    assert len(files_in(to)) == 80
    assert counting.read_bytes < manifest.size_bytes + (1 << 20)
    assert len(counting.names) < 20


def test_files_over_several_volumes_come_right(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree), volume_bytes=5 << 20)
    restore_some(store, manifest, ["*/site2", "*/site6/f9"], to)
    made = within(to, tree)
    assert len(files_in(to)) == 21
    assert (made / "site6" / "f9").read_bytes() == (tree / "site6" / "f9").read_bytes()


def test_a_folder_that_is_restored_for_a_file_has_its_rights_and_time(tree: Path, store: LocalFolder, to: Path) -> None:
    (tree / "site1").chmod(0o750)
    os.utime(tree / "site1", (1_600_000_000, 1_600_000_000))
    manifest = pack(store, tar_of(tree))
    chosen = choose(store, manifest, matches(["*/site1/f1"]))
    restore_chosen(store, manifest, chosen, to, own=True, replace=False, tell=lambda _: None)
    stat = (within(to, tree) / "site1").stat()
    assert (stat.st_mode & 0o777, stat.st_mtime) == (0o750, 1_600_000_000)


def test_the_last_of_two_members_of_a_path_counts(store: LocalFolder, to: Path) -> None:
    manifest = pack(store, made_by_hand(member("a", data=b"old"), member("b", data=b"b"), member("a", data=b"new")))
    restore_some(store, manifest, ["a"], to)
    assert (to / "a").read_bytes() == b"new"


def test_a_sample_is_compared_and_named_files_are_in_it(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree))
    counting = Counting(store)
    drilled = drill_sample(
        cast("Store", counting),
        manifest,
        to,
        count=3,
        must_include=["*/site7/f9.php"],
        dice=random.Random(3),
        room_bytes=ROOM,
    )
    assert 3 <= drilled.files <= 4
    assert not drilled.is_whole
    assert (within(to, tree) / "site7" / "f9.php").is_file()
    assert counting.read_bytes < 8 * FRAME_BYTES


def test_each_file_is_in_a_sample_as_often_as_any_other(store: LocalFolder, tmp_path: Path) -> None:
    manifest = pack(store, made_by_hand(*(member(f"f{number}", data=b"x") for number in range(4))))
    times = dict.fromkeys((f"f{number}" for number in range(4)), 0)
    for seed in range(60):
        to = tmp_path / f"to{seed}"
        to.mkdir()
        drill_sample(store, manifest, to, count=2, must_include=[], dice=random.Random(seed), room_bytes=ROOM)
        for path in to.iterdir():
            times[path.name] += 1
    assert sum(times.values()) == 120
    assert min(times.values()) > 15


def test_a_sample_that_has_no_room_is_not_begun(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree))
    with pytest.raises(StateError, match=r"no room for the drill: it takes [\d,]+ bytes, 1,000 are free"):
        drill_sample(store, manifest, to, count=9, must_include=[], dice=random.Random(1), room_bytes=1000)
    assert list(to.iterdir()) == []


def test_what_must_be_there_and_is_not_is_named(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree))
    with pytest.raises(NotFound, match=r"the copy has no billing\.sql, etc/x"):
        drill_sample(
            store,
            manifest,
            to,
            count=1,
            must_include=["etc/x", "*.php", "billing.sql"],
            dice=random.Random(1),
            room_bytes=ROOM,
        )


@pytest.mark.parametrize("change", [{"path": "a-b"}, {"size_bytes": 3}, {"hash": "0" * 64}, {"modified_at": 9.0}])
def test_a_member_that_is_not_what_the_index_says_is_found(
    store: LocalFolder, to: Path, change: dict[str, object]
) -> None:
    manifest = pack(store, made_by_hand(member("a", data=b"aa"), member("b", data=b"bb")))
    chosen = choose(store, manifest, matches(["a"]))
    lying = dataclasses.replace(chosen.members[0], **change)  # type: ignore[arg-type]
    changed = dataclasses.replace(chosen, members=(lying,))
    with pytest.raises(ArchiveDamaged, match="the index of the copy is wrong about a"):
        restore_chosen(store, manifest, changed, to, own=False, replace=False, tell=lambda _: None)
