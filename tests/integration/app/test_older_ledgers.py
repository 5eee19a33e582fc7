"""B44: today's program goes on with the work of an earlier release, where its daemon died in the middle of it."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import open_app
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Evidence, TaskStatus
from opsrunner.testing import FakeClock

LEDGERS = Path(__file__).parents[2] / "data" / "ledgers"
DIED_AT = datetime(2026, 11, 20, 9, 5, tzinfo=UTC)
"""When the daemon of each of these ledgers died; see the README beside them."""
WAITED, WAS_HELD_BY_A_PERSON, IN_A_STEP, IN_A_STEP_TO_RERUN, WAITED_BEHIND_IT = 35, 38, 39, 40, 41


@pytest.fixture(params=sorted(path.name.removesuffix(".db.gz") for path in LEDGERS.glob("*.db.gz")))
def old_site(request: pytest.FixtureRequest, make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    """A site as a release left it."""
    root = make_site({})
    shutil.copytree(LEDGERS / "site", root, dirs_exist_ok=True)
    (root / "var").mkdir(mode=0o700)
    packed = LEDGERS / f"{request.param}.db.gz"
    (root / "var" / "ledger.db").write_bytes(gzip.decompress(packed.read_bytes()))
    for path in root.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return root


@pytest.fixture
def taken_over(old_site: Path, reopened: Callable[[Path, FakeClock], Any]) -> Any:
    """The site under today's program, five minutes after the death of the daemon, once all is done that could be."""
    site = reopened(old_site, FakeClock(DIED_AT))
    for _ in range(8):
        site.clock.move(seconds=40)
        site.work()
    return site


def status_of(site: Any, run: int) -> str:
    found = site.app.books.runs.get(run)
    return f"{found.status.value} {found.reason}".strip()


def test_what_the_dead_daemon_left_is_accounted_for(taken_over: Any) -> None:
    assert status_of(taken_over, IN_A_STEP) == "interrupted crash"
    assert status_of(taken_over, IN_A_STEP_TO_RERUN) == "succeeded"
    assert status_of(taken_over, WAITED) == "succeeded"
    assert status_of(taken_over, WAITED_BEHIND_IT) == "succeeded"
    assert status_of(taken_over, WAS_HELD_BY_A_PERSON) == "waiting"
    (asked,) = taken_over.app.books.tasks.of_run(IN_A_STEP)
    assert asked.title == "See how far one of By hand came before it was cut off"
    assert asked.evidence.outcome.startswith("succeeded again"), "by the run that had been asked for"


def test_what_had_been_asked_for_is_done(taken_over: Any) -> None:
    request = taken_over.app.books.requests.get(5)
    assert taken_over.app.books.runs.get(request.run).status is RunStatus.SUCCEEDED


def test_a_task_that_was_open_is_ticked_and_its_run_goes_on(taken_over: Any) -> None:
    app = taken_over.app
    (task,) = [task for task in app.books.tasks.opened() if task.run == WAS_HELD_BY_A_PERSON]
    evidence = Evidence(note="read and signed")
    app.ticks.tick(
        task.id, actor=app.people.named("boss"), status=TaskStatus.DONE, evidence=evidence, at=taken_over.clock.now()
    )
    taken_over.clock.move(seconds=36)
    taken_over.work()
    assert status_of(taken_over, WAS_HELD_BY_A_PERSON) == "succeeded"


def test_the_next_digest_begins_where_the_last_one_ended_and_tells_of_no_run_again(taken_over: Any) -> None:
    before = taken_over.app.books.digests.last("daily")
    taken_over.at("2026-11-21 07:00")
    after = taken_over.app.books.digests.last("daily")
    assert after.id > before.id
    assert after.from_at == before.until_at
    assert "By hand" in after.text
    ended_before = 31
    assert 0 < after.runs < ended_before


def test_the_schedules_go_on_without_a_gap(taken_over: Any) -> None:
    taken_over.at("2026-11-21 02:31")
    nominal = [run.nominal_at for run in taken_over.runs("nightly") if run.nominal_at is not None]
    assert nominal == [datetime(2026, 11, day, 2, 30, tzinfo=UTC) for day in range(17, 22)]


def test_mails_that_waited_are_handed_over_once(taken_over: Any, old_site: Path) -> None:
    waited = [mail.id for mail in taken_over.app.books.outbox.queued()]
    taken_over.clock.set(datetime(2026, 11, 20, 12, tzinfo=UTC))
    taken_over.app.deliver()
    assert waited
    assert taken_over.app.books.outbox.queued() == []
    assert len(list((old_site / "var/maildir/new").iterdir())) == len(waited)


def test_it_opens_for_every_verb_that_looks_back(old_site: Path) -> None:
    app = open_app(old_site, clock=FakeClock(DIED_AT))
    assert app.digests.preview("weekly", DIED_AT).text
    assert app.digests.preview("monthly", DIED_AT).text
    app.close()
