"""A store that is not the place the catalogue knows: a disk that is away, a store that was changed, copies removed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import ArchiveDamaged, NotStored, StoreFailed, StoreRefused
from opsrunner.model.backup import CopyState, Gone
from opsrunner.model.run import RunStatus
from opsrunner.stores.local import LocalFolder

from .backed_up import copies, message, run
from .conftest import SITE as HOUSE

ROUTINES = Path(__file__).parents[3] / "routines"
SHIPPED = ("nightly-backups", "restore-drill", "full-drill")
SITE = (
    HOUSE
    + """\
stores:
  copies: {local: {path: PATH}}
"""
)
LAST_TWO = """\
name: Nightly backups
accountable: sysadmin
steps: [{id: copy, backup: {paths: [opsrunner.yaml, routines], to: copies, keep: {last: 2}}}]
"""
AWAY = r"copies does not have any of the 4 copies that should lie there; is its disk mounted\?"
MOVED = "opsrunner backups adopt copies --moved"
House = Any


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Give the place of a disk: what is mounted there lies beside it when it is not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    return disk


@pytest.fixture
def own(house: Callable[..., House], disk: Path) -> House:
    """Open a site with the shipped routines, whose store had two copies of each; they keep more of a day."""
    files = {name: (ROUTINES / f"{name}.yaml").read_text() for name in SHIPPED}
    files["nightly-backups"] = re.sub(r"keep: \{[^}]*\}", "keep: {last: 9}", files["nightly-backups"])
    own = house(files, site=SITE.replace("PATH", str(disk / "copies")))
    for _ in range(2):
        assert run(own, "nightly-backups").status is RunStatus.SUCCEEDED
    return own


def adopt(own: House, *, is_moved: bool) -> Any:
    return own.app.backups.adopt("copies", is_moved=is_moved, actor="boss", at=own.clock.now())


def unmount(disk: Path) -> None:
    disk.rename(disk.with_name("unplugged"))
    disk.mkdir()


def mount(disk: Path) -> None:
    shutil.rmtree(disk)
    disk.with_name("unplugged").rename(disk)


class TestADiskThatIsAway:
    def test_no_copy_is_made_in_its_empty_mount_point(self, own: House, disk: Path) -> None:
        before = copies(own)
        unmount(disk)

        assert run(own, "nightly-backups").status is RunStatus.FAILED

        assert "is its disk mounted?" in message(own, routine="nightly-backups")
        assert list(disk.iterdir()) == []
        assert copies(own) == before
        mount(disk)
        assert run(own, "nightly-backups").status is RunStatus.SUCCEEDED

    @pytest.mark.needs("root", "mount", "umount")
    def test_nor_under_a_real_one(self, own: House, disk: Path, mounted: Callable[[Path], None]) -> None:
        shutil.rmtree(disk / "copies")
        mounted(disk)
        adopt(own, is_moved=True)
        run(own, "nightly-backups")
        subprocess.run(["umount", str(disk)], check=True)

        assert run(own, "nightly-backups").status is RunStatus.FAILED
        assert list(disk.iterdir()) == []

    @pytest.mark.parametrize("routine", ["restore-drill", "full-drill"])
    def test_a_drill_says_so_and_no_copy_is_damaged(self, own: House, disk: Path, routine: str) -> None:
        unmount(disk)

        run(own, routine)

        assert "is its disk mounted?" in message(own, "ledger", routine=routine)
        assert {copy.state for copy in copies(own)} == {CopyState.GOOD}

    def test_nobody_verifies_removes_or_adopts_there(self, own: House, disk: Path) -> None:
        unmount(disk)
        by = {"actor": "boss", "at": own.clock.now()}
        with pytest.raises(StoreFailed, match=AWAY) as failed:
            own.app.backups.verify(copies(own)[0], **by)
        assert MOVED in failed.value.message
        with pytest.raises(StoreFailed, match=AWAY):
            own.app.backups.remove(copies(own)[0], **by)
        with pytest.raises(StoreFailed, match=AWAY):
            adopt(own, is_moved=False)
        assert {copy.state for copy in copies(own)} == {CopyState.GOOD}

    def test_a_store_that_still_has_one_of_its_copies_is_the_same(self, own: House, disk: Path) -> None:
        for path in disk.glob("copies/nightly-backups/copy/*"):
            path.unlink()
        run(own, "nightly-backups")
        assert list(disk.glob("copies/nightly-backups/copy/*.json"))


class TestAStoreThatWasChanged:
    def test_its_old_copies_are_gone_and_not_damaged_once_that_is_said(
        self, own: House, tmp_path: Path, disk: Path
    ) -> None:
        own.write("opsrunner.yaml", SITE.replace("PATH", str(tmp_path / "new")))
        run(own, "full-drill")
        assert {copy.state for copy in copies(own)} == {CopyState.GOOD}

        adopted = adopt(own, is_moved=True)

        assert (len(adopted.gone), copies(own)) == (4, [])
        assert run(own, "nightly-backups").status is RunStatus.SUCCEEDED
        assert run(own, "restore-drill").status is RunStatus.SUCCEEDED
        assert run(own, "full-drill").status is RunStatus.WAITING
        assert message(own, routine="full-drill").startswith("restored all of it")
        assert [item.word for item in own.app.digests.preview("daily", own.clock.now()).digest.needs_you] == []
        gone = own.app.backups.find(adopted.gone[0].name)
        assert (gone.state, gone.why) == (CopyState.GONE, "its store is another place now, and it does not lie there")

    def test_copies_that_were_taken_along_keep_their_proofs(self, own: House, tmp_path: Path, disk: Path) -> None:
        run(own, "restore-drill")
        (older,) = [copy for copy in copies(own) if copy.step == "copy"][1:]
        (disk / "copies").rename(tmp_path / "new")
        for path in (tmp_path / "new").rglob(f"{older.name.rpartition('/')[2]}*"):
            path.unlink()
        own.write("opsrunner.yaml", SITE.replace("PATH", str(tmp_path / "new")))
        own.clock.move(hours=1)
        own.work()

        adopted = adopt(own, is_moved=True)

        assert (adopted.copies, older in adopted.gone) == ((), True)
        assert [copy.restored_at is not None for copy in copies(own)] == [True, True]

    def test_a_damaged_copy_is_damaged_still_when_the_store_is_what_it_was(
        self, own: House, tmp_path: Path, disk: Path
    ) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        (archive,) = disk.rglob(f"copy/{newest.name.rpartition('/')[2]}.tar.zst")
        archive.write_bytes(bytes(archive.stat().st_size))
        with pytest.raises(ArchiveDamaged):
            own.app.backups.verify(newest, actor="boss", at=own.clock.now())
        for place in (tmp_path / "mistyped", disk / "copies"):
            own.write("opsrunner.yaml", SITE.replace("PATH", str(place)))
            own.clock.move(hours=1)
            own.work()
            adopt(own, is_moved=True)

        assert len(copies(own)) == 4
        found = own.app.backups.find(newest.name)
        assert found.state is CopyState.DAMAGED
        assert found.why == f"{newest.name}.tar.zst is not what was sent: its SHA-256 differs"
        assert damaged_items(own) == ["Damaged"]


class TestCopiesThatSomebodyRemoved:
    def test_the_next_night_tells_of_it_once(self, own: House, disk: Path) -> None:
        older = [copy for copy in copies(own) if copy.step == "copy"][1]
        for path in disk.rglob(f"copy/{older.name.rpartition('/')[2]}*"):
            path.unlink()

        assert run(own, "nightly-backups").status is RunStatus.WARNING
        assert f"{older.name.rpartition('/')[2]} does not lie in copies any more" in message(
            own, routine="nightly-backups"
        )
        gone = own.app.backups.find(older.name)
        assert (gone.state, gone.why) == (CopyState.GONE, "nothing of it lies in its store any more")
        assert run(own, "nightly-backups").status is RunStatus.SUCCEEDED

    def test_what_is_gone_takes_no_other_ones_place(self, own: House, disk: Path) -> None:
        own.write("routines/nightly-backups.yaml", LAST_TWO)
        newest, oldest = (copy for copy in copies(own) if copy.step == "copy")
        for path in disk.rglob(f"copy/{newest.name.rpartition('/')[2]}*"):
            path.unlink()

        run(own, "nightly-backups")

        assert oldest.name in [copy.name for copy in copies(own)]
        assert own.app.backups.find(newest.name).why == "nothing of it lies in its store any more"

    def test_a_drill_that_finds_nothing_fails_and_calls_it_gone(self, own: House, disk: Path) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        for path in disk.rglob(f"copy/{newest.name.rpartition('/')[2]}*"):
            path.unlink()

        assert run(own, "restore-drill").status is RunStatus.FAILED
        assert message(own, "drill", routine="restore-drill") == (
            f"{newest.name}: nothing of it lies in copies any more; it counts as gone"
        )
        assert own.app.backups.find(newest.name).state is CopyState.GONE

    def test_a_damaged_one_leaves_the_digest_once_it_was_removed_and_verified(self, own: House, disk: Path) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        (archive,) = disk.rglob(f"copy/{newest.name.rpartition('/')[2]}.tar.zst")
        archive.write_bytes(b"damaged")
        run(own, "restore-drill")
        assert damaged_items(own) == ["Damaged"]
        for path in disk.rglob(f"copy/{newest.name.rpartition('/')[2]}*"):
            path.unlink()

        with pytest.raises(NotStored, match="nothing of it lies in copies any more; it is noted as gone"):
            own.app.backups.verify(newest, actor="boss", at=own.clock.now())

        assert damaged_items(own) == []
        assert own.app.backups.find(newest.name).state is CopyState.GONE

    def test_of_the_last_one_of_a_store_it_is_to_be_said_that_it_is_gone(self, own: House, disk: Path) -> None:
        shutil.rmtree(disk / "copies")
        last, *others = copies(own)
        own.app.books.copies.note([Gone(copy=copy.id, at=own.clock.now(), why="x") for copy in others])

        with pytest.raises(StoreFailed, match="does not have the copy that should lie there") as failed:
            own.app.backups.verify(last, actor="boss", at=own.clock.now())
        assert MOVED in failed.value.message
        adopt(own, is_moved=True)

        assert copies(own) == []
        assert run(own, "nightly-backups").status is RunStatus.SUCCEEDED

    def test_whoever_verifies_one_that_is_gone_is_told_since_when_and_why(self, own: House) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        gone_at = own.clock.now()
        own.app.backups.remove(newest, actor="boss", at=gone_at)
        own.clock.move(days=1)

        since = f"{newest.name} is gone from copies since {gone_at:%Y-%m-%d %H:%M} UTC: beyond what is kept"
        with pytest.raises(NotStored, match=f"^{re.escape(since)}$"):
            own.app.backups.verify(own.app.backups.find(newest.name), actor="boss", at=own.clock.now())

        found = own.app.backups.find(newest.name)
        assert (found.ended_at, found.why) == (gone_at, "beyond what is kept")

    def test_one_that_is_gone_and_lies_there_again_is_known_again(self, own: House, disk: Path) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        shutil.copytree(disk, own.root / "aside")
        own.app.backups.remove(newest, actor="boss", at=own.clock.now())
        shutil.copytree(own.root / "aside", disk, dirs_exist_ok=True)

        own.app.backups.verify(own.app.backups.find(newest.name), actor="boss", at=own.clock.now())

        assert own.app.backups.find(newest.name).state is CopyState.GOOD

    def test_or_after_the_next_night_without_a_word(self, own: House, disk: Path) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        (archive,) = disk.rglob(f"copy/{newest.name.rpartition('/')[2]}.tar.zst")
        archive.write_bytes(b"damaged")
        run(own, "restore-drill")
        for path in disk.rglob(f"copy/{newest.name.rpartition('/')[2]}*"):
            path.unlink()

        assert run(own, "nightly-backups").status is RunStatus.SUCCEEDED
        assert damaged_items(own) == []

    def test_one_that_lost_its_manifest_alone_is_damaged(self, own: House, disk: Path) -> None:
        newest = next(copy for copy in copies(own) if copy.step == "copy")
        (manifest,) = disk.rglob(f"copy/{newest.name.rpartition('/')[2]}.json")
        manifest.unlink()

        with pytest.raises(NotStored, match="json is not there"):
            own.app.backups.verify(newest, actor="boss", at=own.clock.now())
        assert own.app.backups.find(newest.name).state is CopyState.DAMAGED


class TestAStoreThatLetsUsDeleteNothing:
    def test_what_lies_there_is_adopted_all_the_same_and_it_is_told(
        self, own: House, disk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_: LocalFolder, name: str) -> None:
            raise StoreRefused(f"{name}: locked")

        known = copies(own)
        forgotten = next(copy for copy in known if copy.step == "copy")
        own.app.books.ledger.change("DELETE FROM drills")
        own.app.books.ledger.change("DELETE FROM copies WHERE id = ?", (forgotten.id,))
        orphan = disk / "copies/nightly-backups/copy/2026-11-20T120000Z-r9.tar.zst"
        orphan.write_bytes(b"left")
        os.utime(orphan, (0, 0))
        monkeypatch.setattr(LocalFolder, "remove", refuse)

        assert run(own, "nightly-backups").status is RunStatus.WARNING
        assert "what a killed run left stays in copies: nightly-backups/copy/2026-11-20" in message(
            own, routine="nightly-backups"
        )
        assert own.app.backups.find(forgotten.name).state is CopyState.GOOD
        assert run(own, "nightly-backups").status is RunStatus.WARNING
        assert len([copy for copy in copies(own) if copy.step == "copy"]) == 4


def damaged_items(own: House) -> list[str]:
    needs_you = own.app.digests.preview("daily", own.clock.now()).digest.needs_you
    return [item.word for item in needs_you if item.word == "Damaged"]


@pytest.fixture
def mounted() -> Iterator[Callable[[Path], None]]:
    """Mount a file system in memory over a folder."""
    places: list[Path] = []

    def make(place: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=16m", "tmpfs", str(place)], check=True)
        places.append(place)

    yield make
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=False, stderr=subprocess.DEVNULL)
