"""The state goes away, comes back older, or is somebody else's: refused with advice, and never begun anew by itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORK = """\
name: Work
accountable: owner
schedule: {every: 1m}
catch_up: latest
steps:
  - id: count
    run: echo once >> counter
  - id: linger
    run: sleep 300
    when: "false"
"""
SLOW = """\
name: Slow
accountable: owner
steps:
  - id: nap
    run: echo here >> here; sleep 300
"""
VERBS = (("serve",), ("tasks",), ("run", "work"), ("doctor",), ("digest",), ("task", "add", "x", "--as", "boss"))
KNOWN = ".opsrunner-state"


@pytest.fixture
def site(served: Callable[..., Any]) -> Any:
    """A site that has run once by hand and remembers it."""
    made = served(work=WORK, slow=SLOW)
    assert made.ask("run", "work").code == 0
    return made


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def assert_refused(site: Any, said: str) -> None:
    for verb in VERBS:
        answer = site.ask(*verb)
        assert answer.code == 1, (verb, answer)
        assert answer.stderr.count("\n") == 1, (verb, answer)
        assert answer.stderr.startswith(f"opsrunner: {site.state}/ledger.db "), (verb, answer)
        assert said in answer.stderr, (verb, answer)


@pytest.mark.needs("root")
def test_an_empty_disk_is_never_taken_for_a_new_beginning(site: Any, disks: Any) -> None:
    disks.mount(site.state)
    assert_refused(site, "mount its disk or restore a copy")
    assert names(site.state) == []
    disks.unmount(site.state)
    assert len(site.runs()) == 1
    assert (site.root / "counter").read_text() == "once\n"


def test_a_state_that_is_missing_is_begun_anew_only_when_that_is_said(site: Any) -> None:
    shutil.rmtree(site.state)
    assert_refused(site, f"for a new beginning remove {site.root}/{KNOWN}")
    assert not site.state.exists()
    (site.root / KNOWN).unlink()
    assert site.ask("tasks").code == 0
    assert site.runs() == []
    assert json.loads((site.root / KNOWN).read_text())["state"] == str(site.state)


@pytest.mark.needs("root")
def test_the_disk_of_another_site_is_told_from_ones_own(site: Any, served: Callable[..., Any], disks: Any) -> None:
    other = served(work=WORK)
    assert other.ask("tasks").code == 0
    disks.mount(site.state, source=other.state)
    assert_refused(site, "is not the ledger that this site has kept there")
    disks.unmount(site.state)
    assert site.ask("tasks").code == 0


def test_a_try_is_not_remembered_and_begins_anew_each_time(served: Callable[..., Any]) -> None:
    site = served(work=WORK)
    for _ in range(2):
        assert site.ask("try").code == 0
    assert not (site.root / KNOWN).exists()
    assert site.ask("tasks", "--state", "var/try").code == 0
    assert not (site.root / KNOWN).exists()


@pytest.mark.needs("root")
def test_a_site_that_cannot_be_written_says_that_it_cannot_remember(site: Any, disks: Any, tmp_path: Path) -> None:
    (site.root / KNOWN).unlink()
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    disks.mount(site.root, source=site.root)
    disks.remount(site.root, "bind,ro")
    answer = site.ask("tasks", "--state", str(place))
    assert answer.code == 0, answer
    assert f"mount {place} before opsrunner starts" in answer.stderr


def move_away(state: Path, disks: Any) -> None:
    state.rename(state.with_name("away"))


def remove(state: Path, disks: Any) -> None:
    shutil.rmtree(state)


def mount_over(state: Path, disks: Any) -> None:
    disks.mount(state)


def put_older_copy(state: Path, disks: Any) -> None:
    (state / "ledger.db").write_bytes((state.parent / "older.db").read_bytes())


@pytest.mark.needs("root")
@pytest.mark.parametrize("lose", [move_away, remove, mount_over, put_older_copy])
def test_a_daemon_whose_state_goes_away_ends_and_takes_its_steps_along(
    site: Any, disks: Any, lose: Callable[[Path, Any], None]
) -> None:
    shutil.copy(site.state / "ledger.db", site.root / "older.db")
    site.start()
    assert site.ask("task", "add", "Order disks", "--as", "boss").code == 0
    site.ask_in_background("run", "slow")
    site.until((site.root / "here").exists, "the slow step runs")
    lose(site.state, disks)
    assert site.ended() == 1
    last = site.log().splitlines()[-1]
    assert last.startswith(f"opsrunner: {site.state}/ledger.db was "), site.log()
    assert "start opsrunner again" in last
    assert "Traceback" not in site.log()
    assert not running(site.root), "no process of a run is left"
    if lose is put_older_copy:
        assert b"Order disks" not in (site.state / "ledger.db").read_bytes()
    elif site.state.exists():
        assert names(site.state) == []


def running(root: Path) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"OPS_SITE={root}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


def test_pages_that_go_bad_end_the_daemon_and_are_refused_until_a_copy_is_back(site: Any) -> None:
    """What was due in between is caught up with once, as after downtime."""
    ledger = site.state / "ledger.db"
    site.start()
    assert site.stop() == 0
    shutil.copy(ledger, site.root / "copy.db")
    site.start()
    spoil(ledger)
    assert site.ask("task", "add", "Order disks", "--as", "boss").code == 1
    assert site.ended() == 1
    assert f"opsrunner: {ledger}" in site.log().splitlines()[-1]
    assert "restore it from a copy, it is never made anew" in site.log().splitlines()[-1]
    damaged = ledger.read_bytes()
    site.launch()
    assert site.ended() == 1
    assert "restore it from a copy" in site.log()
    assert ledger.read_bytes() == damaged
    shutil.copy(site.root / "copy.db", ledger)
    (site.state / "ledger.db-journal").unlink(missing_ok=True)
    before = (site.root / "counter").read_text()
    site.start()
    assert len((site.root / "counter").read_text()) <= len(before) + len("once\n")
    assert site.stop() == 0


def spoil(ledger: Path) -> None:
    """Overwrite every page but the first, whose change counter tells that nothing read before holds any more."""
    size = ledger.stat().st_size
    with ledger.open("r+b") as file:
        for place in (24, 92):
            file.seek(place)
            count = int.from_bytes(file.read(4), "big")
            file.seek(place)
            file.write((count + 1).to_bytes(4, "big"))
        file.seek(4_096)
        file.write(os.urandom(size - 4_096))
