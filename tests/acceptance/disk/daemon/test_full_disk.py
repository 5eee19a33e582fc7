"""A disk that is full, out of inodes or read-only for a while: it is said once, nothing is lost, and all goes on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

WORK = """\
name: Work
accountable: owner
overlap: queue
steps:
  - id: count
    run: echo "$OPS_RUN_ID" >> counter; seq 1 3000
  - id: more
    run: echo more
  - task: Look at it
"""
MINUTELY = """\
name: Minutely
accountable: owner
schedule: {every: 1m}
steps:
  - run: echo "$OPS_NOMINAL_AT" >> minutes
"""
Rows = Callable[..., list[Any]]


@pytest.fixture
def site(served: Callable[..., Any], disks: Any) -> Any:
    """A site whose state lies on a disk of its own, with the daemon at work."""
    made = served(work=WORK, minutely=MINUTELY)
    made.state.mkdir(mode=0o700)
    disks.mount(made.state, "size=2m", "nr_inodes=80")
    made.start()
    assert made.ask("run", "work").code == 0
    return made


def fill(state: Path, disks: Any) -> Callable[[], None]:
    """Take all the room there is, also what the ledger's journal keeps for small writes."""
    os.truncate(state / "ledger.db-journal", 0)
    descriptor = os.open(state / "runs" / "filler", os.O_WRONLY | os.O_CREAT, 0o600)
    with suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)
    return (state / "runs" / "filler").unlink


def use_up_inodes(state: Path, disks: Any) -> Callable[[], None]:
    folder = state / "runs" / "many"
    folder.mkdir()
    with suppress(OSError):
        for number in range(200):
            (folder / str(number)).touch()

    def free() -> None:
        for path in folder.iterdir():
            path.unlink()

    return free


def make_read_only(state: Path, disks: Any) -> Callable[[], None]:
    """A disk that fails is mounted so by the kernel; one with open files needs force, which a bind mount gives."""
    disks.mount(state, source=state)
    disks.remount(state, "bind,ro")
    return lambda: disks.unmount(state)


def log_of(site: Any, word: str) -> list[str]:
    return [line for line in site.log().splitlines() if word in line]


@pytest.mark.needs("root")
def test_a_full_disk_that_gets_room_again(served: Callable[..., Any], disks: Any, rows: Rows) -> None:
    """The end of a step is known and waits in memory; output that found no room makes it no plain success."""
    site = served(work=WORK.replace("seq 1 3000", "until [ -e go ]; do sleep 0.1; done; seq 1 3000; touch ended"))
    site.state.mkdir(mode=0o700)
    disks.mount(site.state, "size=2m")
    site.start()
    site.ask_in_background("run", "work")
    site.until((site.root / "counter").exists, "the step runs")
    free = fill(site.state, disks)
    assert_says_so(site)
    (site.root / "go").touch()
    site.until((site.root / "ended").exists, "the step ends")
    site.until(lambda: log_of(site, "database or disk is full"), "the daemon says it")
    free()
    site.until(lambda: rows(site.root, "SELECT 1 FROM runs WHERE status = 'waiting'"), "the run goes on")
    ((status, outcome),) = rows(site.root, "SELECT status, outcome FROM steps WHERE id = 'count'")
    assert status == "warning"
    assert "its output could not be kept: No space left on device" in outcome
    assert (site.root / "counter").read_text() == "1\n"
    site.until(lambda: log_of(site, "opsrunner goes on after"), "the daemon says that it is over")
    assert site.ask("task", "add", "Order disks", "--as", "boss").code == 0
    assert len(log_of(site, " ERROR ")) == 1, site.log()
    assert "Traceback" not in site.log()
    assert_accounted(site, rows)


def assert_says_so(site: Any) -> None:
    """Hold what verbs answer on a full disk."""
    refused = site.ask("task", "add", "Order disks", "--as", "boss")
    assert refused.code == 1
    assert refused.stderr.startswith(f"opsrunner: {site.state}/ledger.db: database or disk is full; make room")
    assert refused.stderr.count("\n") == 1
    assert site.ask("tasks").code == 0, "what only reads goes on"
    doctor = site.ask("doctor")
    assert doctor.code == 1
    assert "make room: nothing can be recorded" in doctor.stdout


@pytest.mark.needs("root")
@pytest.mark.parametrize("break_it", [use_up_inodes, make_read_only])
def test_a_disk_without_inodes_or_read_only_for_a_while(
    site: Any, disks: Any, rows: Rows, break_it: Callable[[Path, Any], Callable[[], None]]
) -> None:
    mend = break_it(site.state, disks)
    refused = site.ask("task", "add", "x", "--as", "boss")
    if break_it is make_read_only:
        assert refused.code == 1
        assert refused.stderr.count("\n") == 1
        assert "read-only" in refused.stderr
    else:
        site.ask_in_background("run", "work")
        site.until(lambda: log_of(site, "the disk has no inode left"), "the daemon says it")
    mend()
    assert site.ask("run", "work").code == 0
    assert "Traceback" not in site.log()
    assert "fault of opsrunner" not in site.log()
    assert_accounted(site, rows)


def assert_accounted(site: Any, rows: Rows) -> None:
    site.until(lambda: not rows(site.root, "SELECT 1 FROM runs WHERE status = 'running'"), "all runs end")
    counted = Counter((site.root / "counter").read_text().split())
    assert set(counted.values()) == {1}
    ended = rows(site.root, "SELECT run FROM steps WHERE id = 'count' AND status IN ('succeeded', 'warning')")
    assert {str(run) for (run,) in ended} <= set(counted)
    assert rows(site.root, "SELECT id FROM runs WHERE status NOT IN ('waiting', 'succeeded', 'missed')") == []
