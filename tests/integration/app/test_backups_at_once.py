"""What a backup did to a store is known at once: to its next try, to its next row, and after a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import NotStored, StateError, StoreFailed, StoreRefused
from opsrunner.ledger.copies import Copies
from opsrunner.model.backup import Copy, CopyNote, CopyState
from opsrunner.model.run import RunStatus
from opsrunner.stores.local import LocalFolder
from opsrunner.stores.local_upload import LocalUpload

from .backed_up import copies, message, run
from .conftest import SITE as HOUSE

SITE = (
    HOUSE
    + """\
stores:
  disk: {local: {path: $STATE/copies}}
  other: {local: {path: $STATE/other}}
"""
)
DUMP = '{from: "head -c 1000 /dev/urandom", as: x.sql, to: disk'
House = Any
Open = Callable[..., House]


@pytest.fixture
def nightly(house: Open) -> Open:
    """Open a house with a routine of one backup of a dump, made of options and shared keys as they stand in YAML."""

    def build(options: str, keys: str = "") -> House:
        return house({"nightly": routine(options, keys)}, site=SITE)

    return build


def routine(options: str, keys: str) -> str:
    return f"name: Nightly\naccountable: ops1\nsteps: [{{id: copy, backup: {DUMP}{options}}}{keys}}}]\n"


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Callable[[House], None]:
    """Let the store `other` of a house refuse the next upload, a minute after it was asked."""
    begin = LocalFolder.begin

    def refuse(own: House) -> None:
        refusals = iter([1])

        def begin_maybe(store: LocalFolder, name: str) -> LocalUpload:
            if store._folder.name == "other" and next(refusals, None):
                own.clock.move(minutes=1)
                raise StoreFailed("other: it does not answer")
            return begin(store, name)

        monkeypatch.setattr(LocalFolder, "begin", begin_maybe)

    return refuse


def take_away(own: House, copy: Copy) -> None:
    for path in (own.root / "var/copies").rglob(f"{copy.name.rpartition('/')[2]}.*"):
        path.unlink()


def lose_manifest(own: House, copy: Copy) -> list[Path]:
    """Remove the manifest of a copy; return what else is there of it, which is as old as can be."""
    folder = own.root / "var/copies"
    (folder / f"{copy.name}.json").unlink()
    left = list(folder.rglob(f"{copy.name.rpartition('/')[2]}.*"))
    for path in left:
        os.utime(path, (0, 0))
    return left


class TestWhatAStepRemovedItself:
    def test_the_next_try_knows_the_copy_of_the_one_before(self, nightly: Open, flaky: Callable[[House], None]) -> None:
        own = nightly(", also_to: [other], keep: {last: 1}", ", retry: {times: 1, wait: 0s}")
        run(own)
        flaky(own)

        done = run(own)

        assert (done.status, "somebody else" in message(own)) == (RunStatus.SUCCEEDED, False), message(own)
        assert sorted((copy.store, copy.run) for copy in copies(own)) == [("disk", 2), ("other", 2)]

    def test_nor_does_the_next_try_miss_what_the_one_before_removed(
        self, nightly: Open, flaky: Callable[[House], None]
    ) -> None:
        own = nightly(", also_to: [other], keep: {last: 2}", ", retry: {times: 2, wait: 0s}")
        run(own)
        run(own)
        flaky(own)

        assert run(own).status is RunStatus.SUCCEEDED, message(own)
        assert {copy.why for copy in gone(own)} == {"beyond what is kept"}

    def test_the_next_row_knows_the_copy_of_the_one_before(self, nightly: Open) -> None:
        own = nightly(", keep: {last: 1}", ", for_each: \"['x']\"")
        assert run(own).status is RunStatus.SUCCEEDED, message(own)
        own.write("routines/nightly.yaml", routine(", keep: {last: 1}", ", for_each: \"['x', 'y']\""))

        assert run(own).status is RunStatus.SUCCEEDED, message(own)

        assert sorted((copy.key, copy.run) for copy in copies(own)) == [("x", 2), ("y", 2)]

    def test_one_that_was_to_go_is_not_missed(self, nightly: Open) -> None:
        """A run that died between the removal and its note leaves this."""
        own = nightly(", keep: {last: 1}")
        run(own)
        (old,) = copies(own)
        run(own)
        own.app.books.ledger.change(
            "UPDATE copies SET state = 'good', ended_at = NULL, why = '' WHERE id = ?", (old.id,)
        )

        assert run(own).status is RunStatus.SUCCEEDED, message(own)

        assert {copy.why for copy in gone(own)} == {"beyond what is kept"}
        assert [copy.run for copy in copies(own)] == [3]

    @pytest.mark.parametrize("number", [1, 2], ids=["the new one", "the one that goes"])
    def test_it_is_known_with_the_end_where_the_ledger_has_no_room(
        self, nightly: Open, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        own = nightly(", keep: {last: 1}")
        run(own)
        fail_once(monkeypatch, number)

        assert run(own).status is RunStatus.SUCCEEDED, message(own)
        assert [copy.run for copy in copies(own)] == ([2, 1] if number == 1 else [2])
        assert run(own).status is RunStatus.SUCCEEDED, message(own)
        assert [copy.run for copy in copies(own)] == [3]


class TestWhatWasRemovedHalf:
    """The store breaks off once the manifest is away: then it is no copy any more, and nobody's damage."""

    @pytest.mark.parametrize("error", [StoreFailed, StoreRefused])
    def test_it_is_gone_at_once_and_the_next_night_clears_away_what_is_left(
        self, nightly: Open, monkeypatch: pytest.MonkeyPatch, error: type[StoreFailed]
    ) -> None:
        own = nightly(", keep: {last: 1}")
        run(own)
        (old,) = copies(own)
        with monkeypatch.context() as patched:
            patched.setattr(LocalFolder, "remove", remove_manifests_only(error))
            assert run(own).status is RunStatus.WARNING
        assert message(own).endswith("what is left of an old copy stays in disk until the next one: it broke off")
        found = own.app.backups.find(old.name)
        assert (found.state, found.why, copies(own) == [found]) == (CopyState.GONE, "beyond what is kept", False)

        with pytest.raises(NotStored):
            own.app.backups.verify(found, actor="boss", at=own.clock.now())
        assert own.app.backups.find(old.name).state is CopyState.GONE
        left = parts(own, old)
        assert left
        for path in left:
            os.utime(path, (0, 0))
        assert run(own).status is RunStatus.SUCCEEDED, message(own)
        assert parts(own, old) == []

    def test_nor_does_it_count_as_a_copy_that_was_to_go_by_hand(
        self, nightly: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = nightly(", keep: {last: 2}")
        run(own)
        run(own)
        newest, old = copies(own)
        own.write("routines/nightly.yaml", routine(", keep: {last: 1}", ""))
        own.app.in_force.refresh()
        monkeypatch.setattr(LocalFolder, "remove", remove_manifests_only(StoreFailed))

        plans = list(own.app.backups.thinnings(now=own.clock.now()))
        problems = own.app.backups.prune(plans, actor="boss", at=own.clock.now())

        told = "stays in disk: only in part, which the next copy of its step clears away: it broke off"
        assert problems == {old.id: f"{old.name} {told}"}
        assert [copy.id for copy in copies(own)] == [newest.id]
        assert own.app.backups.find(old.name).why == "beyond what is kept"

    def test_one_whose_manifest_stays_is_a_copy_still(self, nightly: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        own = nightly(", keep: {last: 1}")
        run(own)
        monkeypatch.setattr(LocalFolder, "remove", fail)

        assert run(own).status is RunStatus.WARNING
        assert "an old copy stays in disk: disk: it is full" in message(own)
        assert [(copy.run, copy.state) for copy in copies(own)] == [(2, CopyState.GOOD), (1, CopyState.GOOD)]


class TestWhatOthersRemoved:
    def test_a_night_that_fails_tells_of_it_too(self, nightly: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        own = nightly("")
        run(own)
        run(own)
        old = copies(own)[1]
        take_away(own, old)
        with monkeypatch.context() as patched:
            patched.setattr(LocalFolder, "begin", fail)
            assert run(own).status is RunStatus.FAILED
        missed = f"{old.name.rpartition('/')[2]} does not lie in disk any more; somebody else removed what was there"
        assert message(own).startswith(f"disk: it is full; {missed}")

        assert run(own).status is RunStatus.WARNING
        assert missed in message(own)
        assert own.app.backups.find(old.name).state is CopyState.GONE
        assert run(own).status is RunStatus.SUCCEEDED

    def test_the_last_try_tells_of_it_too(self, nightly: Open, flaky: Callable[[House], None]) -> None:
        own = nightly(", also_to: [other]", ", retry: {times: 1, wait: 0s}")
        run(own)
        run(own)
        old = next(copy for copy in copies(own) if copy.store == "disk" and copy.run == 1)
        take_away(own, old)
        flaky(own)

        assert run(own).status is RunStatus.WARNING
        assert "does not lie in disk any more" in message(own)
        assert run(own).status is RunStatus.SUCCEEDED

    def test_a_copy_that_lost_its_manifest_is_no_disk_that_is_away(self, nightly: Open) -> None:
        own = nightly("")
        run(own)
        (old,) = copies(own)
        (own.root / "var/copies" / f"{old.name}.json").unlink()

        run(own)

        assert [copy.run for copy in copies(own) if copy.state is CopyState.GOOD][:1] == [2], message(own)

    def test_what_is_left_of_one_without_its_manifest_stays_and_is_damaged(self, nightly: Open) -> None:
        own = nightly(", keep: {last: 1}")
        run(own)
        (old,) = copies(own)
        left = lose_manifest(own, old)

        assert run(own).status is RunStatus.WARNING
        lost = f"{old.name.rpartition('/')[2]} in disk has no manifest any more; it counts as damaged"
        assert message(own).endswith(lost)
        assert run(own).status is RunStatus.SUCCEEDED, message(own)

        assert [path.exists() for path in left] == [True, True]
        found = own.app.backups.find(old.name)
        assert (found.state, found.why) == (CopyState.DAMAGED, "its manifest is not there")

    def test_what_was_to_go_goes_without_its_manifest_too(self, nightly: Open) -> None:
        """A run that died amid the removal leaves this."""
        own = nightly(", keep: {last: 2}")
        run(own)
        run(own)
        own.write("routines/nightly.yaml", routine(", keep: {last: 1}", ""))
        left = lose_manifest(own, copies(own)[1])

        assert run(own).status is RunStatus.SUCCEEDED, message(own)

        assert [path.exists() for path in left] == [False, False]
        assert {copy.why for copy in gone(own)} == {"beyond what is kept"}


def parts(own: House, copy: Copy) -> list[Path]:
    """Return what lies there of a copy."""
    return list((own.root / "var/copies").rglob(f"{copy.name.rpartition('/')[2]}.*"))


def remove_manifests_only(error: type[StoreFailed]) -> Callable[[LocalFolder, str], None]:
    """Let a folder remove manifests as it does, and nothing else."""
    remove = LocalFolder.remove

    def remove_maybe(store: LocalFolder, name: str) -> None:
        if not name.endswith(".json"):
            raise error("it broke off")
        remove(store, name)

    return remove_maybe


def fail(*_: object) -> LocalUpload:
    raise StoreFailed("disk: it is full")


def fail_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the ledger take notes of copies as it does, but for those that come to it as so many-eth."""
    note, calls = Copies.note, count(1)

    def note_maybe(self: Copies, notes: Sequence[CopyNote]) -> None:
        if notes and next(calls) == number:
            raise StateError("the disk is full")
        note(self, notes)

    monkeypatch.setattr(Copies, "note", note_maybe)


def gone(own: House) -> list[Copy]:
    names = [row["name"] for row in own.app.books.ledger.all("SELECT name FROM copies WHERE state = 'gone'")]
    return [copy for name in names for copy in own.app.books.copies.named(name) if copy.state is CopyState.GONE]
