"""Archives that somebody made by hand: nothing is ever written outside of the folder, and nothing crashes."""

from __future__ import annotations

import gzip
import os
import random
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from opsrunner.archives.drilling import drill_all
from opsrunner.errors import ArchiveDamaged, OpsrunnerError
from opsrunner.stores.local import LocalFolder

from .conftest import Act, made_by_hand, member, pack, restore, sample, with_error

OUTSIDE = "outside"
LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the one that is restored to, which nobody may touch."""
    folder = tmp_path / OUTSIDE
    folder.mkdir()
    (folder / "mine").write_text("mine")
    (folder / "mine").chmod(0o644)
    return folder


def untouched(outside: Path) -> None:
    assert [path.name for path in outside.iterdir()] == ["mine"]
    assert (outside / "mine").read_text() == "mine"
    assert (outside / "mine").stat().st_nlink == 1
    assert stat.S_IMODE((outside / "mine").stat().st_mode) == 0o644


HOSTILE = {
    "..": [member(f"../{OUTSIDE}/evil", data=b"x")],
    ".. within": [member(f"a/../../{OUTSIDE}/evil", data=b"x")],
    "a folder ..": [member("..", kind=tarfile.DIRTYPE, mode=0o700), member(f"../{OUTSIDE}", kind=tarfile.DIRTYPE)],
    "absolute": [member("{outside}/evil", data=b"x")],
    "two slashes": [member("/{outside}/evil", data=b"x")],
    "through a link": [member("l", kind=LINK, linkname="{outside}"), member("l/evil", data=b"x")],
    "through a link of a link": [
        member("d", kind=tarfile.DIRTYPE, mode=0o755),
        member("d/l", kind=LINK, linkname=".."),
        member("m", kind=LINK, linkname=f"d/l/../{OUTSIDE}"),
        member("m/evil", data=b"x"),
    ],
    "over a link": [member("l", kind=LINK, linkname="{outside}/mine"), member("l", data=b"evil")],
    "folder, then link, then file": [
        member("d", kind=tarfile.DIRTYPE, mode=0o755),
        member("d", kind=LINK, linkname="{outside}"),
        member("d/evil", data=b"x"),
    ],
    "hard link outward": [member("h", kind=HARD, linkname="{outside}/mine"), member("h", data=b"evil")],
    "hard link by ..": [member("h", kind=HARD, linkname=f"../{OUTSIDE}/mine"), member("h", data=b"evil")],
    "hard link through a link": [
        member("l", kind=LINK, linkname="{outside}"),
        member("h", kind=HARD, linkname="l/mine"),
        member("h", data=b"evil"),
    ],
    "hard link to a link": [
        member("l", kind=LINK, linkname="{outside}/mine"),
        member("h", kind=HARD, linkname="l"),
        member("h", data=b"evil"),
    ],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_nothing_is_written_outside(
    members: list[tuple[tarfile.TarInfo, bytes]], act: Act, store: LocalFolder, to: Path, outside: Path
) -> None:
    for info, _ in members:
        info.name = info.name.replace("{outside}", str(outside))
        info.linkname = info.linkname.replace("{outside}", str(outside))
    manifest = pack(store, made_by_hand(*members))
    with_error(act, store, manifest, to)
    untouched(outside)
    assert sorted(path.name for path in to.parent.iterdir()) == [OUTSIDE, "store", "to"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=["chr", "blk", "pipe"])
def test_a_drill_makes_no_devices_and_pipes(kind: bytes, store: LocalFolder, to: Path, tmp_path: Path) -> None:
    members = [member("d", kind=kind, devmajor=1, devminor=3), member("h", kind=HARD, linkname="d"), member("f")]
    manifest = pack(store, made_by_hand(*members))
    assert drill_all(store, manifest, to, must_include=[]).left_out == 2
    assert [path.name for path in to.iterdir()] == ["f"]
    again = tmp_path / "again"
    again.mkdir()
    assert sample(store, manifest, again)
    assert [path.name for path in again.iterdir()] == ["f"]


def test_a_drill_gives_nobody_anothers_rights(store: LocalFolder, to: Path) -> None:
    pax = {"SCHILY.xattr.user.kept": "yes", "SCHILY.xattr.security.capability": "\x01" + "\0" * 19}
    manifest = pack(store, made_by_hand(member("f", data=b"x", mode=0o6777, uid=1234, pax_headers=pax)))
    drill_all(store, manifest, to, must_include=[])
    found = (to / "f").stat()
    assert not found.st_mode & 0o7000
    assert found.st_uid == os.geteuid()
    assert os.listxattr(to / "f") == ["user.kept"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no archive at all" * 100, id="text"),
        pytest.param(gzip.compress(bytes(10240)), id="another compression"),
        pytest.param(made_by_hand(member("f", data=b"x" * 5000))[:3000], id="cut within a file"),
        pytest.param(made_by_hand(member("f", data=b"x"))[:1024], id="no end"),
        pytest.param(made_by_hand(member("f", data=b"x"))[:1536], id="half an end"),
        pytest.param(made_by_hand(member("f" * 300, data=b"x"))[:700], id="cut extended header"),
        pytest.param(made_by_hand(member("f" * 300, data=b"x"))[:512], id="no extended header"),
        pytest.param(made_by_hand(member("f" * 300), format=tarfile.GNU_FORMAT)[:700], id="cut long name"),
        pytest.param(made_by_hand(member("v", kind=b"V")), id="a volume's label"),
        pytest.param(made_by_hand(member("m", kind=b"M", data=b"x")), id="the rest of a file"),
        pytest.param(made_by_hand(member("z", kind=b"Z", data=b"x")), id="an unknown kind"),
        pytest.param(made_by_hand(member("f", pax_headers={"size": "-512"})), id="a size below nothing"),
        pytest.param(made_by_hand(member("f", pax_headers={"mtime": "inf"})), id="a time without end"),
        pytest.param(made_by_hand(member("f", pax_headers={"size": str(1 << 62)})), id="a size beyond all"),
        pytest.param(made_by_hand(member("f", pax_headers={"comment": "x" * (2 << 20)})), id="an endless header"),
        pytest.param(made_by_hand(member("f", pax_headers={"GNU.sparse.map": "5,9,1"})), id="holes that are none"),
    ],
)
def test_what_is_no_archive_is_refused_by_the_writer_and_nothing_stays(data: bytes, store: LocalFolder) -> None:
    with pytest.raises(ArchiveDamaged, match=r"archive"):
        pack(store, data)
    assert list(store.list()) == []


def test_headers_that_lead_to_headers_without_end_are_refused(store: LocalFolder) -> None:
    header = made_by_hand(member("x" * 300))[:1024]
    with pytest.raises(ArchiveDamaged):
        pack(store, header * 5000 + bytes(10240))


def test_random_changes_of_an_archive_crash_nothing(store: LocalFolder, tmp_path: Path) -> None:
    good = made_by_hand(
        member("x" * 200, data=b"data" * 300), member("d", kind=tarfile.DIRTYPE), member("l", kind=LINK, linkname="d")
    )
    dice = random.Random(5)
    for number in range(150):
        data = bytearray(good)
        for _ in range(dice.randint(1, 12)):
            data[dice.randrange(len(data) - 9000)] = dice.randrange(256)
        to = tmp_path / f"to{number}"
        to.mkdir()
        try:
            restore(store, pack(store, bytes(data)), to)
        except OpsrunnerError:
            continue


def test_thousands_of_nested_folders_end_in_one_clear_line(act: Act, store: LocalFolder, to: Path) -> None:
    names = ["/".join(["d"] * depth) for depth in range(1, 4000, 50)]
    manifest = pack(store, made_by_hand(*(member(name, kind=tarfile.DIRTYPE, mode=0o755) for name in names)))
    message = with_error(act, store, manifest, to)
    assert message == "" or "tar could not restore everything" in message
    subprocess.run(["rm", "-rf", str(to)], check=True)  # Python follows no folders as deep as that
