"""Runs and routines on the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.engine.outputs import output_file
from opsrunner.model.outcome import Attempt, Outcome, Part, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.rows import KeyedRow
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import Evidence, Task, TaskKind, TaskStatus
from opsrunner.testing import FakeClock

SignedIn = Callable[[str], Any]
Open = Callable[..., Task]
HOSTILE = "<script>alert(1)</script> {{ 7*7 }}"


def next_to_skip(owner: Any) -> tuple[str, str]:
    """Return the moment that the form for a skip carries, and how it names it."""
    text = owner.get("/routines/nightly").text
    (nominal_at,) = re.findall(r'name="nominal_at" value="([^"]*)"', text)
    (said,) = re.findall(r"Why is (.*?) left out", text)
    return nominal_at, said


def end_step(app: App, run: Run, outcome: Outcome, *, at: FakeClock) -> None:
    app.books.steps.finish(run.id, 0, StepPlan(id="dump", kind="run"), outcome=outcome, at=at.now())


def test_a_run_tells_its_steps_hosts_tries_and_output(
    app: App, signed_in: SignedIn, start_run: Callable[..., Run], clock: FakeClock
) -> None:
    run = start_run(RunStatus.FAILED)
    parts = (
        Part(key="web1", status=StepStatus.SUCCEEDED, message="fine"),
        Part(key="web2", status=StepStatus.FAILED, message=HOSTILE),
    )
    attempts = (
        Attempt(number=1, status=StepStatus.FAILED, seconds=1.5, message="lost connection", started_at=clock.now()),
    )
    end_step(app, run, Outcome(status=StepStatus.FAILED, message=HOSTILE, parts=parts, attempts=attempts), at=clock)
    path = output_file(app.state, run.id, "dump")
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(f"mysqldump: Got error\x1b[31m {HOSTILE}")
    text = signed_in("ops1").get(f"/runs/{run.id}").text
    assert text.index("web2") < text.index("web1"), "what is bad comes first"
    assert "Try 1: failed after 1.5 s (lost connection)." in text
    assert "mysqldump: Got error" in text
    assert "took 14 s" in text
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "{{ 7*7 }}" in text


def test_what_was_missed_is_not_counted_as_done(
    app: App, signed_in: SignedIn, start_run: Callable[..., Run], open_task: Open, clock: FakeClock
) -> None:
    run = start_run()
    ends = (TaskStatus.DONE, TaskStatus.MISSED, TaskStatus.COULD_NOT, None)
    for number, status in enumerate(ends):
        name = f"s{number}"
        task = open_task(
            kind=TaskKind.ROUTINE, run=run.id, routine="nightly", role="sysadmin", step=name, item=name, title=name
        )
        if status is not None:
            app.books.tasks.close(task.id, status=status, by="ops1", evidence=Evidence(), at=clock.now())
    app.books.runs.wait(run.id)
    assert "1 of 4 done" in signed_in("boss").get(f"/runs/{run.id}").text
    assert "1 of 4 done" in signed_in("boss").get("/today").text


def test_a_run_is_run_again_by_an_owner(app: App, signed_in: SignedIn, start_run: Callable[..., Run]) -> None:
    run = start_run(RunStatus.FAILED)
    owner, staff = signed_in("boss"), signed_in("ops1")
    assert "Run it again" in owner.get(f"/runs/{run.id}").text
    assert "Run it again" not in staff.get(f"/runs/{run.id}").text
    assert staff.post(f"/runs/{run.id}/again").status_code == 409
    assert app.books.requests.waiting() == []
    assert owner.post(f"/runs/{run.id}/again").status_code == 303
    (asked,) = app.books.requests.waiting()
    assert (asked.kind, asked.routine, asked.actor, asked.detail) == ("run", "nightly", "boss", {"rerun_of": run.id})
    (record,) = app.books.audit.about("routine nightly")
    assert (record.actor, record.detail) == ("boss", f"again for run {run.id}")


def test_whose_follow_up_came_of_a_run_may_run_it_again(
    app: App, signed_in: SignedIn, start_run: Callable[..., Run], open_task: Open
) -> None:
    run = start_run(RunStatus.FAILED)
    open_task(kind=TaskKind.FOLLOW_UP, run=run.id, routine="nightly", step="dump", item="dump", key="", role="ops1")
    assert signed_in("ops1").post(f"/runs/{run.id}/again").status_code == 303
    assert signed_in("ops2").post(f"/runs/{run.id}/again").status_code == 409
    assert signed_in("eye").post(f"/runs/{run.id}/again").status_code == 403


def test_a_run_is_cancelled_by_an_owner_while_it_goes_on(
    app: App, signed_in: SignedIn, start_run: Callable[..., Run]
) -> None:
    run, ended = start_run(), start_run(RunStatus.SUCCEEDED)
    owner = signed_in("boss")
    assert signed_in("ops1").post(f"/runs/{run.id}/cancel").status_code == 403
    assert owner.post(f"/runs/{ended.id}/cancel").status_code == 409
    assert owner.post(f"/runs/{run.id}/cancel").status_code == 303
    assert [(asked.kind, asked.run) for asked in app.books.requests.waiting()] == [("cancel", run.id)]


def test_routines_are_listed_with_how_they_stand(signed_in: SignedIn, start_run: Callable[..., Run]) -> None:
    start_run(RunStatus.WARNING)
    text = signed_in("boss").get("/routines").text
    assert "<h1>1 routine</h1>" in text
    assert "Nightly backups" in text
    assert '<span class="tag warn">warning</span>' in text
    assert signed_in("ops1").get("/routines").status_code == 403


def test_a_mistake_in_a_file_is_shown_at_its_line(app: App, signed_in: SignedIn) -> None:
    path = app.root / "routines/nightly.yaml"
    path.write_text(path.read_text() + "timout: 3\n")
    app.in_force.refresh()
    owner = signed_in("boss")
    assert "1 mistake in the files" in owner.get("/routines").text
    text = owner.get("/routines/nightly").text
    assert '<span class="number wrong">5</span>timout: 3' in text
    assert "unknown key" in text


def test_a_routine_is_run_paused_resumed_and_skipped(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    path = app.root / "routines/nightly.yaml"
    path.write_text(path.read_text().replace("steps:", "schedule: {every: day, at: '02:30'}\nsteps:"))
    app.in_force.refresh()
    owner = signed_in("boss")
    assert owner.post("/routines/nightly/run").status_code == 303
    assert [asked.routine for asked in app.books.requests.waiting()] == ["nightly"]

    assert owner.post("/routines/nightly/pause", until="2026-11-22T10:00", reason="new disks").status_code == 303
    (hold,) = app.books.holds.live(clock.now())
    assert (hold.kind, hold.reason, str(hold.until)) == ("pause", "new disks", "2026-11-22 09:00:00+00:00")
    assert "paused until" in owner.get("/routines/nightly").text
    assert owner.post("/routines/nightly/resume").status_code == 303
    assert owner.post("/routines/nightly/resume").status_code == 409

    asked_about = next_to_skip(owner)
    assert asked_about == ("2026-11-21T01:30:00+00:00", "tomorrow 02:30")
    form = {"nominal_at": asked_about[0], "reason": "done by hand"}
    assert owner.post("/routines/nightly/skip", **form).status_code == 303
    again = owner.post("/routines/nightly/skip", **form)
    assert again.status_code == 409, "a double click leaves out one"
    assert "is not the next" in again.text
    (hold,) = app.books.holds.live(clock.now())
    assert (hold.kind, str(hold.nominal_at)) == ("skip", "2026-11-21 01:30:00+00:00")
    assert "left out: as asked" in owner.get("/routines/nightly").text
    assert next_to_skip(owner)[0] == "2026-11-22T01:30:00+00:00"
    acts = [record.action for record in app.books.audit.about("routine nightly")]
    assert acts == ["ask for a run", "pause", "resume", "skip"]


def test_the_time_to_skip_is_one_that_would_run_and_a_form_from_before_it_skips_no_other(
    app: App, signed_in: SignedIn, clock: FakeClock
) -> None:
    path = app.root / "routines/nightly.yaml"
    schedule = "schedule: {every: week, on: [sunday, monday], at: '02:30', on_holiday: skip}\nsteps:"
    path.write_text(path.read_text().replace("steps:", schedule))
    site = app.root / "opsrunner.yaml"
    site.write_text(site.read_text() + "calendars: {business: {days_off: [2026-11-22]}}\n")
    app.in_force.refresh()
    owner = signed_in("boss")
    nominal_at, _ = next_to_skip(owner)
    assert nominal_at == "2026-11-23T01:30:00+00:00", "the Sunday is a holiday"
    clock.set(datetime(2026, 11, 23, 1, 31, tzinfo=UTC))
    owner = signed_in("boss")
    assert owner.post("/routines/nightly/skip", nominal_at=nominal_at, reason="too late").status_code == 409
    assert owner.post("/routines/nightly/skip", nominal_at="soon", reason="x").status_code == 400
    assert app.books.holds.live(clock.now()) == []


def test_a_routine_that_is_by_hand_only_has_nothing_to_skip(signed_in: SignedIn) -> None:
    assert "Skip the next" not in signed_in("boss").get("/routines/nightly").text


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("pause", {"until": "yesterday", "reason": "x"}),
        ("pause", {"until": "2020-01-01T00:00", "reason": "x"}),
        ("pause", {"until": "2026-12-01T00:00", "reason": "  "}),
        ("pause", {"until": "9999-12-31T23:59", "reason": "x", "schedule": "* * * * *"}),
        ("skip", {"reason": ""}),
    ],
)
def test_what_makes_no_sense_is_refused(app: App, signed_in: SignedIn, act: str, fields: dict[str, str]) -> None:
    answer = signed_in("boss").post(f"/routines/nightly/{act}", **fields)
    assert answer.status_code in (400, 409)
    assert app.books.holds.since(app.clock.now()) == []


def test_today_says_the_verdict_and_how_each_routine_stands(
    app: App, signed_in: SignedIn, start_run: Callable[..., Run], open_task: Open, clock: FakeClock
) -> None:
    clock.move(days=-2)
    start_run(RunStatus.SUCCEEDED)
    clock.move(days=1)
    start_run(RunStatus.MISSED)
    start_run(RunStatus.SUCCEEDED)
    clock.move(days=1)
    run = start_run(RunStatus.FAILED)
    end_step(app, run, Outcome(status=StepStatus.FAILED, message="lost connection"), at=clock)
    open_task(role="boss", title="Decide about rack 4", due_at=clock.now() - timedelta(hours=2))
    text = signed_in("boss").get("/today").text
    assert "Decide about rack 4" in text
    assert "dump: lost connection" in text
    assert '<i class="nothing"></i><i class="fine"></i><i class="missed"></i><i class="failed"></i></span>' in text
    assert "18 Nov: fine, 19 Nov: missed, 20 Nov: failed" in text
    assert signed_in("ops1").get("/today").status_code == 403


def test_today_of_an_empty_site_is_calm(signed_in: SignedIn) -> None:
    answer = signed_in("boss").get("/today")
    assert answer.status_code == 200
    assert "never ran" in answer.text


def test_a_run_for_a_row_shows_its_key_and_what_the_row_held(
    app: App, signed_in: SignedIn, start_run: Callable[..., Run]
) -> None:
    run = start_run(RunStatus.SUCCEEDED)
    app.books.known_rows.give(run.id, KeyedRow(key=f"17 {HOSTILE}", row={"number": 17, "note": HOSTILE}))
    text = signed_in("boss").get(f"/runs/{run.id}").text
    assert f"Run {run.id} for 17 &lt;script&gt;" in text
    assert "number 17, note &lt;script&gt;" in text
    assert "<script>alert" not in text
    assert "for 17 &lt;script&gt;" in signed_in("boss").get(f"/routines/{run.routine}").text
