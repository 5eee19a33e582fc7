"""The disk fails under the daemon: it goes on by itself, accounts for all that was due, and does nothing twice."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from typing import Any

import pytest

WRITES = "pwrite64,write,ftruncate,unlink,rename"
SYNCS = "fsync,fdatasync"
MOST_CALLS = 100
MINUTES = 4
WORK = """\
name: Work
accountable: owner
schedule: {every: 1m}
catch_up: all
overlap: queue
steps:
  - id: count
    run: echo "$OPS_RUN_ID" >> counter && seq 1 2000
  - id: letter
    email: {to: owner, subject: Done, body: All done}
  - task: Look at it
    expires: never
"""
CALM = """\
name: Calm
accountable: owner
schedule: {every: 1m}
steps:
  - id: count
    run: echo "$OPS_RUN_ID" >> counter
    after_crash: rerun
"""
BY_HAND = WORK.replace("schedule: {every: 1m}\ncatch_up: all\n", "")
Rows = Callable[..., list[Any]]


def text_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.000000Z}"


@pytest.fixture
def late(served: Callable[..., Any]) -> Any:
    """A site whose daemon was last there some minutes ago."""
    site = served(work=WORK, calm=CALM)
    site.start()
    assert site.stop() == 0
    then = text_of(datetime.now(UTC) - timedelta(minutes=MINUTES))
    with closing(sqlite3.connect(site.state / "ledger.db")) as connection, connection:
        connection.execute("UPDATE routines SET first_seen_at = ?1, watermark_at = ?1", (then,))
        connection.execute("UPDATE meta SET value = ?1 WHERE name IN ('planned_at', 'born')", (then,))
        connection.execute("DELETE FROM meta WHERE name = 'clock'")
        connection.execute("DELETE FROM runs")
    (site.root / "counter").unlink(missing_ok=True)
    return site


FAULTS = [
    pytest.param(WRITES, "ENOSPC", "2", id="the second write"),
    pytest.param(WRITES, "EIO", "9", id="the ninth write, by an error"),
    pytest.param(WRITES, "ENOSPC", "35", id="a write amid the runs"),
    pytest.param(SYNCS, "EIO", "6", id="the sixth sync"),
    pytest.param(SYNCS, "ENOSPC", "15", id="a sync amid the runs"),
    pytest.param(WRITES, "ENOSPC", "60+", id="all writes from the sixtieth on, then none"),
    pytest.param(SYNCS, "EIO", "20+", id="all syncs from the twentieth on, then none"),
]


@pytest.mark.needs("strace")
@pytest.mark.parametrize(("calls", "error", "when"), FAULTS)
def test_all_that_was_due_is_accounted_for(
    late: Any, fault_of: Any, rows: Rows, calls: str, error: str, when: str
) -> None:
    late.launch(fault=fault_of(calls, error, when))
    until = time.monotonic() + 6
    while time.monotonic() < until and late.process.poll() is None:
        time.sleep(0.1)
    if late.process.poll() is None:
        assert late.end_fault(), "no call failed: the test proves nothing"
    else:  # at its very start there is nobody to wait: what keeps it alive (systemd) starts it again
        assert late.process.returncode == 1
        late.until(late.faults, "the trace tells of the call that failed")
        assert re.search(r"^opsrunner: [^\n]+: [^\n]+$", late.log(), re.MULTILINE), late.log()
        assert_calm(late)
        late.launch()
    late.until(lambda: is_all_done(late, rows), "every run has ended or waits for people")
    assert late.stop() == 0
    assert_calm(late)
    nominal = [text for (text,) in rows(late.root, "SELECT nominal_at FROM runs WHERE routine = 'work'")]
    assert len(nominal) == len(set(nominal))
    assert gaps(nominal) == []
    assert len(nominal) >= MINUTES
    assert_honest(late, rows)


def is_all_done(site: Any, rows: Rows) -> bool:
    found = rows(site.root, "SELECT status, reason FROM runs")
    return len(found) > MINUTES and all(
        status not in ("running", "pending") and reason != "queued" for status, reason in found
    )


def gaps(nominal: list[str]) -> list[str]:
    """Return the minutes that lack between the first and the last."""
    moments = sorted(datetime.fromisoformat(text) for text in nominal)
    return [str(left) for left, right in pairwise(moments) if right - left != timedelta(minutes=1)]


def assert_calm(site: Any) -> None:
    """Hold that the log has no traceback and says nothing over and over."""
    log = site.log()
    assert "Traceback" not in log, log
    assert "fault of opsrunner" not in log, log
    assert not (site.state / "crash.log").exists(), log
    said = Counter(line[20:] for line in log.splitlines() if " ERROR " in line)
    assert all(count <= 2 for count in said.values()), said


def assert_honest(site: Any, rows: Rows) -> None:
    """Hold that nothing ran twice, and that nothing is green that is not there."""
    counted = Counter((site.root / "counter").read_text().split())
    asked = {str(run) for (run,) in rows(site.root, "SELECT id FROM runs WHERE routine = 'work'")}
    assert all(count == 1 for run, count in counted.items() if run in asked), counted
    for run, step, status, outcome in rows(site.root, "SELECT run, id, status, outcome FROM steps"):
        if step == "count" and status in ("succeeded", "warning"):
            assert str(run) in counted, run
            log = site.state / "runs" / str(run) / "count.log"
            is_whole = log.exists() and (str(run) not in asked or log.read_text().endswith("2000\n"))
            assert is_whole or "could not be kept" in json.loads(outcome)["message"], (run, outcome)
    letters = Counter(run for (run,) in rows(site.root, "SELECT about FROM outbox WHERE subject = 'Done'"))
    finished = rows(site.root, "SELECT run FROM steps WHERE id = 'letter' AND status = 'succeeded'")
    assert sum(letters.values()) == len(finished)
    sent = rows(site.root, "SELECT id FROM outbox WHERE sent_at IS NOT NULL")
    assert len(list((site.state / "maildir" / "new").glob("*"))) >= len(sent)
    cut_off = "SELECT routine FROM runs WHERE status = 'interrupted' AND reason IN ('crash', 'fault')"
    assert not rows(site.root, f"{cut_off} EXCEPT SELECT routine FROM tasks WHERE kind = 'follow_up'")


@pytest.mark.soak
@pytest.mark.needs("strace")
@pytest.mark.timeout(900)
def test_a_daemon_outlives_every_fault_and_does_nothing_twice(
    served: Callable[..., Any], fault_of: Any, rows: Rows
) -> None:
    site = served(work=BY_HAND)
    site.start()
    errors, faults = cycle(("ENOSPC", "EIO")), 0
    for calls in (WRITES, SYNCS):
        for number in range(1, MOST_CALLS + 1):
            site.begin_fault(fault_of(calls, next(errors), number))
            site.ask("run", "work", "--as", "boss")
            hit = site.end_fault()
            assert site.process.poll() is None, site.log()
            faults += len(hit)
            if not hit:
                break
        assert number > 1, f"none of {calls} failed: the test proves nothing"
        print(f"the daemon: ENOSPC and EIO in turn on each of the first {number} calls of {calls} in a run")
    site.until(lambda: not rows(site.root, "SELECT id FROM runs WHERE status = 'running' OR reason = 'queued'"), "calm")
    assert site.stop() == 0
    assert "Traceback" not in site.log()
    assert_honest(site, rows)
    print(f"the daemon outlived {faults} faults")
