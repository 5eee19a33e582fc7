"""What people do to tasks, and what is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.desk import Desk
from opsrunner.engine.ticks import Ticks
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.person import Person
from opsrunner.model.routine import Due, EvidenceSpec, Routine, StepPlan
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus

Team = dict[str, Person]
Start = Callable[..., Run]
Open = Callable[..., Task]
DONE = TaskStatus.DONE


@pytest.fixture
def ticks(desk: Desk) -> Ticks:
    return Ticks(desk)


@pytest.fixture
def open_task(desk: Desk, now: datetime) -> Open:
    """Open a task of the routine `nightly`."""

    def open_one(**changes: Any) -> Task:
        values: dict[str, Any] = {
            "kind": TaskKind.ROUTINE,
            "run": None,
            "routine": "nightly",
            "step": "ask",
            "item": "ask",
            "title": "Read the report",
            "role": "sysadmin",
            "opened_at": now,
        }
        task, _ = desk.books.tasks.open(NewTask(**{**values, **changes}))
        return task

    return open_one


def test_a_tick_keeps_who_when_and_what_with_a_record_of_it(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task()
    closed = ticks.tick(
        task.id, actor=team["ops1"], status=DONE, evidence=Evidence(note=" fine\x00 "), at=now, address="192.0.2.7"
    )
    assert (closed.status, closed.closed_by, closed.closed_at) == (DONE, "ops1", now)
    assert closed.evidence == Evidence(note="fine")
    assert closed.settles_at == now + timedelta(seconds=30)
    (record,) = desk.books.audit.about(f"task {task.id}")
    assert (record.action, record.actor, record.address, record.at) == ("tick", "ops1", "192.0.2.7", now)
    assert record.detail == "done; fine"


def test_the_same_tick_again_changes_nothing(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task()
    first = ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(note="fine"), at=now)
    later = now + timedelta(minutes=5)
    for evidence in (Evidence(note="fine "), Evidence()):
        assert ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=evidence, at=later) == first
    assert len(desk.books.audit.about(f"task {task.id}")) == 1


@pytest.mark.parametrize(
    ("who", "status", "note"),
    [("ops2", DONE, ""), ("ops1", TaskStatus.COULD_NOT, ""), ("ops1", DONE, "something else")],
    ids=["somebody else", "another mark", "another note"],
)
def test_a_second_tick_that_says_something_else_is_told_who_was_first_and_when(
    ticks: Ticks, open_task: Open, team: Team, now: datetime, who: str, status: TaskStatus, note: str
) -> None:
    task = open_task()
    ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(note="fine"), at=now)
    with pytest.raises(Refused, match=rf"task {task.id} is closed already: done by ops1, Fri 20 Nov 07:00"):
        ticks.tick(task.id, actor=team[who], status=status, evidence=Evidence(note=note), at=now)


def test_of_two_who_tick_at_once_one_wins(desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime) -> None:
    task = open_task()
    ready, won, refused = threading.Barrier(2), list[str](), list[str]()

    def tick(who: str) -> None:
        ready.wait()
        try:
            ticks.tick(task.id, actor=team[who], status=DONE, evidence=Evidence(), at=now)
            won.append(who)
        except Refused as exc:
            refused.append(exc.message)

    threads = [threading.Thread(target=tick, args=(who,)) for who in ("ops1", "ops2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(refused) == 1
    assert desk.books.tasks.get(task.id).closed_by == won[0]
    assert f"by {won[0]}" in refused[0]
    assert len(desk.books.audit.about(f"task {task.id}")) == 1


def test_a_viewer_may_not_work_on_tasks(ticks: Ticks, open_task: Open, team: Team, now: datetime) -> None:
    task = open_task()
    eye = team["eye"]
    acts: list[Callable[[], object]] = [
        lambda: ticks.tick(task.id, actor=eye, status=DONE, evidence=Evidence(), at=now),
        lambda: ticks.claim(task.id, actor=eye, at=now),
        lambda: ticks.hand_over(task.id, "ops1", actor=eye, at=now),
        lambda: ticks.hand_over(task.id, "eye", actor=team["ops1"], at=now),
        lambda: ticks.undo(task.id, actor=eye, at=now),
        lambda: ticks.add("More", actor=eye, at=now),
    ]
    for act in acts:
        with pytest.raises(Refused, match="may look, but not work on tasks"):
            act()


def test_only_the_three_marks_are_for_people(ticks: Ticks, open_task: Open, team: Team, now: datetime) -> None:
    for status in (TaskStatus.MISSED, TaskStatus.OPEN):
        with pytest.raises(UsageError, match="cannot mark"):
            ticks.tick(open_task().id, actor=team["boss"], status=status, evidence=Evidence(), at=now)


def test_a_task_that_is_not_there_is_named(ticks: Ticks, team: Team, now: datetime) -> None:
    with pytest.raises(NotFound, match="there is no task 99"):
        ticks.tick(99, actor=team["boss"], status=DONE, evidence=Evidence(), at=now)


NUMBER = EvidenceSpec(number="required", number_name="free GB", minimum=10, maximum=100)


@pytest.mark.parametrize(
    ("spec", "evidence", "said"),
    [
        (EvidenceSpec(note="required"), Evidence(), "needs a note"),
        (EvidenceSpec(note="required"), Evidence(note=" \n "), "needs a note"),
        (NUMBER, Evidence(), "needs a number: free GB"),
        (NUMBER, Evidence(number=9.9), "free GB 9.9 is below 10"),
        (NUMBER, Evidence(number=100.5), "free GB 100.5 is above 100"),
        (NUMBER, Evidence(number=float("nan")), "must be a finite number"),
        (NUMBER, Evidence(number=float("inf")), "must be a finite number"),
        (EvidenceSpec(choice=("yes", "no")), Evidence(), "needs a choice: yes, no"),
        (EvidenceSpec(choice=("yes", "no")), Evidence(choice="maybe"), "'maybe' is no choice"),
        (EvidenceSpec(file="required"), Evidence(), "needs a file"),
    ],
)
def test_it_refuses_a_tick_without_the_evidence_that_is_asked_for(
    desk: Desk,
    ticks: Ticks,
    open_task: Open,
    team: Team,
    now: datetime,
    spec: EvidenceSpec,
    evidence: Evidence,
    said: str,
) -> None:
    task = open_task(evidence_spec=spec)
    with pytest.raises(Refused, match=said):
        ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=evidence, at=now)
    assert desk.books.tasks.get(task.id).is_open


@pytest.mark.parametrize("number", [10, 55.5, 100])
def test_it_takes_a_number_within_its_bounds(
    ticks: Ticks, open_task: Open, team: Team, now: datetime, number: float
) -> None:
    task = open_task(evidence_spec=NUMBER)
    closed = ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(number=number), at=now)
    assert closed.evidence.number == number


@pytest.mark.parametrize("status", [TaskStatus.NOT_APPLICABLE, TaskStatus.COULD_NOT])
def test_what_is_not_done_needs_no_number_but_its_note(
    ticks: Ticks, open_task: Open, team: Team, now: datetime, status: TaskStatus
) -> None:
    numbered = open_task(evidence_spec=NUMBER)
    assert ticks.tick(numbered.id, actor=team["ops1"], status=status, evidence=Evidence(), at=now).status is status
    noted = open_task(evidence_spec=EvidenceSpec(note="required"))
    with pytest.raises(Refused, match="needs a note"):
        ticks.tick(noted.id, actor=team["ops1"], status=status, evidence=Evidence(), at=now)


def test_what_the_machine_would_tick_needs_a_note_from_a_person(
    ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task(done_when="steps.drill.status == 'succeeded'")
    with pytest.raises(Refused, match="say in a note why you do"):
        ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now)
    closed = ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(note="tried it"), at=now)
    assert closed.evidence.note == "tried it"


def test_nobody_can_pass_an_outcome_off_as_the_machines(
    ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    evidence = Evidence(outcome="drill succeeded")
    closed = ticks.tick(open_task().id, actor=team["ops1"], status=DONE, evidence=evidence, at=now)
    assert closed.evidence.outcome == ""


ROWS = ({"domain": "a.example"}, {"domain": "b.example"}, {"domain": "c.example"})


def test_single_rows_of_an_approval_can_be_struck(ticks: Ticks, open_task: Open, team: Team, now: datetime) -> None:
    task = open_task(approve_by="owner", role="owner", rows=ROWS)
    closed = ticks.tick(task.id, actor=team["boss"], status=DONE, evidence=Evidence(), struck=[2, 0, 2], at=now)
    assert closed.struck == (0, 2)


@pytest.mark.parametrize("struck", [[3], [-1]])
def test_a_row_that_is_not_there_cannot_be_struck(
    ticks: Ticks, open_task: Open, team: Team, now: datetime, struck: list[int]
) -> None:
    task = open_task(approve_by="owner", role="owner", rows=ROWS)
    with pytest.raises(Refused, match="has 3 rows"):
        ticks.tick(task.id, actor=team["boss"], status=DONE, evidence=Evidence(), struck=struck, at=now)


@pytest.mark.parametrize(
    ("by", "actor", "said"),
    [
        ("owner", "ops1", "only an owner"),
        ("support", "ops1", ""),
        ("ops2", "ops1", "only ops2"),
        ("ops2", "boss", ""),
    ],
    ids=["not the owner", "has the role", "another person", "an owner may all"],
)
def test_an_approval_belongs_to_whom_it_names(
    ticks: Ticks, open_task: Open, team: Team, now: datetime, by: str, actor: str, said: str
) -> None:
    task = open_task(approve_by=by, role=by, rows=ROWS)
    if said:
        with pytest.raises(Refused, match=said):
            ticks.tick(task.id, actor=team[actor], status=DONE, evidence=Evidence(), at=now)
        with pytest.raises(Refused, match=said):
            ticks.claim(task.id, actor=team[actor], at=now)
    else:
        ticks.tick(task.id, actor=team[actor], status=DONE, evidence=Evidence(), at=now)


@pytest.mark.parametrize(
    ("trigger", "started_by", "is_allowed"),
    [
        (Trigger.MANUAL, "boss", False),
        (Trigger.RERUN, "boss", False),
        (Trigger.MANUAL, "ops1", True),
        (Trigger.SCHEDULE, "", True),
    ],
)
def test_who_ran_the_routine_by_hand_does_not_approve_its_list(
    ticks: Ticks,
    open_task: Open,
    start: Start,
    team: Team,
    now: datetime,
    trigger: Trigger,
    started_by: str,
    is_allowed: bool,
) -> None:
    run = start(trigger=trigger, actor=started_by)
    task = open_task(run=run.id, approve_by="owner", role="owner", rows=ROWS, approve_not_self=True)
    if is_allowed:
        ticks.tick(task.id, actor=team["boss"], status=DONE, evidence=Evidence(), at=now)
    else:
        with pytest.raises(Refused, match="by hand, so somebody else has to approve it"):
            ticks.tick(task.id, actor=team["boss"], status=DONE, evidence=Evidence(), at=now)


def test_a_tick_can_be_undone_for_half_a_minute(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task(approve_by="owner", role="owner", rows=ROWS)
    ticks.tick(task.id, actor=team["boss"], status=DONE, evidence=Evidence(note="x"), struck=[0], at=now)
    opened = ticks.undo(task.id, actor=team["boss"], at=now + timedelta(seconds=29))
    assert opened == task
    assert [record.action for record in desk.books.audit.about(f"task {task.id}")] == ["tick", "undo"]


def test_undo_ends_after_half_a_minute(ticks: Ticks, open_task: Open, team: Team, now: datetime) -> None:
    task = open_task()
    ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now)
    with pytest.raises(Refused, match="too late to undo"):
        ticks.undo(task.id, actor=team["ops1"], at=now + timedelta(seconds=30))
    assert ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now).status is DONE


def test_only_who_ticked_it_or_an_owner_may_undo_it(ticks: Ticks, open_task: Open, team: Team, now: datetime) -> None:
    task = open_task()
    ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now)
    with pytest.raises(Refused, match="only who ticked it"):
        ticks.undo(task.id, actor=team["ops2"], at=now)
    assert ticks.undo(task.id, actor=team["boss"], at=now).is_open


def test_what_the_machine_or_time_closed_cannot_be_undone(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task()
    desk.books.tasks.close(task.id, status=TaskStatus.MISSED, by="opsrunner", evidence=Evidence(), at=now)
    with pytest.raises(Refused, match="too late to undo"):
        ticks.undo(task.id, actor=team["boss"], at=now)
    with pytest.raises(Refused, match="is open"):
        ticks.undo(open_task().id, actor=team["boss"], at=now)


def test_there_is_no_undo_once_the_run_has_gone_on(
    desk: Desk, ticks: Ticks, open_task: Open, start: Start, team: Team, now: datetime
) -> None:
    ended, went_on = start(), start()
    first, second = open_task(run=ended.id), open_task(run=went_on.id, wait=True)
    for task in (first, second):
        ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now)
    desk.books.runs.finish(ended.id, status=RunStatus.SUCCEEDED, reason="", at=now)
    outcome = Outcome(status=StepStatus.SUCCEEDED)
    desk.books.steps.finish(went_on.id, 0, StepPlan(id="ask", kind="task"), outcome=outcome, at=now)
    for task in (first, second):
        with pytest.raises(Refused, match="too late to undo"):
            ticks.undo(task.id, actor=team["ops1"], at=now)
        assert not desk.books.tasks.get(task.id).is_open


def test_undo_is_refused_when_a_task_about_the_same_key_has_come(
    ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task(key="17")
    ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now)
    open_task(key="17")
    with pytest.raises(Refused, match="too late to undo"):
        ticks.undo(task.id, actor=team["ops1"], at=now)


def test_the_first_claim_wins_and_names_its_holder_to_the_next(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task(role="support")
    assert ticks.claim(task.id, actor=team["ops1"], at=now).person == "ops1"
    assert ticks.claim(task.id, actor=team["ops1"], at=now).person == "ops1"
    with pytest.raises(Refused, match="First technician has it already"):
        ticks.claim(task.id, actor=team["ops2"], at=now)
    assert [record.action for record in desk.books.audit.about(f"task {task.id}")] == ["claim"]


def test_a_task_is_handed_over_and_given_back(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime
) -> None:
    task = open_task()
    assert ticks.hand_over(task.id, "ops2", actor=team["ops1"], at=now).person == "ops2"
    assert ticks.hand_over(task.id, "The owner", actor=team["ops1"], at=now).person == "boss"
    assert ticks.hand_over(task.id, None, actor=team["boss"], at=now).person is None
    details = [record.detail for record in desk.books.audit.about(f"task {task.id}")]
    assert details == ["to ops2", "to boss", "to sysadmin"]
    with pytest.raises(NotFound, match="there is no person 'nobody'"):
        ticks.hand_over(task.id, "nobody", actor=team["boss"], at=now)


def test_a_closed_task_is_neither_claimed_nor_handed_over(
    ticks: Ticks, open_task: Open, team: Team, now: datetime, tmp_path: Path
) -> None:
    task = open_task()
    closed = ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now)
    acts: list[Callable[[], object]] = [
        lambda: ticks.claim(task.id, actor=team["ops2"], at=now),
        lambda: ticks.hand_over(task.id, "ops2", actor=team["ops1"], at=now),
        lambda: ticks.attach(tmp_path / "ledger.db", closed),
    ]
    for act in acts:
        with pytest.raises(Refused, match="closed already"):
            act()


def test_an_ad_hoc_task_is_its_authors_unless_it_names_somebody(
    desk: Desk, ticks: Ticks, team: Team, now: datetime
) -> None:
    mine = ticks.add("Call the\nvendor", actor=team["ops1"], at=now, link="https://example.com/v")
    assert (mine.title, mine.role, mine.person, mine.kind) == ("Call the vendor", "ops1", None, TaskKind.AD_HOC)
    assert (mine.expires, mine.opened_by, mine.link) == ("never", "ops1", "https://example.com/v")
    theirs = ticks.add("Swap disk", actor=team["ops1"], at=now, role="on-call", due=Due(at=time(10)))
    assert (theirs.role, theirs.due_at) == ("on-call", now + timedelta(hours=3))
    named = ticks.add("Ask", actor=team["boss"], at=now, person="ops2", due=now)
    assert (named.role, named.person, named.due_at) == ("ops2", "ops2", now)
    assert not any(task.holds_run for task in desk.books.tasks.opened())
    assert [record.action for record in desk.books.audit.about(f"task {mine.id}")] == ["add"]


def test_an_ad_hoc_task_for_nobody_or_without_a_title_is_refused(ticks: Ticks, team: Team, now: datetime) -> None:
    with pytest.raises(NotFound, match="no role, roster or person 'plumber'"):
        ticks.add("Pipes", actor=team["boss"], at=now, role="plumber")
    with pytest.raises(NotFound, match="no person 'ghost'"):
        ticks.add("Boo", actor=team["boss"], at=now, person="ghost")
    with pytest.raises(UsageError, match="needs a title"):
        ticks.add(" \r\n\x00", actor=team["boss"], at=now)
    with pytest.raises(UsageError, match="no web address"):
        ticks.add("Look", actor=team["boss"], at=now, link="javascript:alert(1)")


def test_an_attached_file_is_kept_privately_and_named_by_the_tick(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime, tmp_path: Path
) -> None:
    photo = tmp_path / "rack photo.png"
    photo.write_bytes(b"picture")
    photo.chmod(0o644)
    task = open_task(evidence_spec=EvidenceSpec(file="required"))
    kept = ticks.attach(photo, task)
    assert kept == f"evidence/{task.id}/rack_photo.png"
    assert (desk.state / kept).read_bytes() == b"picture"
    assert (desk.state / kept).stat().st_mode & 0o777 == 0o600
    assert ticks.attach(photo, task) == f"evidence/{task.id}/rack_photo-2.png"
    closed = ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(file=kept), at=now)
    assert closed.evidence.file == kept
    assert sorted(path.name for path in (desk.state / kept).parent.iterdir()) == [
        "rack_photo-2.png",
        "rack_photo.png",
    ]


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "evidence/{id}/../../ledger.db",
        "evidence/{other}/theirs.txt",
        "evidence/{id}/missing.txt",
        "evidence/{id}/link.txt",
        "evidence/{id}",
        "ledger.db",
    ],
)
def test_a_path_that_was_not_attached_to_the_task_is_no_evidence(
    desk: Desk, ticks: Ticks, open_task: Open, team: Team, now: datetime, tmp_path: Path, file: str
) -> None:
    task, other = open_task(), open_task()
    source = tmp_path / "theirs.txt"
    source.write_text("x")
    ticks.attach(source, other)
    ticks.attach(source, task)
    (desk.state / "evidence" / str(task.id) / "link.txt").symlink_to("/etc/passwd")
    evidence = Evidence(file=file.format(id=task.id, other=other.id))
    with pytest.raises(Refused, match="was not attached to task"):
        ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=evidence, at=now)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("..hidden", "hidden"),
        (".env", "env"),
        ("a b;rm -rf.txt", "a_b_rm_-rf.txt"),
        ("ÿÿ", "file"),
        ("x" * 200, "x" * 100),
    ],
)
def test_the_name_of_an_attached_file_is_made_harmless(
    ticks: Ticks, open_task: Open, tmp_path: Path, name: str, kept: str
) -> None:
    (tmp_path / name).write_text("x")
    assert Path(ticks.attach(tmp_path / name, open_task())).name == kept


def test_what_is_no_file_of_a_sane_size_is_not_attached(ticks: Ticks, open_task: Open, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "big").open("wb") as file:
        file.truncate(20_000_001)
    task = open_task()
    for name, said in (("pipe", "is not a file"), ("missing", "No such file"), (".", "directory"), ("big", "20 MB")):
        with pytest.raises(UsageError, match=said):
            ticks.attach(tmp_path / name, task)


def test_a_tick_brings_the_checklist_file_up_to_date(
    desk: Desk,
    ticks: Ticks,
    open_task: Open,
    start: Start,
    make_routine: Callable[..., Routine],
    team: Team,
    now: datetime,
) -> None:
    make_routine(StepPlan(id="ask", kind="task"))
    run = start()
    task = open_task(run=run.id)
    ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(note="all there"), at=now)
    (path,) = (desk.state / "checklists" / "nightly").iterdir()
    assert "- [x] Read the report (First technician, Fri 20 Nov 07:00, all there)" in path.read_text()


def test_a_tick_counts_although_its_checklist_file_cannot_be_written(
    desk: Desk,
    ticks: Ticks,
    open_task: Open,
    start: Start,
    make_routine: Callable[..., Routine],
    team: Team,
    now: datetime,
) -> None:
    make_routine(StepPlan(id="ask", kind="task"))
    (desk.state / "checklists").write_text("in the way")
    task = open_task(run=start().id)
    assert ticks.tick(task.id, actor=team["ops1"], status=DONE, evidence=Evidence(), at=now).status is DONE
