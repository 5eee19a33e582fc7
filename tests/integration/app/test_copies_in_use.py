"""Copies that somebody reads while retention would remove them: they stay until the run after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.copies_in_use import LOCKS, CopiesInUse
from opsrunner.engine.state import prepare_state
from opsrunner.errors import NotStored, Refused, StateError, StoreFailed
from opsrunner.model.backup import Copy, CopyState
from opsrunner.model.run import RunStatus
from opsrunner.stores.local import LocalFolder

from .backed_up import copies, message, run
from .conftest import SITE as HOUSE

SITE = f"{HOUSE}stores:\n  disk: {{local: {{path: $STATE/copies}}}}\n"
ROUTINE = """\
name: Nightly
accountable: ops1
steps:
  - id: copy
    backup: {paths: [DATA], to: disk, keep: {last: KEEP}}
"""
IN_USE = "somebody is restoring, verifying or removing it"
HOLD = """\
import sys
from pathlib import Path
from opsrunner.app import open_app
from opsrunner.engine.copies_in_use import CopiesInUse

app = open_app(Path(sys.argv[1]))
with CopiesInUse(app.desk.state).reading(app.backups.find(sys.argv[2])):
    print("holding", flush=True)
    sys.stdin.read()
"""
House = Any


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a folder whose files fill more than one piece of an archive."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello\n")
    (folder / "noise").write_bytes(os.urandom(2_000_000))
    return folder


@pytest.fixture
def nightly(house: Callable[..., House], data: Path) -> Callable[..., House]:
    """Open a house with a routine of one backup that keeps so many copies."""
    return lambda keep: house({"nightly": text(data, keep=keep)}, site=SITE)


def text(data: Path, *, keep: int) -> str:
    return ROUTINE.replace("DATA", str(data)).replace("KEEP", str(keep))


def restore(own: House, copy: Copy, to: Path, **changes: Any) -> Any:
    options: dict[str, Any] = {"only": (), "own": False, "replace": False, "tell": lambda _: None}
    return own.app.backups.restore(copy, to, **(options | changes), actor="boss", at=own.clock.now())


def prune(own: House) -> dict[int, str]:
    plans = list(own.app.backups.thinnings(now=own.clock.now()))
    found: dict[int, str] = own.app.backups.prune(plans, actor="boss", at=own.clock.now())
    return found


def last_word(copy: Copy) -> str:
    return copy.name.rpartition("/")[2]


@pytest.mark.parametrize("only", [(), ("*/noise",)], ids=["of everything", "of a part"])
def test_a_backup_takes_no_copy_away_from_a_restore(
    nightly: Callable[..., House], tmp_path: Path, only: tuple[str, ...]
) -> None:
    own = nightly(1)
    run(own)
    (old,) = copies(own)
    ends: list[RunStatus] = []

    def run_once(_: int) -> None:
        if not ends:
            ends.append(run(own).status)

    restored = restore(own, old, tmp_path / "out", only=only, tell=run_once)

    assert restored.files == (1 if only else 2)
    assert ends == [RunStatus.WARNING]
    assert f"{last_word(old)} stays in disk: {IN_USE}" in message(own)
    assert [copy.run for copy in copies(own)] == [2, 1]
    assert run(own).status is RunStatus.SUCCEEDED, message(own)
    assert [copy.run for copy in copies(own)] == [3]


def test_the_copies_beside_it_go_all_the_same(nightly: Callable[..., House], data: Path) -> None:
    own = nightly(3)
    for _ in range(3):
        run(own)
    own.write("routines/nightly.yaml", text(data, keep=1))
    middle = copies(own)[1]

    with CopiesInUse(own.root / "var").reading(middle):
        assert run(own).status is RunStatus.WARNING

    assert [copy.run for copy in copies(own)] == [4, 2]


def test_pruning_by_hand_leaves_it_and_says_so(nightly: Callable[..., House], data: Path, tmp_path: Path) -> None:
    own = nightly(3)
    for _ in range(3):
        run(own)
    own.write("routines/nightly.yaml", text(data, keep=1))
    own.app.in_force.refresh()
    old = copies(own)[2]
    told: list[dict[int, str]] = []

    restore(own, old, tmp_path / "out", tell=lambda _: told.append(prune(own)))

    assert told[0] == {old.id: f"{old.name} stays in disk: {IN_USE}"}
    assert [copy.run for copy in copies(own)] == [3, 1]
    assert prune(own) == {}
    assert [copy.run for copy in copies(own)] == [3]


def test_one_that_is_read_again_is_not_removed_meanwhile(
    nightly: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = nightly(1)
    run(own)
    (old,) = copies(own)
    read = LocalFolder.read
    refused: list[str] = []

    def remove_before(store: LocalFolder, name: str, **options: Any) -> Any:
        with pytest.raises(Refused, match=IN_USE):
            own.app.backups.remove(old, actor="boss", at=own.clock.now())
        refused.append(name)
        return read(store, name, **options)

    monkeypatch.setattr(LocalFolder, "read", remove_before)

    assert own.app.backups.verify(old, actor="boss", at=own.clock.now()) > 0
    assert refused
    assert [copy.state for copy in copies(own)] == [CopyState.GOOD]


def test_a_restore_does_not_begin_on_one_that_is_being_removed(
    nightly: Callable[..., House], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = nightly(1)
    run(own)
    (old,) = copies(own)
    remove = LocalFolder.remove

    def restore_before(store: LocalFolder, name: str) -> None:
        with pytest.raises(Refused, match="is being removed from disk just now"):
            restore(own, old, tmp_path / "out")
        remove(store, name)

    monkeypatch.setattr(LocalFolder, "remove", restore_before)
    own.app.backups.remove(old, actor="boss", at=own.clock.now())

    with pytest.raises(NotStored):
        restore(own, old, tmp_path / "out")


def test_a_restore_that_fails_or_is_killed_holds_nothing(nightly: Callable[..., House], tmp_path: Path) -> None:
    own = nightly(1)
    run(own)
    (old,) = copies(own)
    in_use = CopiesInUse(own.root / "var")

    def fail(_: int) -> None:
        raise StoreFailed("it broke off")

    with pytest.raises(StoreFailed):
        restore(own, old, tmp_path / "out", tell=fail)
    with in_use.removing(old):
        pass
    command = [sys.executable, "-c", HOLD, str(own.root), str(old.id)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "holding\n"
        with pytest.raises(Refused), in_use.removing(old):
            pass
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    with in_use.removing(old):
        pass


def test_many_read_one_copy_at_once_and_one_file_does_for_all(nightly: Callable[..., House]) -> None:
    own = nightly(2)
    run(own)
    run(own)
    new, old = copies(own)
    state = own.root / "var"
    before = {path.name for path in state.iterdir()}
    in_use = CopiesInUse(state)

    with in_use.reading(old), in_use.reading(old), in_use.removing(new):
        pass

    assert {path.name for path in state.iterdir()} - before <= {LOCKS}
    assert (state / LOCKS).stat().st_mode & 0o777 == 0o600
    assert (state / LOCKS).stat().st_size == 0


def test_a_state_folder_that_has_lost_its_ledger_is_one_still(tmp_path: Path) -> None:
    (tmp_path / LOCKS).touch()

    prepare_state(tmp_path)


def test_where_it_cannot_be_told_the_old_copy_stays(nightly: Callable[..., House]) -> None:
    own = nightly(1)
    run(own)
    (own.root / "var" / LOCKS).unlink(missing_ok=True)
    (own.root / "var" / LOCKS).mkdir()

    assert run(own).status is RunStatus.WARNING

    assert "stays in disk: " in message(own)
    assert [copy.run for copy in copies(own)] == [2, 1]
    with pytest.raises(StateError, match=LOCKS):
        own.app.backups.remove(copies(own)[1], actor="boss", at=own.clock.now())
