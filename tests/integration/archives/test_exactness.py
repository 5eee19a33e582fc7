"""What GNU tar archives comes back as it was, by us and by hand, whatever a tree holds."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from opsrunner.archives.drilling import drill_all
from opsrunner.archives.frames import FRAME_BYTES
from opsrunner.archives.reader import read_plain
from opsrunner.archives.restoring import restore_all
from opsrunner.archives.sources import tar_command
from opsrunner.errors import Refused
from opsrunner.stores.local import LocalFolder

from .conftest import bytes_of, made_by_hand, member, pack, tar_of, within
from .trees import FILES, assert_same, make_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree")


@pytest.mark.needs("root")
def test_a_tree_of_everything_comes_back_exactly(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest = pack(store, tar_of(tree))
    restored = restore_all(store, manifest, to, own=True, replace=False, tell=lambda _: None)
    assert_same(tree, within(to, tree))
    assert restored.files == manifest.files == FILES


@pytest.mark.needs("root", "zstd")
def test_zstd_and_tar_alone_bring_it_back_exactly(tree: Path, store: LocalFolder, to: Path, tmp_path: Path) -> None:
    manifest = pack(store, tar_of(tree), volume_bytes=3 << 20)
    assert len(manifest.archive) > 2
    files = " ".join(str(tmp_path / "store" / file.name) for file in manifest.archive)
    command = f"cat {files} | zstd -d | tar -x --xattrs --acls -p -C {to}"
    subprocess.run(["bash", "-c", command], check=True)
    assert_same(tree, within(to, tree))


def test_volumes_are_one_archive_to_whoever_reads_it(tree: Path, store: LocalFolder) -> None:
    plain = tar_of(tree)
    manifest = pack(store, plain, volume_bytes=1)
    assert len(manifest.archive) == -(-len(plain) // FRAME_BYTES)
    assert b"".join(read_plain(store, manifest)) == plain
    assert len(bytes_of(manifest, store)) == sum(file.size for file in manifest.archive)


def test_a_whole_drill_finds_it_right_and_makes_nothing_that_leads_out(
    tree: Path, store: LocalFolder, to: Path
) -> None:
    drilled = drill_all(store, pack(store, tar_of(tree)), to, must_include=["*/plain/big", "*/out/*"])
    assert (drilled.files, drilled.left_out, drilled.is_whole) == (FILES, 2, True)
    made = within(to, tree)
    assert not os.path.lexists(made / "out" / "absolute")
    assert not os.path.lexists(made / "out" / "outward")
    assert not (made / "plain" / "program").stat().st_mode & 0o7000, "nobody may run it with another's rights"


def test_a_drill_compares_what_nobody_may_read(store: LocalFolder, to: Path) -> None:
    members = [
        member("closed", kind=tarfile.DIRTYPE, mode=0o000),
        member("closed/in it", kind=tarfile.DIRTYPE, mode=0o000),
        member("closed/in it/secret", data=b"secret", mode=0o000),
    ]
    manifest = pack(store, made_by_hand(*members))
    assert drill_all(store, manifest, to, must_include=[]).files == 1
    shutil.rmtree(to)
    assert not to.exists()


@pytest.mark.parametrize("again", ["plain", "plain/f", "."])
def test_a_path_that_was_given_twice_restores_and_drills(
    tmp_path: Path, store: LocalFolder, to: Path, again: str
) -> None:
    top = tmp_path / "tree"
    (top / "plain").mkdir(parents=True)
    (top / "plain" / "f").write_text("f")
    (top / "plain" / "g").write_text("g")
    os.link(top / "plain" / "g", top / "plain" / "h")
    command = tar_command([str(top), f"{top}/{again}"])
    data = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    manifest = pack(store, data)
    drill_all(store, manifest, to, must_include=[])
    shutil.rmtree(to)
    to.mkdir()
    restore_all(store, manifest, to, own=False, replace=False, tell=lambda _: None)
    assert (within(to, top) / "plain" / "h").read_text() == "g"


def test_a_file_that_is_there_is_not_written_over_unless_that_is_asked(
    tree: Path, store: LocalFolder, to: Path
) -> None:
    manifest = pack(store, tar_of(tree))
    made = within(to, tree)
    (made / "plain").mkdir(parents=True)
    (made / "plain" / "nothing").write_text("mine")
    with pytest.raises(Refused, match=r"holds files of these names already; add --replace.*plain/nothing"):
        restore_all(store, manifest, to, own=False, replace=False, tell=lambda _: None)
    assert (made / "plain" / "nothing").read_text() == "mine"
    (made / "closed").chmod(0o700)  # else only root may write over what stands in it
    restore_all(store, manifest, to, own=False, replace=True, tell=lambda _: None)
    assert (made / "plain" / "nothing").read_text() == ""


def test_what_is_written_over_keeps_its_content_under_its_other_names(
    tree: Path, store: LocalFolder, to: Path, tmp_path: Path
) -> None:
    manifest = pack(store, tar_of(tree))
    made = within(to, tree)
    (made / "plain").mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("mine")
    os.link(tmp_path / "elsewhere", made / "plain" / "nothing")
    (made / "plain" / "big").symlink_to(tmp_path / "elsewhere")
    restore_all(store, manifest, to, own=False, replace=True, tell=lambda _: None)
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert (made / "plain" / "big").stat().st_size == 10 << 20


def test_a_stream_comes_back_as_one_file(store: LocalFolder, to: Path) -> None:
    manifest = pack(store, b"CREATE TABLE" * 999, form="stream", stream_name="billing.sql")
    told: list[int] = []
    restore_all(store, manifest, to, own=False, replace=False, tell=told.append)
    assert (to / "billing.sql").read_bytes() == b"CREATE TABLE" * 999
    assert told[-1] == 12 * 999
    with pytest.raises(Refused, match="is there already; add --replace"):
        restore_all(store, manifest, to, own=False, replace=False, tell=told.append)
    restore_all(store, manifest, to, own=False, replace=True, tell=told.append)
    assert [path.name for path in to.iterdir()] == ["billing.sql"]


def test_tell_hears_how_far_it_is(tree: Path, store: LocalFolder, to: Path) -> None:
    manifest, told = pack(store, tar_of(tree)), [0]
    restore_all(store, manifest, to, own=False, replace=False, tell=told.append)
    assert told == sorted(told)
    assert told[-1] == manifest.plain_size


@pytest.mark.parametrize("paths", [["/{root}/home", "/{root}/srv"], ["."]], ids=["paths", "all of it"])
def test_what_is_left_out_from_the_root_on_is_that_place_alone(paths: list[str], tmp_path: Path) -> None:
    for name in ("home/alice/tmp/a", "srv/tmp/b", "srv/tmp.c", "srv/www/cache/d", "home/e.o"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    root = str(tmp_path).lstrip("/")
    is_all = paths == ["."]
    command = tar_command(
        [path.format(root=root) for path in paths],
        exclude=["/srv/tmp" if is_all else f"/{root}/srv/tmp", "cache", "*.o"],
        base=str(tmp_path),
    )
    data = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {info.name.removeprefix("./").removeprefix(f"{root}/") for info in archive if info.isfile()}
    assert found == {"home/alice/tmp/a", "srv/tmp.c"}
