"""Runs in the ledger: claimed once, final once, told of once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import LedgerConflict
from opsrunner.ledger.books import Books
from opsrunner.ledger.digests import SentDigest
from opsrunner.ledger.runs import NewRun
from opsrunner.ledger.steps import HostSeen
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
    assert books.runs.count_waiting() == 1, "only the first one waits for people"
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


def digest(series: str, until: datetime, *, through: int = 0) -> SentDigest:
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
        through=through,
    )


def test_ends_are_numbered_in_the_order_in_which_they_are_written(books: Books) -> None:
    first, second = claim(books), claim(books, routine="other")
    missed = claim(books, routine="third", status=RunStatus.MISSED)
    books.runs.finish(second.id, status=RunStatus.FAILED, reason="x", at=NOW + timedelta(hours=1))
    books.runs.finish(first.id, status=RunStatus.SUCCEEDED, reason="", at=NOW)
    told = books.ends.tallies("daily", after=0, through=99)
    assert [(one.routine, one.status.value, one.runs, one.last) for one in told] == [
        ("backups", "succeeded", 1, first.id),
        ("other", "failed", 1, second.id),
        ("third", "missed", 1, missed.id),
    ]
    assert [one.routine for one in books.ends.tallies("daily", after=1, through=2)] == ["other"]
    assert books.ends.newest(after=0) == 3
    assert books.ends.newest(after=0, until=NOW) == 3, "it was written after one of a later moment"
    assert books.ends.newest(after=3) == 3


def test_many_that_never_ran_are_written_in_order_and_what_is_accounted_for_is_left_alone(books: Books) -> None:
    done = claim(books, nominal_at=NOW + timedelta(minutes=1))
    books.runs.finish(done.id, status=RunStatus.SUCCEEDED, reason="", at=NOW)
    missed = [
        NewRun(
            routine="backups",
            trigger=Trigger.SCHEDULE,
            status=RunStatus.MISSED,
            reason="coalesced",
            nominal_at=NOW + timedelta(minutes=minute),
            planned_at=NOW + timedelta(minutes=minute),
        )
        for minute in range(4)
    ]

    books.runs.claim_ended(missed, at=NOW)
    books.runs.claim_ended(missed, at=NOW)

    listed = sorted(books.runs.listed(), key=lambda run: run.nominal_at or NOW)
    assert [run.status.value for run in listed] == ["missed", "succeeded", "missed", "missed"]
    assert [run.finished_at for run in listed] == [NOW] * 4
    numbers = [row["ended"] for row in books.ledger.all("SELECT ended FROM runs ORDER BY id")]
    assert numbers == sorted(set(numbers))
    assert claim(books, nominal_at=NOW + timedelta(minutes=9), status=RunStatus.MISSED) is not None
    assert books.ends.newest(after=0) == max(numbers) + 1


def test_the_number_of_an_end_never_comes_again(books: Books) -> None:
    claim(books, status=RunStatus.MISSED)
    books.digests.write(digest("daily", NOW, through=1))
    books.ledger.change("DELETE FROM runs")
    claim(books, status=RunStatus.MISSED)
    assert books.ends.newest(after=0) == 2


def test_runs_that_ended_alike_are_counted_together(books: Books) -> None:
    for hour in range(5):
        run = claim(books, nominal_at=NOW + timedelta(hours=hour))
        status = RunStatus.FAILED if hour == 2 else RunStatus.SUCCEEDED
        books.runs.finish(run.id, status=status, reason="", at=NOW)
    told = books.ends.tallies("weekly", after=0, through=5)
    assert [(one.status.value, one.runs, one.first, one.last) for one in told] == [
        ("failed", 1, 3, 3),
        ("succeeded", 4, 1, 5),
    ]


def test_a_period_has_one_digest(books: Books) -> None:
    assert books.digests.through("daily") is None
    assert books.digests.write(digest("daily", NOW, through=7)) is not None
    assert books.digests.write(digest("daily", NOW, through=9)) is None
    assert (books.digests.through("daily"), books.digests.through("weekly")) == (7, None)


def end(books: Books, day: int, status: StepStatus, run_status: RunStatus) -> int:
    at = NOW + timedelta(days=day)
    run = claim(books, nominal_at=at)
    books.steps.finish(run.id, 0, DUMP, outcome=Outcome(status=status), at=at)
    books.runs.finish(run.id, status=run_status, reason="", at=at)
    return int(run.id)


def test_when_a_step_and_a_routine_were_last_good_is_known_however_long_ago(books: Books) -> None:
    assert (books.steps.last_good("backups", "dump"), books.ends.good("backups")) == (None, None)
    end(books, 0, StepStatus.FAILED, RunStatus.FAILED)
    assert books.steps.last_good("backups", "dump") is None
    end(books, 1, StepStatus.SUCCEEDED, RunStatus.SUCCEEDED)
    good = end(books, 2, StepStatus.WARNING, RunStatus.SUCCEEDED)
    failed = [end(books, day, StepStatus.FAILED, RunStatus.FAILED) for day in range(3, 33)]
    end(books, 33, StepStatus.SKIPPED, RunStatus.FAILED)
    then = NOW + timedelta(days=2)
    assert (books.steps.last_good("backups", "dump"), books.ends.good("backups")) == (then, then)
    assert books.ends.trouble_since_good("backups") == NOW + timedelta(days=3)
    books.forgetting.forget_runs([good - 1, good, *failed[:5]])
    assert (books.steps.last_good("backups", "dump"), books.ends.good("backups")) == (then, then)
    books.routines.see({"backups": "Backups"}, at=NOW)
    books.routines.rename("backups", "copies")
    assert (books.steps.last_good("copies", "dump"), books.ends.good("copies")) == (then, then)
    assert books.ends.good("other") is None


def test_when_a_step_was_last_good_outlives_a_long_pause(books: Books) -> None:
    end(books, 0, StepStatus.SUCCEEDED, RunStatus.SUCCEEDED)
    for day in range(1, 41):
        status = RunStatus.SKIPPED if day % 2 else RunStatus.MISSED
        claim(books, nominal_at=NOW + timedelta(days=day), status=status, reason="paused")
    assert books.steps.last_good("backups", "dump") == NOW
    end(books, 41, StepStatus.FAILED, RunStatus.FAILED)
    assert books.steps.last_good("backups", "dump") == NOW


def test_what_is_skipped_time_and_again_was_good_when_it_last_ran_and_keeps_its_keys(books: Books) -> None:
    run = claim(books)
    parts = tuple(Part(key=key, status=StepStatus.SUCCEEDED) for key in ("anna", "bent"))
    books.steps.finish(run.id, 0, DUMP, outcome=Outcome(status=StepStatus.SUCCEEDED, parts=parts), at=NOW)
    for day in range(1, 31):
        end(books, day, StepStatus.SKIPPED, RunStatus.SUCCEEDED)
        assert books.steps.last_good("backups", "dump") == NOW
    assert books.steps.last_keys("backups", "dump") == ("anna", "bent")
    end(books, 31, StepStatus.FAILED, RunStatus.FAILED)
    assert (books.steps.last_good("backups", "dump"), books.steps.last_keys("backups", "dump")) == (NOW, ())


def test_the_trouble_of_a_routine_that_was_never_good_begins_with_its_first(books: Books) -> None:
    for day in range(3):
        run = claim(books, nominal_at=NOW + timedelta(days=day))
        books.runs.finish(run.id, status=RunStatus.FAILED, reason="", at=NOW + timedelta(days=day))
    assert books.ends.trouble_since_good("backups") == NOW


def test_the_newest_step_that_asked_a_host_says_how_it_is(books: Books) -> None:
    audit = StepPlan(id="audit", kind="ssh")
    for day, status in enumerate((StepStatus.UNKNOWN, StepStatus.SUCCEEDED)):
        run, at = claim(books, nominal_at=NOW + timedelta(days=day)), NOW + timedelta(days=day)
        parts = (Part(key="web1", status=status), *([Part(key="web2", status=status)] if not day else []))
        books.steps.finish(run.id, 0, audit, outcome=Outcome(status=StepStatus.FAILED, parts=parts), at=at)
    web1 = HostSeen(status=StepStatus.SUCCEEDED, at=NOW + timedelta(days=1))
    assert books.steps.hosts_seen(since=NOW) == {"web1": web1}
    assert books.steps.hosts_seen(since=NOW - timedelta(days=1)) == {
        "web1": web1,
        "web2": HostSeen(status=StepStatus.UNKNOWN, at=NOW),
    }


def test_runs_are_listed_newest_first_whatever_they_are_chosen_by(books: Books) -> None:
    for hour in range(6):
        at = NOW + timedelta(hours=hour)
        new = NewRun(
            routine=("backups", "panel")[hour % 2],
            trigger=Trigger.SCHEDULE,
            status=(RunStatus.RUNNING, RunStatus.MISSED, RunStatus.SKIPPED)[hour % 3],
            nominal_at=at,
        )
        books.runs.claim(new, at=at)

    def ids(**chosen: Any) -> list[int]:
        return [run.id for run in books.runs.listed(**chosen)]

    assert ids() == [6, 5, 4, 3, 2, 1]
    assert ids(limit=2) == [6, 5]
    assert ids(routine="panel") == [6, 4, 2]
    assert ids(statuses=[RunStatus.MISSED, RunStatus.SKIPPED]) == [6, 5, 3, 2]
    assert ids(statuses=[RunStatus.MISSED, RunStatus.MISSED]) == [5, 2]
    assert ids(routine="panel", statuses=[RunStatus.RUNNING]) == [4]
    assert ids(since=NOW + timedelta(hours=3)) == [6, 5, 4]
    assert ids(since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3), statuses=[RunStatus.SKIPPED]) == [3]


def test_routines_are_watched_from_when_they_are_first_seen(books: Books) -> None:
    assert books.routines.see({"backups": "Backups"}, at=NOW) == ["backups"]
    assert books.routines.see({"backups": "Copies"}, at=NOW + timedelta(hours=1)) == []
    watched = books.routines.all()["backups"]
    assert (watched.name, watched.first_seen_at, watched.watermark_at) == ("Copies", NOW, NOW)


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


def test_a_claim_answers_with_the_run_as_the_ledger_has_it(books: Books) -> None:
    original = claim(books, status=RunStatus.SKIPPED, reason="asked")
    rerun = claim(books, nominal_at=None, trigger=Trigger.RERUN, rerun_of=original.id, actor="boss")
    assert [original, rerun] == [books.runs.get(original.id), books.runs.get(rerun.id)]


def test_the_frozen_text_is_kept_once(books: Books) -> None:
    assert books.runs.freeze("same") == books.runs.freeze("same")
    assert len(books.ledger.all("SELECT * FROM frozen")) == 1
    assert books.runs.frozen_body(books.runs.freeze("same")) == "same"


def test_the_audit_cannot_be_changed(books: Books) -> None:
    books.audit.add("tick", "task 1", actor="boss", at=NOW)
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(LedgerConflict, match="append-only"):
            books.ledger.change(statement)
