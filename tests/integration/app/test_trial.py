"""`try` from within: what it writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import open_app
from opsrunner.engine.real_copies import keep_real_copies
from opsrunner.engine.state_copies import restore_ledger
from opsrunner.errors import NotFound
from opsrunner.model.run import RunStatus
from opsrunner.stores.local import LocalFolder

from .backed_up import run
from .conftest import SITE

HELLO = "name: Hello\naccountable: sysadmin\nsteps:\n  - run: echo hello\n"


def test_it_names_its_page_after_the_digest_also_where_none_was_new(house: Callable[..., Any]) -> None:
    site = house({"hello": HELLO})
    results = [site.app.try_all(actor="boss") for _ in range(2)]  # the clock stands
    assert [result.html.name for result in results] == ["daily-1.html", "daily-1.html"]
    assert all(result.html.read_text(encoding="utf-8").startswith("<!") for result in results)
    assert results[0].digest_subject == results[1].digest_subject


class TestItsCopies:
    """Those of a try lie in the site's stores, and a try touches nothing else there."""

    @pytest.fixture
    def own(self, house: Callable[..., Any], tmp_path: Path) -> Any:
        (tmp_path / "data").mkdir()
        (tmp_path / "data/file").write_text("precious")
        steps = f"  - id: copy\n    backup: {{paths: [{tmp_path}/data], to: disk}}\n"
        drill = "  - restore_drill: {of: copy}\n"
        stores = f"stores:\n  disk: {{local: {{path: {tmp_path}/disk}}}}\n"
        return house(
            {
                "nightly": f"name: Nightly\naccountable: ops1\nsteps:\n{steps}{drill}",
                "state": "name: State\naccountable: ops1\nsteps:\n  - {id: ledger, backup: {state: true, to: disk}}\n",
            },
            site=SITE + stores,
        )

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Path:
        return tmp_path / "disk"

    def test_what_real_runs_left_there_stays_as_it_is(self, own: Any, disk: Path) -> None:
        run(own)
        (manifest,) = disk.glob("nightly/copy/*.json")
        manifest.unlink()  # the archive is all that is left, and no catalogue of a try knows it
        under_way = disk / "nightly/copy/.2026-11-20T130000Z-r9.tar.zst.1.part"
        under_way.write_bytes(b"half an archive")
        for path in disk.rglob("*"):
            os.utime(path, (own.clock.now().timestamp(),) * 2)
        before = lying(disk)
        own.clock.move(hours=2)

        result = tried(own)

        assert [one.status for one in result.runs] == [RunStatus.SUCCEEDED] * 2
        assert [name for name in lying(disk) if not name.startswith("_try/")] == before
        assert {name.rpartition("/")[0] for name in lying(disk)} == {
            "nightly/copy",
            "_try/nightly/copy",
            "_try/state/ledger",
        }

    def test_they_are_no_copies_of_the_real_site(self, own: Any, disk: Path, tmp_path: Path) -> None:
        tried(own)

        adopted = own.app.backups.adopt("disk", actor="boss", at=own.clock.now())

        assert (adopted.copies, adopted.problems) == ((), ())
        with LocalFolder(disk) as store, pytest.raises(NotFound, match="the store has no copy of a ledger"):
            restore_ledger(tmp_path / "state", store)

    def test_the_next_try_clears_them_away_once_they_are_an_hour_old(self, own: Any, disk: Path) -> None:
        tried(own)
        first = lying(disk)
        for path in disk.rglob("*"):
            os.utime(path, (own.clock.now().timestamp(),) * 2)
        own.clock.move(hours=2)

        tried(own)

        assert len(lying(disk)) == len(first)
        assert not set(lying(disk)) & set(first)

    def test_a_disk_that_is_not_mounted_gets_none(self, own: Any, disk: Path, tmp_path: Path) -> None:
        run(own)
        disk.rename(tmp_path / "unmounted")
        disk.mkdir()

        result = tried(own)

        assert [one.status for one in result.runs] == [RunStatus.FAILED, RunStatus.FAILED]
        assert lying(disk) == []

    def test_a_store_in_the_state_folder_is_its_own_in_a_try(self, house: Callable[..., Any]) -> None:
        ledger = "  - {id: ledger, backup: {state: true, to: disk}}"
        own = house(
            {"nightly": f"name: Nightly\naccountable: ops1\nsteps:\n{ledger}\n"},
            site=f"{SITE}stores: {{disk: {{local: {{path: $STATE/copies}}}}}}\n",
        )
        run(own)

        assert [one.status for one in tried(own).runs] == [RunStatus.SUCCEEDED]

    def test_a_real_ledger_that_cannot_be_read_keeps_nobody_from_trying(self, tmp_path: Path) -> None:
        (tmp_path / "ledger.db").write_text("no ledger")
        keep_real_copies(tmp_path, tmp_path / "try")
        assert not (tmp_path / "try").exists()


def tried(own: Any) -> Any:
    """Try the site in an empty state of its own."""
    state = own.root / "var/try"
    shutil.rmtree(state, ignore_errors=True)
    keep_real_copies(own.root / "var", state)
    app = open_app(own.root, state, clock=own.clock, mails_stay=True)
    try:
        return app.try_all(actor="boss")
    finally:
        app.close()


def lying(disk: Path) -> list[str]:
    """Return the names of all files in a folder, hidden ones too."""
    return sorted(path.relative_to(disk).as_posix() for path in disk.rglob("*") if path.is_file())
