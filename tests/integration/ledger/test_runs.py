"""Runs in the ledger: claimed once, final once, told of once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import LedgerConflict, NotFound
from opsrunner.ledger.books import Books
from opsrunner.ledger.digests import SentDigest
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Attempt, Outcome, Part, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import QUEUED, RunStatus, Trigger

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
DUMP = StepPlan(id="dump", kind="run")


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books.open(tmp_path / "ledger.db")
    yield made
    made.ledger.close()


def claim(books: Books, **fields: Any) -> Any:
    new = {"routine": "backups", "trigger": Trigger.SCHEDULE, "status": RunStatus.RUNNING, "nominal_at": NOW}
    return books.runs.claim(NewRun(**{**new, **fields}), at=NOW)


def test_a_nominal_time_is_claimed_once(books: Books) -> None:
    assert claim(books) is not None
    assert claim(books) is None
    assert claim(books, status=RunStatus.MISSED) is None
    assert len(books.runs.listed()) == 1


def test_the_same_moment_of_another_routine_and_runs_by_hand_are_free(books: Books) -> None:
    claim(books)
    assert claim(books, routine="other") is not None
    assert claim(books, trigger=Trigger.MANUAL, nominal_at=None) is not None
    assert claim(books, trigger=Trigger.MANUAL, nominal_at=None) is not None


def test_a_row_is_claimed_once(books: Books) -> None:
    assert claim(books, trigger=Trigger.ROWS, nominal_at=None, row_key="10482") is not None
    assert claim(books, trigger=Trigger.ROWS, nominal_at=None, row_key="10482") is None


def test_a_final_run_never_changes(books: Books) -> None:
    run = claim(books)
    assert books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=NOW)
    assert not books.runs.finish(run.id, status=RunStatus.FAILED, reason="x", at=NOW)
    assert not books.runs.wait(run.id)
    assert not books.runs.go_on(run.id)
    assert books.runs.get(run.id).status is RunStatus.SUCCEEDED


def test_a_queued_run_starts_only_when_none_of_its_routine_runs(books: Books) -> None:
    first = claim(books)
    later = claim(books, nominal_at=NOW + timedelta(hours=1), status=RunStatus.WAITING, reason=QUEUED)
    assert not books.runs.start_queued(later.id, at=NOW)
    assert not books.runs.go_on(later.id), "it does not wait for people"
    books.runs.finish(first.id, status=RunStatus.SUCCEEDED, reason="", at=NOW)
    assert books.runs.start_queued(later.id, at=NOW)
    assert not books.runs.start_queued(later.id, at=NOW)


def test_a_waiting_run_does_not_hold_a_queued_one_back(books: Books) -> None:
    first = claim(books)
    books.runs.wait(first.id)
    later = claim(books, nominal_at=NOW + timedelta(hours=1), status=RunStatus.WAITING, reason=QUEUED)
    assert books.runs.start_queued(later.id, at=NOW)


def test_an_outcome_comes_back_as_it_was_written(books: Books) -> None:
    run = claim(books)
    outcome = Outcome(
        status=StepStatus.WARNING,
        reason="warn_if",
        message="2 of 3 fine; ünïcode \x1b[31m \ud800",
        rows=({"paid_at": NOW, "day": NOW.date(), "amount": 1.5, "flag": None, "$moment": "text"},),
        facts={"exit_code": 0, "nested": {"a": [1, 2]}},
        parts=(Part(key="web1", status=StepStatus.SUCCEEDED, facts={"seconds": 0.1}),),
        attempts=(Attempt(number=1, status=StepStatus.FAILED, message="x", started_at=NOW, seconds=1.0),),
    )
    books.steps.start(run.id, 0, DUMP, at=NOW)
    books.steps.finish(run.id, 0, DUMP, outcome=outcome, at=NOW)
    (record,) = books.steps.of_run(run.id)
    assert record.outcome is not None
    assert record.outcome.rows == outcome.rows
    assert record.outcome.parts == outcome.parts
    assert record.outcome.attempts == outcome.attempts
    assert record.outcome.message.startswith("2 of 3 fine; ünïcode")


def test_rows_that_look_like_our_own_marks_are_data(books: Books) -> None:
    run = claim(books)
    rows = ({"$moment": "tomorrow"}, {"$date": 7}, {"$date": "2026-01-01"}, {"$$date": "x"}, {"a": {"$moment": "2026"}})
    books.steps.finish(run.id, 0, DUMP, outcome=Outcome(status=StepStatus.SUCCEEDED, rows=rows), at=NOW)
    (record,) = books.steps.of_run(run.id)
    assert record.outcome is not None
    assert record.outcome.rows == rows


def digest(series: str, until: datetime) -> SentDigest:
    return SentDigest(
        id=0,
        series=series,
        from_at=until - timedelta(days=1),
        until_at=until,
        created_at=until,
        subject="s",
        text="t",
        html="h",
        runs=0,
    )


def test_a_run_is_stamped_by_the_first_digest_of_each_series_only(books: Books) -> None:
    run = claim(books, status=RunStatus.MISSED)
    first = books.digests.write(digest("daily", NOW), run_ids=(run.id,))
    second = books.digests.write(digest("daily", NOW + timedelta(days=1)), run_ids=(run.id,))
    books.digests.write(digest("weekly", NOW), run_ids=())
    row = books.ledger.one("SELECT daily, weekly FROM runs")
    assert row is not None
    assert (first, second, row["daily"], row["weekly"]) == (1, 2, 1, None)
    assert books.runs.unreported("daily") == []
    assert [item.id for item in books.runs.unreported("weekly")] == [run.id]


def test_a_period_has_one_digest(books: Books) -> None:
    assert books.digests.write(digest("daily", NOW), run_ids=()) is not None
    assert books.digests.write(digest("daily", NOW), run_ids=()) is None


def test_old_runs_go_once_they_are_told_of_and_take_their_steps_along(books: Books) -> None:
    run = claim(books)
    books.steps.finish(run.id, 0, DUMP, outcome=Outcome(status=StepStatus.SUCCEEDED), at=NOW)
    books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=NOW)
    later = NOW + timedelta(days=500)
    assert books.runs.prune(before=later) == []
    books.digests.write(digest("daily", NOW), run_ids=(run.id,))
    assert books.runs.prune(before=NOW) == []
    assert books.runs.prune(before=later, told_in=("daily", "weekly")) == []
    assert books.runs.prune(before=later) == [run.id]
    assert books.ledger.all("SELECT * FROM steps") == []
    with pytest.raises(NotFound):
        books.runs.get(run.id)


def test_routines_are_watched_from_when_they_are_first_seen_and_their_watermark_never_goes_back(books: Books) -> None:
    assert books.routines.see({"backups": "Backups"}, at=NOW) == ["backups"]
    assert books.routines.see({"backups": "Copies"}, at=NOW + timedelta(hours=1)) == []
    books.routines.advance("backups", to=NOW + timedelta(hours=2))
    books.routines.advance("backups", to=NOW)
    watched = books.routines.all()["backups"]
    assert (watched.name, watched.first_seen_at, watched.watermark_at) == ("Copies", NOW, NOW + timedelta(hours=2))


def test_a_routine_that_comes_back_accounts_from_then(books: Books) -> None:
    books.routines.see({"backups": "Backups"}, at=NOW)
    books.routines.see({}, at=NOW + timedelta(days=1))
    assert books.routines.all()["backups"].gone_at is not None
    assert books.routines.see({"backups": "Backups"}, at=NOW + timedelta(days=9)) == ["backups"]
    assert books.routines.all()["backups"].watermark_at == NOW + timedelta(days=9)


def test_a_rename_carries_everything_over_and_never_onto_a_routine_that_is_there(books: Books) -> None:
    books.routines.see({"backups": "Backups", "other": "Other"}, at=NOW)
    run = claim(books)
    assert not books.routines.rename("backups", "other")
    assert books.routines.rename("backups", "copies")
    assert books.runs.get(run.id).routine == "copies"


def test_the_frozen_text_is_kept_once(books: Books) -> None:
    assert books.runs.freeze("same") == books.runs.freeze("same")
    assert len(books.ledger.all("SELECT * FROM frozen")) == 1
    assert books.runs.frozen_body(books.runs.freeze("same")) == "same"


def test_the_planner_and_the_pages_find_their_rows_by_index(books: Books) -> None:
    waits = "sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
    queries = (
        "SELECT * FROM runs WHERE finished_at IS NULL AND routine = 'a' ORDER BY id",
        "SELECT * FROM runs WHERE daily IS NULL AND finished_at IS NOT NULL ORDER BY id",
        "SELECT * FROM tasks WHERE status = 'open'",
        f"SELECT * FROM outbox WHERE {waits} AND next_try_at <= '2026'",
        f"UPDATE outbox SET withdrawn_at = '2026' WHERE task = 1 AND {waits}",
        "SELECT nominal_at FROM runs WHERE routine = 'a' AND nominal_at >= '2026'",
    )
    for query in queries:
        plan = " ".join(str(row["detail"]) for row in books.ledger.all(f"EXPLAIN QUERY PLAN {query}"))
        assert "INDEX" in plan, (query, plan)


def test_the_audit_cannot_be_changed(books: Books) -> None:
    books.audit.add("tick", "task 1", actor="boss", at=NOW)
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(LedgerConflict, match="append-only"):
            books.ledger.change(statement)
