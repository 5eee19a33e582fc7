"""Copies of a whole site's routine: made, proven, drilled, thinned out, found damaged, found again."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest

from opsrunner.engine.standing_copies import standings
from opsrunner.engine.state_copies import restore_ledger
from opsrunner.errors import ArchiveDamaged, LedgerDamaged, NotFound, NotStored, Refused
from opsrunner.fleet.execution import Execution
from opsrunner.ledger.whole_copies import copy_ledger, place_ledger, require_intact
from opsrunner.model.backup import Copy, CopyState, Gone, Reread
from opsrunner.model.run import RunStatus
from opsrunner.steps import drill_bench
from opsrunner.stores.local import LocalFolder

from .backed_up import copies, message, run
from .conftest import SITE as HOUSE

SITE = (
    HOUSE
    + """\
stores:
  disk: {local: {path: $STATE/copies}}
  other: {local: {path: $STATE/other}}
  gone: {local: {path: /nonexistent/mount/copies}}
  locked: {s3: {bucket: b, endpoint: "http://127.0.0.1:9", access_key: {file: secrets/lost},
         secret_key: {file: secrets/lost}}}
"""
)
House = Any
Open = Callable[..., House]
WHOLE = ("tar.zst", "index.zst", "json")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a folder with a few files of different kinds."""
    folder = tmp_path / "data"
    (folder / "empty").mkdir(parents=True)
    (folder / "hello.txt").write_text("hello\n")
    (folder / "hello again.txt").hardlink_to(folder / "hello.txt")
    (folder / "link").symlink_to("hello.txt")
    (folder / "noise").write_bytes(os.urandom(2_000_000))
    with (folder / "sparse").open("wb") as file:
        file.truncate(20_000_000)
        file.seek(10_000_000)
        file.write(b"in the middle")
    return folder


@pytest.fixture
def nightly(house: Open, data: Path) -> Callable[..., House]:
    """Open a house with a routine of one backup, made of options as they stand in YAML, and more steps."""

    def build(options: str = "", *, what: str = "", then: str = "") -> House:
        source = what or f"paths: [{data}]"
        steps = f"  - id: copy\n    backup: {{{source}, to: disk{options}}}\n{then}"
        return house({"nightly": f"name: Nightly\naccountable: ops1\nsteps:\n{steps}"}, site=SITE)

    return build


def lying(own: House, store: str = "copies") -> list[str]:
    folder = own.root / "var" / store
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def flip(path: Path, at: int) -> None:
    """Turn one bit of a file around."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def restore(own: House, copy: Copy, to: Path, **changes: Any) -> Any:
    options: dict[str, Any] = {"only": (), "own": False, "replace": False, "tell": lambda _: None}
    return own.app.backups.restore(copy, to, **(options | changes), actor="boss", at=own.clock.now())


class TestACopy:
    def test_it_is_whole_and_restored_exactly(self, nightly: Open, data: Path, tmp_path: Path) -> None:
        own = nightly()

        assert run(own).status is RunStatus.SUCCEEDED
        (copy,) = copies(own)
        restored = restore(own, copy, tmp_path / "out")

        assert "received whole (SHA-256, read back)" in message(own)
        assert (copy.state, copy.reread_at, copy.restored_at) == (CopyState.GOOD, None, None)
        assert restored.files == 4
        back = tmp_path / "out" / str(data).lstrip("/")
        assert subprocess.run(["diff", "-r", "--no-dereference", data, back], check=False).returncode == 0
        assert back.joinpath("hello.txt").stat().st_ino == back.joinpath("hello again.txt").stat().st_ino
        assert back.joinpath("sparse").stat().st_blocks * 512 < 1_000_000
        assert back.joinpath("noise").stat().st_mtime_ns == data.joinpath("noise").stat().st_mtime_ns

    def test_a_stranger_restores_it_with_tar_and_zstd_alone(self, nightly: Open, data: Path, tmp_path: Path) -> None:
        own = nightly()
        run(own)
        (archive,) = (own.root / "var/copies").rglob("*.tar.zst")

        (tmp_path / "out").mkdir()
        command = f"zstd -dc '{archive}' | tar -x -C '{tmp_path}/out'"
        subprocess.run(["bash", "-c", command], check=True)

        back = tmp_path / "out" / str(data).lstrip("/")
        assert subprocess.run(["diff", "-r", "--no-dereference", data, back], check=False).returncode == 0

    def test_a_part_of_it_is_restored_and_nothing_else(self, nightly: Open, data: Path, tmp_path: Path) -> None:
        own = nightly()
        run(own)
        inside = str(data).lstrip("/")

        restored = restore(own, copies(own)[0], tmp_path / "out", only=(f"{inside}/hello.txt",))

        assert restored.files in (1, 2)  # a hard link brings what it is one to
        assert (tmp_path / "out" / inside / "hello.txt").read_text() == "hello\n"
        assert not (tmp_path / "out" / inside / "noise").exists()
        with pytest.raises(NotFound, match="holds nothing of elsewhere"):
            restore(own, copies(own)[0], tmp_path / "out", only=("elsewhere",))

    def test_nothing_that_is_there_is_written_over_unless_told(self, nightly: Open, data: Path, tmp_path: Path) -> None:
        own = nightly(what='from: "echo dump", as: billing.sql')
        run(own)
        (tmp_path / "out").mkdir()
        (tmp_path / "out/billing.sql").write_text("precious")

        with pytest.raises(Refused, match="is there already; add --replace"):
            restore(own, copies(own)[0], tmp_path / "out")
        assert (tmp_path / "out/billing.sql").read_text() == "precious"
        restore(own, copies(own)[0], tmp_path / "out", replace=True)
        assert (tmp_path / "out/billing.sql").read_text() == "dump\n"

    def test_files_are_for_nobody_else_to_read(self, nightly: Open) -> None:
        own = nightly()
        run(own)

        assert {path.stat().st_mode & 0o777 for path in (own.root / "var/copies").rglob("*") if path.is_file()} == {
            0o600
        }
        assert {path.stat().st_mode & 0o777 for path in (own.root / "var/copies").rglob("*") if path.is_dir()} == {
            0o700
        }

    def test_another_store_gets_the_same_in_one_pass(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]")

        assert run(own).status is RunStatus.SUCCEEDED
        assert sorted(copy.store for copy in copies(own)) == ["disk", "other"]
        assert lying(own) == lying(own, "other")

    def test_a_store_that_is_not_there_costs_the_other_one_nothing(self, nightly: Open) -> None:
        own = nightly(", also_to: [gone]")

        assert run(own).status is RunStatus.FAILED
        assert [copy.store for copy in copies(own)] == ["disk"]
        assert "gone has no copy: /nonexistent/mount is not there; is its disk mounted?" in message(own)

    def test_a_store_whose_key_is_lost_costs_the_other_one_nothing(self, nightly: Open) -> None:
        own = nightly(", also_to: [locked]")

        assert run(own).status is RunStatus.FAILED
        assert [copy.store for copy in copies(own)] == ["disk"]
        assert "locked has no copy: " in message(own)
        assert "secrets/lost" in message(own)

    def test_of_two_stores_the_copy_that_is_not_damaged_is_meant(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]")
        run(own)
        name = copies(own)[0].name
        assert own.app.backups.find(name).store == "disk"
        first = own.app.backups.find(name, store="disk")
        own.app.books.copies.note([Reread(copy=first.id, at=own.clock.now(), problem="a bit is wrong")])
        assert own.app.backups.find(name).store == "other"

    def test_nothing_is_left_where_no_store_takes_it(self, nightly: Open) -> None:
        own = nightly()
        (own.root / "var/copies").write_text("a file where the folder should be")

        assert run(own).status is RunStatus.FAILED
        assert copies(own) == []


class TestDoubt:
    def test_a_dump_that_fails_leaves_nothing(self, nightly: Open) -> None:
        own = nightly(what="from: \"echo half of it; echo 'Lost connection' >&2; exit 3\", as: billing.sql")

        assert run(own).status is RunStatus.FAILED
        assert "the dump was cut short: exit code 3: Lost connection" in message(own)
        assert (copies(own), lying(own)) == ([], [])

    def test_a_dump_without_its_end_leaves_nothing(self, nightly: Open) -> None:
        own = nightly(what='from: "echo half of it", as: billing.sql, expect_end: Dump completed')

        assert run(own).status is RunStatus.FAILED
        assert "its end does not say 'Dump completed'" in message(own)
        assert (copies(own), lying(own)) == ([], [])

    @pytest.mark.parametrize(("doubt", "status"), [("", "failed"), (", doubt: {empty: fine}", "succeeded")])
    def test_an_empty_dump_is_not_green_unless_that_is_said(self, nightly: Open, doubt: str, status: str) -> None:
        own = nightly(doubt, what='from: "true", as: billing.sql')

        assert run(own).status.value == status
        assert "there is nothing in it" in message(own)
        assert copies(own)[0].state is (CopyState.GOOD if doubt else CopyState.DOUBTFUL)

    def test_a_copy_of_half_the_usual_size_is_a_warning(self, nightly: Open, data: Path) -> None:
        own = nightly()
        run(own)
        (data / "noise").write_bytes(os.urandom(900_000))

        assert run(own).status is RunStatus.WARNING
        assert re.match(r"it has 90\d kB, and the one before had 2.0 MB; 4 files, ", message(own))
        assert copies(own)[0].state is CopyState.DOUBTFUL
        assert json.loads(next((own.root / "var/copies").rglob("*r2.json")).read_text())["doubts"]

    @pytest.mark.parametrize(
        ("doubt", "status"),
        [("", "failed"), (", doubt: {changed: warn}", "warning"), (", doubt: {changed: fine}", "succeeded")],
    )
    def test_a_file_that_grows_meanwhile_is_named(
        self, nightly: Open, data: Path, doubt: str, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = nightly(doubt)
        growing = data / "dump.sql"
        growing.write_bytes(bytes(300_000_000))
        plain = Execution._read

        def read(self: Execution, *given: Any) -> None:
            with growing.open("ab") as file:
                file.write(b"more\n")
            plain(self, *given)

        monkeypatch.setattr(Execution, "_read", read)
        ended = run(own)

        assert ended.status.value == status
        assert f"changed while it was read: {str(growing).lstrip('/')}" in message(own)

    def test_a_path_that_is_not_there_is_named(self, nightly: Open, data: Path) -> None:
        own = nightly(what=f"paths: [{data}, {data}-missing]")

        assert run(own).status is RunStatus.FAILED
        assert "could not be read" in message(own)
        assert "-missing (no such file or directory)" in message(own)


class TestWhatStays:
    def test_the_newest_stay_and_the_others_go_from_store_and_catalogue(self, nightly: Open) -> None:
        own = nightly(", keep: {last: 2}")
        run(own)
        first = copies(own)[0].name
        for _ in range(3):
            assert run(own).status is RunStatus.SUCCEEDED

        assert [copy.run for copy in copies(own)] == [4, 3]
        assert len(lying(own)) == 2 * len(WHOLE)
        gone = own.app.backups.find(first)
        assert (gone.state, gone.why) == (CopyState.GONE, "beyond what is kept")

    def test_a_copy_in_doubt_takes_nothing_away(self, nightly: Open, data: Path) -> None:
        own = nightly(", keep: {last: 1}")
        run(own)
        (data / "noise").unlink()

        assert run(own).status is RunStatus.WARNING
        assert [copy.run for copy in copies(own)] == [2, 1]

    def test_a_clock_set_back_does_not_take_the_new_copy_away(self, nightly: Open) -> None:
        own = nightly(", keep: {last: 1}")
        run(own)
        own.clock.step(minutes=-90)

        run(own)

        assert [copy.run for copy in copies(own)] == [1, 2]
        assert len(lying(own)) == 2 * len(WHOLE)

    def test_what_a_killed_run_left_is_cleared_away(self, nightly: Open) -> None:
        own = nightly()
        run(own)
        folder = own.root / "var/copies/nightly/copy"
        half, orphan = folder / ".2026-11-20T120000Z-r9.tar.zst.0123.part", folder / "2026-11-20T120000Z-r9.tar.zst"
        foreign = folder / "2026-11-20.tar.zst"
        for path in (half, orphan, foreign):
            path.write_text("left")
            os.utime(path, (0, 0))

        run(own)

        assert (half.exists(), orphan.exists(), foreign.exists()) == (False, False, True)
        assert len(copies(own)) == 2


DRILL = "  - restore_drill: {of: copy, sample: 3, must_include: ['*hello.txt']}\n"
ONLY_A_RANDOM_DRILL = """\
name: Nightly
accountable: ops1
steps:
  - {id: copy, when: 'false', backup: {paths: [/etc/hostname], to: disk}}
  - restore_drill: {of: copy, which: random, sample: 1}
"""


class TestDrills:
    def test_a_drill_proves_a_copy_and_cleans_up(self, nightly: Open) -> None:
        own = nightly(then=DRILL)

        assert run(own).status is RunStatus.SUCCEEDED
        (copy,) = copies(own)
        assert copy.restored_at == own.clock.now()
        (drill,) = own.app.books.copies.drills(copy.id)
        assert (drill.is_whole, drill.problem) == (False, "")
        assert not list((own.root / "var").rglob("restored-*"))

    def test_a_check_that_fails_is_told(self, nightly: Open) -> None:
        own = nightly(then="  - restore_drill: {of: copy, then: \"echo 'no table billing' >&2; exit 1\"}\n")

        assert run(own).status is RunStatus.FAILED
        said = message(own, "restore_drill")
        assert said == "what was restored does not pass the check: exit code 1: no table billing"
        (copy,) = copies(own)
        (drill,) = own.app.books.copies.drills(copy.id)
        assert (copy.state, copy.restored_at) == (CopyState.DOUBTFUL, None)
        assert (drill.problem, drill.files > 0) == (said, True)
        assert [
            standing.verdict(own.clock.now(), own.app.almanac)[1]
            for standing in standings(own.app.desk, at=own.clock.now())
        ] == ["in doubt"]

    def test_a_check_without_room_says_nothing_of_the_copy(
        self, nightly: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drill_bench, "KEPT_BYTES", 1 << 60)
        monkeypatch.setattr(drill_bench, "KEPT_SHARE", 1)
        own = nightly(then="  - restore_drill: {of: copy, then: 'true'}\n")

        assert run(own).status is RunStatus.FAILED
        assert "no room for the drill" in message(own, "restore_drill")
        assert copies(own)[0].state is CopyState.GOOD
        assert own.app.books.copies.drills(copies(own)[0].id) == []

    def test_what_must_be_in_it_and_is_not_fails(self, nightly: Open) -> None:
        own = nightly(then="  - restore_drill: {of: copy, must_include: [billing.sql]}\n")

        assert run(own).status is RunStatus.FAILED
        assert "the copy has no billing.sql" in message(own, "restore_drill")
        (copy,) = copies(own)
        assert copy.state is CopyState.DOUBTFUL, "it lacks something, and is what was sent"
        assert copy.restored_at is None
        assert [drill.problem for drill in own.app.books.copies.drills(copy.id)] == ["the copy has no billing.sql"]

    @pytest.mark.parametrize("sample", ["3", "all"])
    def test_a_copy_of_folders_alone_proves_nothing(self, nightly: Open, data: Path, sample: str) -> None:
        drill = f"  - restore_drill: {{of: copy, sample: {sample}}}\n"
        own = nightly(", doubt: {empty: fine}", what=f"paths: [{data}/empty]", then=drill)

        assert run(own).status is RunStatus.FAILED
        assert "there is no file in the copy" in message(own, "restore_drill")
        assert (copies(own)[0].state, copies(own)[0].restored_at) == (CopyState.DOUBTFUL, None)

    def test_a_random_one_is_older_than_the_newest_and_not_damaged(self, nightly: Open) -> None:
        own = nightly()
        for _ in range(5):
            run(own)
        older = copies(own)[1:]
        damage = Reread(copy=older[1].id, at=own.clock.now(), problem="its SHA-256 differs")
        own.app.books.copies.note([damage])
        own.write("routines/nightly.yaml", ONLY_A_RANDOM_DRILL)

        for _ in range(12):
            assert run(own).status is RunStatus.SUCCEEDED

        drilled = {copy.id for copy in copies(own) if copy.restored_at}
        assert drilled == {older[0].id, older[2].id, older[3].id}

    def test_a_sample_that_is_right_takes_no_damage_away_and_says_so(self, nightly: Open) -> None:
        own = nightly()
        run(own)
        (copy,) = copies(own)
        own.app.books.copies.note([Reread(copy=copy.id, at=own.clock.now(), problem="its SHA-256 differs")])
        own.write("routines/nightly.yaml", ONLY_A_RANDOM_DRILL)

        assert run(own).status is RunStatus.SUCCEEDED

        left = f"; the copy stays damaged until all of it is right: opsrunner backups verify {copy.name} --store disk"
        assert message(own, "restore_drill").endswith(left)
        assert (copies(own)[0].state, copies(own)[0].why) == (CopyState.DAMAGED, "its SHA-256 differs")

    @pytest.mark.parametrize(
        ("method", "call"),
        [
            pytest.param("find", 2, id="before it is read"),
            pytest.param("read", 1, id="before its manifest is read"),
            pytest.param("read", 2, id="before its index is read"),
        ],
    )
    def test_one_that_is_removed_meanwhile_is_not_damaged(
        self, nightly: Open, method: str, call: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = nightly()
        run(own)
        run(own)
        older = copies(own)[1]
        plain, calls = getattr(LocalFolder, method), itertools.count(1)

        def remove_before(*given: Any, **options: Any) -> Any:
            if next(calls) == call:
                own.app.backups.remove(older, actor="boss", at=own.clock.now())
            return plain(*given, **options)

        monkeypatch.setattr(LocalFolder, method, remove_before)
        own.write("routines/nightly.yaml", ONLY_A_RANDOM_DRILL)

        assert run(own).status is RunStatus.FAILED
        assert message(own, "restore_drill") == f"{older.name} was removed from disk meanwhile: nothing was proven"
        assert own.app.books.copies.drills(older.id) == []
        assert own.app.backups.find(older.name).why == "beyond what is kept"

    def test_the_next_try_takes_another_than_the_one_that_was_removed(
        self, nightly: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = nightly()
        run(own)
        run(own)
        newest, older = copies(own)
        read = LocalFolder.read

        def remove_before(store: LocalFolder, name: str, **options: Any) -> Any:
            if older in copies(own):
                own.app.backups.remove(older, actor="boss", at=own.clock.now())
            return read(store, name, **options)

        monkeypatch.setattr(LocalFolder, "read", remove_before)
        own.write("routines/nightly.yaml", f"{ONLY_A_RANDOM_DRILL}    retry: {{times: 1, wait: 0s}}\n")

        assert run(own).status is RunStatus.SUCCEEDED
        assert [copy.id for copy in copies(own) if copy.restored_at] == [newest.id]

    def test_a_random_one_of_one_is_that_one(self, nightly: Open) -> None:
        own = nightly(then="  - restore_drill: {of: copy, which: random}\n")
        assert run(own).status is RunStatus.SUCCEEDED
        assert copies(own)[0].restored_at == own.clock.now()

    def test_one_flipped_bit_heads_the_digest_until_it_is_put_right(self, nightly: Open) -> None:
        own = nightly(then="  - restore_drill: {of: copy, sample: all}\n")
        run(own)
        own.write(
            "routines/nightly.yaml",
            "name: Nightly\naccountable: ops1\nsteps:\n"
            "  - {id: copy, when: 'false', backup: {paths: [/etc/hostname], to: disk}}\n"
            "  - restore_drill: {of: copy, sample: all}\n",
        )
        (archive,) = (own.root / "var/copies").rglob("*.tar.zst")

        flip(archive, archive.stat().st_size // 2)
        assert run(own).status is RunStatus.FAILED
        worse = own.app.digests.preview("daily", own.clock.now())
        flip(archive, archive.stat().st_size // 2)
        assert run(own).status is RunStatus.SUCCEEDED
        better = own.app.digests.preview("daily", own.clock.now())

        assert copies(own)[0].state is CopyState.GOOD
        (item,) = [item for item in worse.digest.needs_you if item.word == "Damaged"]
        assert item.title == "A copy of Nightly"
        assert "damaged copy of Nightly" in worse.digest.subject
        assert [item for item in better.digest.needs_you if item.word == "Damaged"] == []

    def test_a_proof_that_is_overdue_is_told_though_nothing_failed(self, nightly: Open) -> None:
        own = nightly(", restored_within: 8d")
        run(own)

        assert own.app.digests.preview("daily", own.clock.now()).digest.needs_you == ()
        own.clock.move(days=9)
        (item,) = own.app.digests.preview("daily", own.clock.now()).digest.needs_you
        assert (item.word, item.title) == ("Unproven", "The copies of Nightly")
        assert item.facts.startswith("Nothing of them was restored from disk in time, never yet.")

    def test_a_proof_is_overdue_though_no_copy_stays_for_so_long(self, nightly: Open) -> None:
        own = nightly(", keep: {daily: 3}, restored_within: 8d")
        for _ in range(12):
            run(own)
            own.clock.move(hours=23)

        assert len(copies(own)) == 3
        (item,) = own.app.digests.preview("daily", own.clock.now()).digest.needs_you
        assert (item.word, item.facts.partition(" A drill")[0]) == (
            "Unproven",
            "Nothing of them was restored from disk in time, never yet.",
        )

    def test_a_proof_outlives_the_copy_that_was_restored(self, nightly: Open) -> None:
        own = nightly(", keep: {last: 3}, restored_within: 8d", then="  - {id: drill, restore_drill: {of: copy}}\n")
        run(own)
        proven_at = own.clock.now()
        routine = own.root / "routines/nightly.yaml"
        routine.write_text(routine.read_text().partition("  - {id: drill")[0])
        for _ in range(5):
            own.clock.move(hours=23)
            run(own)

        assert [copy.restored_at for copy in copies(own)] == [None] * 3
        (one,) = standings(own.app.desk, at=own.clock.now())
        assert one.restored_at == proven_at
        assert figure(own) == ("1 of 1 backup proven and fresh", "fine")
        own.clock.move(days=4)
        (item,) = own.app.digests.preview("daily", own.clock.now()).digest.needs_you
        assert (item.word, "never yet" in item.facts) == ("Unproven", False)

    def test_a_proof_from_another_place_proves_nothing_of_where_the_store_is_now(self, nightly: Open) -> None:
        own = nightly(then="  - restore_drill: {of: copy}\n")
        run(own)
        (own.root / "var/copies").rename(own.root / "var/away")
        own.app.backups.adopt("disk", is_moved=True, actor="boss", at=own.clock.now())
        routine = own.root / "routines/nightly.yaml"
        routine.write_text(routine.read_text().replace("  - restore_drill: {of: copy}\n", ""))
        run(own)
        assert standing(own) == [("", "disk", "never restored")]

    def test_one_dated_ahead_keeps_no_backup_fresh_and_takes_no_newer_ones_drill(self, nightly: Open) -> None:
        own = nightly(then="  - restore_drill: {of: copy}\n")
        own.clock.move(days=300)
        run(own)
        assert standing(own) == [("", "disk", "proven and fresh")]
        own.clock.move(days=-300)
        assert standing(own) == [("", "disk", "dated ahead")]
        assert figure(own) == ("0 of 1 backup proven and fresh", "look")

        own.work()
        own.clock.move(minutes=11)  # so long the clock is in doubt
        own.work()
        assert run(own).status is RunStatus.SUCCEEDED
        ahead, newest = copies(own)
        assert (newest.restored_at, ahead.made_at > own.clock.now()) == (own.clock.now(), True)
        (one,) = standings(own.app.desk, at=own.clock.now())
        assert one.restored_at == own.clock.now()


def standing(own: House) -> list[tuple[str, str, str]]:
    """Return how the copies stand: the key of the row, the store, the word."""
    desk, now = own.app.desk, own.clock.now()
    return [(one.key, one.store, one.verdict(now, desk.almanac())[1]) for one in standings(desk, at=now)]


def figure(own: House) -> tuple[str, str]:
    house = own.app.digests.preview("daily", own.clock.now()).digest.house
    return next((one.text, one.tone) for one in house if one.name == "Backups")


class TestHowTheyStand:
    DRILL = "  - {id: drill, restore_drill: {of: copy, store: disk}, on_failure: continue}\n"

    def test_a_store_that_gets_no_copy_is_not_made_good_by_another(self, nightly: Open) -> None:
        own = nightly(", also_to: [gone]", then=self.DRILL)
        run(own)

        assert standing(own) == [("", "disk", "never restored"), ("", "gone", "no copy yet")]
        assert figure(own) == ("0 of 2 backups proven and fresh", "look")

    def test_each_store_is_proven_and_fresh_by_its_own_copies(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]", then=self.DRILL)
        run(own)

        assert standing(own) == [("", "disk", "proven and fresh"), ("", "other", "never restored")]
        assert figure(own) == ("1 of 2 backups proven and fresh", "look")

        (own.root / "var/other").rename(own.root / "var/away")
        (own.root / "var/other").write_text("no folder")
        own.clock.move(days=3)
        run(own)
        assert standing(own)[1] == ("", "other", "old")

    def test_a_drill_of_no_certain_store_proves_each_in_its_turn(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]", then="  - restore_drill: {of: copy}\n")
        run(own)
        assert figure(own) == ("1 of 2 backups proven and fresh", "look")
        run(own)
        assert figure(own) == ("2 of 2 backups proven and fresh", "fine")
        for _ in range(2):
            run(own)
        proven = [copy.store for copy in copies(own) if copy.restored_at]
        assert sorted(proven) == ["disk", "disk", "other", "other"]

    @pytest.mark.parametrize("is_away", [True, False], ids=["the store fails", "its copy is damaged"])
    @pytest.mark.parametrize(("broken", "right"), [("copies", "other"), ("other", "disk")])
    def test_a_store_whose_drills_fail_takes_no_others_turn(
        self, nightly: Open, broken: str, right: str, is_away: bool
    ) -> None:
        own = nightly(", also_to: [other]")
        run(own)
        own.write(
            "routines/nightly.yaml",
            "name: Nightly\naccountable: ops1\nsteps:\n"
            "  - {id: copy, when: 'false', backup: {paths: [/etc/hostname], to: disk, also_to: [other]}}\n"
            "  - restore_drill: {of: copy, sample: all}\n",
        )
        folder = own.root / "var" / broken
        if is_away:
            folder.rename(own.root / "var/aside")
            folder.write_text("a file where the folder should be")
        else:
            (archive,) = folder.rglob("*.tar.zst")
            flip(archive, archive.stat().st_size // 2)

        ends = [run(own).status for _ in range(4)]

        assert sorted(ends) == [RunStatus.FAILED] * 2 + [RunStatus.SUCCEEDED] * 2
        assert [copy.store for copy in copies(own) if copy.restored_at] == [right]
        if is_away:
            assert {copy.state for copy in copies(own)} == {CopyState.GOOD}, "nobody could look"

    def test_a_store_that_the_site_has_no_more_takes_no_others_turn(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]")
        run(own)
        own.write("opsrunner.yaml", SITE.replace("  other: {local: {path: $STATE/other}}\n", ""))
        own.write("routines/nightly.yaml", ONLY_A_RANDOM_DRILL.replace("which: random, ", ""))

        ends = {}
        for _ in range(4):
            status = run(own).status
            ends[message(own, "restore_drill").partition(",")[0]] = status

        gone = "there is no store 'other' in opsrunner.yaml; if it is no more: opsrunner backups adopt other --moved"
        assert ends == {gone: RunStatus.FAILED, "restored 1 file": RunStatus.SUCCEEDED}
        assert [copy.store for copy in copies(own) if copy.restored_at] == ["disk"]

    def test_a_drill_leaves_a_store_alone_that_is_not_written_to_any_more(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]", then="  - restore_drill: {of: copy, store: disk}\n")
        run(own)
        routine = own.root / "routines/nightly.yaml"
        routine.write_text(routine.read_text().replace(", also_to: [other]", "").replace(", store: disk", ""))
        run(own)
        assert [copy.store for copy in copies(own) if copy.restored_at] == ["disk", "disk"]

    def test_a_store_that_is_not_written_to_any_more_counts_for_nothing_but_its_damage(self, nightly: Open) -> None:
        own = nightly(", also_to: [other]", then=self.DRILL)
        run(own)
        (left,) = [copy for copy in copies(own) if copy.store == "other"]
        routine = own.root / "routines/nightly.yaml"
        routine.write_text(routine.read_text().replace(", also_to: [other]", ""))
        own.app.in_force.refresh()

        assert standing(own) == [("", "disk", "proven and fresh"), ("", "other", "not written to")]
        assert figure(own) == ("1 of 1 backup proven and fresh", "fine")

        own.app.books.copies.note([Reread(copy=left.id, at=own.clock.now(), problem="it is cut short")])
        told = "1 of 1 backup proven and fresh, 1 damaged copy in a store not written to"
        assert figure(own) == (told, "failed")

    def test_a_row_that_never_got_a_copy_is_counted(self, house: Open, data: Path) -> None:
        steps = (
            "  - {id: list, run: \"printf 'host\\nlocal\\nnowhere\\n'\", rows: csv}\n"
            "  - id: copy\n    for_each: steps.list.rows\n    key: row.host\n"
            f'    backup: {{paths: [{data}], host: "{{{{ row.host }}}}", to: disk}}\n'
        )
        own = house({"nightly": f"name: Nightly\naccountable: ops1\nsteps:\n{steps}"}, site=SITE)
        assert standing(own) == [("", "disk", "no copy yet")]
        run(own)

        assert standing(own) == [("local", "disk", "never restored"), ("nowhere", "disk", "no copy yet")]
        assert figure(own) == ("0 of 2 backups proven and fresh", "look")


class TestByHand:
    def test_verifying_finds_what_is_not_what_was_sent(self, nightly: Open) -> None:
        own = nightly()
        run(own)
        (copy,) = copies(own)
        own.app.backups.verify(copy, actor="boss", at=own.clock.now())
        assert copies(own)[0].reread_at == own.clock.now()

        (index,) = (own.root / "var/copies").rglob("*.index.zst")
        flip(index, 10)
        with pytest.raises(ArchiveDamaged, match=r"index\.zst is not what was sent"):
            own.app.backups.verify(copy, actor="boss", at=own.clock.now())
        assert copies(own)[0].state is CopyState.DAMAGED

    def test_verifying_brings_nothing_back_that_was_removed_meanwhile(
        self, nightly: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = nightly()
        run(own)
        (copy,) = copies(own)
        read = LocalFolder.read

        def remove_at_the_end(store: LocalFolder, name: str, **options: Any) -> Any:
            yield from read(store, name, **options)
            if name.endswith(".index.zst"):
                removed = Gone(copy=copy.id, at=own.clock.now(), why="beyond what is kept")
                own.app.books.copies.note([removed])  # as a program does that knows of no lock

        monkeypatch.setattr(LocalFolder, "read", remove_at_the_end)
        with pytest.raises(NotStored, match="was removed from disk meanwhile: beyond what is kept"):
            own.app.backups.verify(copy, actor="boss", at=own.clock.now())
        found = own.app.backups.find(copy.name)
        assert (found.state, found.why, found.reread_at) == (CopyState.GONE, "beyond what is kept", None)
        assert copies(own) == []

    def test_a_manifest_that_somebody_changed_is_not_believed(self, nightly: Open) -> None:
        own = nightly()
        run(own)
        (manifest,) = (own.root / "var/copies").rglob("*.json")
        manifest.write_text(manifest.read_text().replace("Example", "Another"))

        with pytest.raises(ArchiveDamaged, match="is not what was written"):
            own.app.backups.verify(copies(own)[0], actor="boss", at=own.clock.now())

    def test_a_lost_catalogue_is_made_again_from_what_lies_there(self, nightly: Open, house: Open) -> None:
        own = nightly()
        run(own)
        run(own)
        (before, _) = copies(own)
        new = house({"other": "name: Other\naccountable: ops1\nsteps: [{run: 'true'}]\n"}, site=SITE)
        (own.root / "var/copies").rename(new.root / "var/copies")
        (broken, *_) = sorted((new.root / "var/copies").rglob("*r1.tar.zst"))
        broken.write_bytes(b"short")

        adopted = new.app.backups.adopt("disk", actor="boss", at=new.clock.now())

        assert [copy.name for copy in adopted.copies] == [before.name]
        assert len(adopted.problems) == 1
        (after,) = copies(new)
        assert (after.name, after.size_bytes, after.made_at) == (before.name, before.size_bytes, before.made_at)
        assert new.app.backups.adopt("disk", actor="boss", at=new.clock.now()).copies == ()

    def test_a_manifest_of_another_form_is_known_by_its_bytes(self, nightly: Open, tmp_path: Path) -> None:
        own = nightly()
        run(own)
        (manifest,) = (own.root / "var/copies").rglob("*.json")
        said = json.loads(manifest.read_text())
        del said["encrypted"], said["made_by"]
        manifest.write_text(json.dumps(said))
        own.app.books.ledger.change("DELETE FROM copies")

        own.app.backups.adopt("disk", actor="boss", at=own.clock.now())

        (copy,) = copies(own)
        assert own.app.backups.verify(copy, actor="boss", at=own.clock.now()) == copy.size_bytes
        assert restore(own, copy, tmp_path / "out").files == 4

    def test_a_copy_that_a_run_died_over_is_known_again_after_the_next(self, nightly: Open) -> None:
        own = nightly()
        run(own)
        own.app.books.ledger.change("DELETE FROM copies")

        run(own)

        assert [copy.run for copy in copies(own)] == [2, 1]

    def test_a_word_that_may_be_two_copies_is_asked_about(self, nightly: Open) -> None:
        own = nightly(then='  - id: dump\n    backup: {from: "echo x", as: x.sql, to: disk}\n')
        run(own)
        last = copies(own)[0].name.rpartition("/")[2]

        with pytest.raises(Refused, match=r"may be nightly/copy/.* or nightly/dump/"):
            own.app.backups.find(last)
        assert own.app.backups.find(f"nightly/dump/{last}").step == "dump"


class TestTheLedgerItself:
    def test_it_is_copied_while_it_is_in_use_and_put_back_when_it_is_lost(
        self, nightly: Open, tmp_path: Path, reopened: Callable[..., House]
    ) -> None:
        own = nightly(what="state: true")
        assert run(own).status is RunStatus.SUCCEEDED
        assert run(own).status is RunStatus.SUCCEEDED
        own.close()
        state = own.root / "var"
        (state / "ledger.db").rename(tmp_path / "lost.db")

        with LocalFolder(state / "copies") as store:
            manifest = restore_ledger(state, store)

        again = reopened(own.root, own.clock)
        assert manifest.stream_name == "ledger.db"
        assert [run.id for run in again.runs("nightly")] == [1, 2]

    def test_a_ledger_that_is_there_is_never_written_over(self, nightly: Open) -> None:
        own = nightly(what="state: true")
        run(own)
        before = own.app.books.ledger.path.read_bytes()

        with (
            LocalFolder(own.root / "var/copies") as store,
            pytest.raises(Refused, match="is there; move it away first"),
        ):
            restore_ledger(own.root / "var", store)
        assert own.app.books.ledger.path.read_bytes() == before

    def test_what_is_no_whole_ledger_is_not_put_in_its_place(self, nightly: Open, tmp_path: Path) -> None:
        own = nightly()
        copy_ledger(own.app.books.ledger.path, tmp_path / "copy.db")
        with (tmp_path / "copy.db").open("r+b") as file:
            file.truncate(20_000)

        with pytest.raises(LedgerDamaged, match="is no whole ledger"):
            place_ledger(tmp_path / "copy.db", tmp_path / "ledger.db")
        assert not (tmp_path / "ledger.db").exists()
        with pytest.raises(LedgerDamaged, match="is no whole ledger"):
            place_ledger(own.root / "opsrunner.yaml", tmp_path / "ledger.db")

    def test_where_the_newest_copy_is_damaged_the_one_before_is_put_back(self, nightly: Open, tmp_path: Path) -> None:
        own = nightly(what="state: true")
        run(own)
        run(own)
        older, newest = sorted((own.root / "var/copies").rglob("*.ledger.db.zst"))
        flip(newest, newest.stat().st_size // 2)
        passed: list[str] = []

        with LocalFolder(own.root / "var/copies") as store:
            manifest = restore_ledger(tmp_path / "state", store, tell=passed.append)

        assert older.name == f"{manifest.name.rpartition('/')[2]}.ledger.db.zst"
        (line,) = passed
        assert "nightly/copy/2026-11-20T140000Z-r2" in line
        assert "is passed by: the copy does not unpack" in line
        require_intact(tmp_path / "state/ledger.db")

    def test_one_without_a_manifest_and_one_that_is_no_ledger_are_passed_by(
        self, nightly: Open, tmp_path: Path
    ) -> None:
        dump = '  - id: dump\n    backup: {from: "echo x", as: ledger.db, to: disk}\n'
        own = nightly(what="state: true", then=dump)
        run(own)
        run(own)
        (headless,) = (own.root / "var/copies").rglob("copy/*-r2.json")
        headless.unlink()
        passed: list[str] = []

        with LocalFolder(own.root / "var/copies") as store:
            manifest = restore_ledger(tmp_path / "state", store, tell=passed.append)

        assert manifest.name == "nightly/copy/2026-11-20T130000Z-r1"
        assert sorted(line.partition(" ")[0] for line in passed) == [
            "nightly/copy/2026-11-20T140000Z-r2",
            "nightly/dump/2026-11-20T130000Z-r1",
            "nightly/dump/2026-11-20T140000Z-r2",
        ]
        assert sum("is no whole ledger" in line for line in passed) == 2

    def test_any_copy_of_it_can_be_named(self, nightly: Open, tmp_path: Path) -> None:
        own = nightly(what="state: true")
        run(own)
        run(own)
        with LocalFolder(own.root / "var/copies") as store:
            for number, name in enumerate(("nightly/copy/2026-11-20T130000Z-r1", "2026-11-20T130000Z-r1")):
                assert restore_ledger(tmp_path / str(number), store, copy=name).run == 1
            with pytest.raises(NotFound, match="the store has no copy of a ledger called 'r1'"):
                restore_ledger(tmp_path / "none", store, copy="r1")

            (named,) = (own.root / "var/copies").rglob("*-r1.ledger.db.zst")
            flip(named, named.stat().st_size // 2)
            with pytest.raises(ArchiveDamaged, match="does not unpack"):
                restore_ledger(tmp_path / "none", store, copy="2026-11-20T130000Z-r1")
        assert not (tmp_path / "none/ledger.db").exists()

    def test_where_none_is_whole_it_says_so(self, nightly: Open, tmp_path: Path) -> None:
        own = nightly(what="state: true")
        run(own)
        (only,) = (own.root / "var/copies").rglob("*.ledger.db.zst")
        flip(only, only.stat().st_size // 2)

        with (
            LocalFolder(own.root / "var/copies") as store,
            pytest.raises(NotFound, match=r"none of the copies of a ledger can be put back \(1 tried\)"),
        ):
            restore_ledger(tmp_path / "state", store, tell=lambda _: None)

    def test_of_an_encrypted_copy_it_says_what_to_do_by_hand(self, nightly: Open, tmp_path: Path) -> None:
        public = pyrage.x25519.Identity.generate().to_public()
        own = nightly(f", encrypt_to: [{public}]", what="state: true")
        run(own)
        advice = (
            r"nightly/copy/2026-11-20T130000Z-r1 is encrypted: fetch \S+\.ledger\.db\.zst\.age from the store,"
            r" age -d -i KEY FILE \| zstd -d > ledger\.db, then --restore --from ledger\.db"
        )

        with LocalFolder(own.root / "var/copies") as store:
            with pytest.raises(NotFound, match=advice):
                restore_ledger(tmp_path / "state", store, tell=lambda _: None)
            with pytest.raises(Refused, match=advice):
                restore_ledger(tmp_path / "state", store, copy="2026-11-20T130000Z-r1")

    def test_a_readable_copy_is_taken_where_a_newer_one_is_encrypted(self, nightly: Open, tmp_path: Path) -> None:
        public = pyrage.x25519.Identity.generate().to_public()
        locked = f"  - id: locked\n    backup: {{state: true, to: disk, encrypt_to: [{public}]}}\n"
        own = nightly(what="state: true", then=locked)
        run(own)
        passed: list[str] = []

        with LocalFolder(own.root / "var/copies") as store:  # of the same second, the last by name comes first
            manifest = restore_ledger(tmp_path / "state", store, tell=passed.append)

        assert manifest.step == "copy"
        (line,) = passed
        assert line.startswith("nightly/locked/2026-11-20T130000Z-r1 is encrypted: fetch ")

    def test_that_of_another_site_is_put_back_only_where_it_is_named(self, nightly: Open, tmp_path: Path) -> None:
        own = nightly(what="state: true")
        run(own)
        passed: list[str] = []
        with LocalFolder(own.root / "var/copies") as store:
            with pytest.raises(NotFound, match="none of the copies of a ledger can be put back"):
                restore_ledger(tmp_path / "state", store, site="Another", tell=passed.append)
            assert "is of the site 'Example Hosting'; --copy takes it all the same" in passed[0]

            assert restore_ledger(tmp_path / "state", store, site="Another", copy="2026-11-20T130000Z-r1").run == 1


class TestEncryption:
    @pytest.fixture
    def key(self) -> Any:
        return pyrage.x25519.Identity.generate()

    def test_only_the_secret_key_opens_it(self, nightly: Open, data: Path, tmp_path: Path, key: Any) -> None:
        public = str(key.to_public())
        drill = "  - restore_drill: {of: copy, sample: 2, identity: {file: secrets/age}}\n"
        own = nightly(f", encrypt_to: [{public}]", then=drill)
        (own.root / "secrets").mkdir(mode=0o700, exist_ok=True)
        own.write("secrets/age", str(key))

        assert run(own).status is RunStatus.SUCCEEDED
        (copy,) = copies(own)
        assert [name.partition(".")[2] for name in lying(own)] == ["index.zst.age", "json", "tar.zst.age"]
        everything = b"".join(path.read_bytes() for path in (own.root / "var/copies").rglob("*") if path.is_file())
        assert b"hello" not in everything
        with pytest.raises(Refused):
            restore(own, copy, tmp_path / "out")
        with pytest.raises(Refused):
            restore(own, copy, tmp_path / "out", identities=(str(pyrage.x25519.Identity.generate()),))
        restore(own, copy, tmp_path / "out", identities=(f"# created today\n{key}\n",))
        back = tmp_path / "out" / str(data).lstrip("/")
        assert subprocess.run(["diff", "-r", "--no-dereference", data, back], check=False).returncode == 0
        assert str(key) not in (own.root / "var/ledger.db").read_bytes().decode("latin-1")
