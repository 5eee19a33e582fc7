"""What is old goes with its files, a little at a time; what was promised stays promised."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import pytest

from opsrunner.clock import Clock, SystemClock
from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest import DigestWriter
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.engine.retention import Retention
from opsrunner.ledger.digests import SentDigest
from opsrunner.ledger.requests import Request
from opsrunner.ledger.retention import SLICE
from opsrunner.ledger.service import Gap
from opsrunner.model.finding import Acceptance, Audited, Cause, Finding, HostReport, Sample, Severity
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.person import Absence
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.schedule import CalendarRule, DigestTimes, Frame, Schedule
from opsrunner.model.site import Limits
from opsrunner.model.task import Evidence, NewTask, TaskKind, TaskStatus
from opsrunner.testing import FakeClock

from ...patience import until

DAY = timedelta(days=1)
LIMITS = Limits(keep_runs_seconds=100 * 86400, keep_tasks_seconds=200 * 86400)
DUMP = StepPlan(id="dump", kind="run")


@pytest.fixture
def retention(desk: Desk, now: datetime, put_in_force: Callable[..., Any]) -> Callable[..., Retention]:
    """Build it for a site that sends no digest and keeps runs for 100 days, tasks for 200."""

    def build(*, clock: Clock | None = None, digest: DigestTimes | None = None) -> Retention:
        site = put_in_force(limits=LIMITS, digest=digest or DigestTimes())
        digests = DigestWriter(desk, loaded=lambda: Loaded(site=site))
        return Retention(
            books=desk.books,
            state=desk.state,
            site=desk.site,
            digests=digests,
            marks=EntryMarks(desk.state / "entered"),
            clock=clock or FakeClock(now),
        )

    return build


@pytest.fixture
def ended(desk: Desk, start: Callable[..., Run]) -> Callable[[datetime], Run]:
    """A run with a step and an output file that ended at a moment."""

    def make(at: datetime) -> Run:
        run = start(at=at)
        desk.books.steps.finish(run.id, 0, DUMP, outcome=Outcome(status=StepStatus.SUCCEEDED), at=at)
        desk.books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=at)
        folder = desk.state / "runs" / str(run.id)
        folder.mkdir(parents=True)
        (folder / "dump.log").write_text("done")
        return run

    return make


def closed(desk: Desk, at: datetime, *, run: int | None = None) -> int:
    new = NewTask(
        kind=TaskKind.AD_HOC, run=run, routine=None, step="", item="x", title="Look", role="boss", opened_at=at
    )
    task, _ = desk.books.tasks.open(new)
    desk.books.tasks.climb(task.id, "remind -1h", at=at)
    (desk.state / "evidence" / str(task.id)).mkdir(parents=True)
    (desk.state / "evidence" / str(task.id) / "photo.png").write_bytes(b"x")
    desk.books.tasks.close(task.id, status=TaskStatus.DONE, by="boss", evidence=Evidence(), at=at)
    return task.id


def count(desk: Desk, table: str) -> int:
    row = desk.books.ledger.one(f"SELECT count(*) FROM {table}")
    assert row is not None
    return int(row[0])


def test_a_run_goes_with_its_steps_and_files_and_leaves_its_tasks(
    desk: Desk, retention: Callable[..., Retention], ended: Callable[[datetime], Run], now: datetime
) -> None:
    old, kept, newest = ended(now - 101 * DAY), ended(now - 99 * DAY), ended(now)
    rerun = desk.books.ledger.change("UPDATE runs SET rerun_of = ? WHERE id = ?", (old.id, kept.id))
    task = closed(desk, now - 101 * DAY, run=old.id)
    retention().prune(now)
    assert rerun == 1
    assert [run.id for run in desk.books.runs.listed()] == [newest.id, kept.id]
    assert desk.books.runs.get(kept.id).rerun_of is None
    assert sorted(path.name for path in (desk.state / "runs").iterdir()) == [str(kept.id), str(newest.id)]
    assert count(desk, "steps") == 2
    assert desk.books.tasks.get(task).run is None


def test_the_newest_end_stays_so_that_its_number_is_never_given_again(
    desk: Desk, retention: Callable[..., Retention], ended: Callable[[datetime], Run], now: datetime
) -> None:
    ended(now - 300 * DAY)
    last = ended(now - 299 * DAY)
    retention().prune(now)
    assert [run.id for run in desk.books.runs.listed()] == [last.id]


def test_a_run_waits_for_every_digest_that_is_sent(
    desk: Desk, retention: Callable[..., Retention], ended: Callable[[datetime], Run], now: datetime
) -> None:
    old, newest = ended(now - 150 * DAY), ended(now)
    at_seven = CalendarRule(every="day", at=(time_of_day(7),), frame=Frame(timezone="UTC"))
    keeping = retention(digest=DigestTimes(daily=Schedule(rules=(at_seven,))))
    keeping.prune(now)
    assert len(desk.books.runs.listed()) == 2
    told = SentDigest(id=0, series="daily", from_at=now - DAY, until_at=now, created_at=now, subject="", text="t",
                      html="h", runs=1, through=1)  # fmt: skip
    desk.books.digests.write(told)
    keeping.prune(now)
    assert [run.id for run in desk.books.runs.listed()] == [newest.id]
    assert old.id == 1


def test_a_task_goes_long_after_its_run_with_its_rungs_and_its_evidence(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    closed(desk, now - 201 * DAY)
    kept = closed(desk, now - 199 * DAY)
    retention().prune(now)
    assert (count(desk, "tasks"), count(desk, "rungs")) == (1, 1)
    assert [path.name for path in (desk.state / "evidence").iterdir()] == [str(kept)]


def test_a_closed_task_of_a_run_that_still_waits_stays(
    desk: Desk, retention: Callable[..., Retention], start: Callable[..., Run], now: datetime
) -> None:
    waiting = start(at=now - 300 * DAY)
    task = closed(desk, now - 299 * DAY, run=waiting.id)
    retention().prune(now)
    assert desk.books.tasks.get(task).run == waiting.id


def test_mails_lose_their_texts_and_then_go_but_never_a_promise(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    def mail(age_days: int, unique: str) -> int:
        new = NewMail(to="a@example.com", subject="s", text="t", html="h", about="x", unique=unique)
        at = now - age_days * DAY
        (mail_id,) = desk.books.outbox.put([new], at=at)
        desk.books.outbox.sent(mail_id, at)
        return mail_id

    mail(101, "urgent-1"), mail(101, "once welcome-7 a@example.com"), mail(31, "urgent-2"), mail(29, "urgent-3")
    (waits,) = desk.books.outbox.put(
        [NewMail(to="b@example.com", subject="s", text="t", about="x")], at=now - 300 * DAY
    )
    retention().prune(now)
    rows = desk.books.ledger.all('SELECT "unique", text FROM outbox ORDER BY id')
    assert [tuple(row) for row in rows] == [
        ("once welcome-7 a@example.com", ""),
        ("urgent-2", ""),
        ("urgent-3", "t"),
        (None, "t"),
    ]
    assert desk.books.outbox.knows("once welcome-7 a@example.com")
    assert [one.id for one in desk.books.outbox.queued()] == [waits]


def test_what_was_promised_once_and_what_people_did_is_never_forgotten(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    long_ago = now - 5000 * DAY
    desk.books.acts.begin("welcome-7", run=1, step="mail", at=long_ago)
    desk.books.audit.add("tick", "task 7", actor="boss", at=long_ago)
    retention().prune(now)
    assert not desk.books.acts.begin("welcome-7", run=99, step="mail", at=now)
    assert len(desk.books.audit.about("task 7")) == 1


def test_what_is_over_goes_and_what_is_not_stays(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    books = desk.books
    for days in (250, 150, 20):
        at = now - days * DAY
        books.service.note_gap(Gap(from_=at - DAY, until=at, reason="not running"))
        books.notes.add("slow", author="boss", at=at)
        books.holds.pause(f"r{days}", until=at, reason="x", actor="boss", at=at - DAY)
        books.holds.skip(f"r{days}", nominal_at=at, reason="x", actor="boss", at=at)
        books.requests.take(books.requests.ask_for_run("r", actor="boss", at=at), at=at, run=None)
        leave = Absence(id=0, kind="leave", person="boss", other=None, roster=None, from_=at - DAY, until=at, reason="",
                        entered_by="boss")  # fmt: skip
        books.absences.enter(leave, at=at)
        for series in ("daily", "weekly"):
            books.digests.write(
                SentDigest(id=0, series=series, from_at=at - DAY, until_at=at, created_at=at, subject="s", text="t",
                           html="h", runs=0)
            )  # fmt: skip
    open_request: Request | None = books.requests.get(books.requests.ask_for_run("r", actor="boss", at=now - 300 * DAY))
    retention().prune(now)
    left = {table: count(desk, table) for table in ("gaps", "notes", "holds", "requests", "absences", "digests")}
    assert left == {"gaps": 1, "notes": 2, "holds": 2, "requests": 2, "absences": 2, "digests": 4}
    assert open_request is not None
    assert books.requests.get(open_request.id) is not None
    pages = [row["html"] for row in books.ledger.all("SELECT html FROM digests ORDER BY until_at")]
    assert pages == ["", "", "h", "h"]
    assert books.digests.last("weekly") is not None


def test_a_digest_that_is_alone_stays_however_old(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    at = now - 900 * DAY
    digest = SentDigest(
        id=0, series="daily", from_at=at - DAY, until_at=at, created_at=at, subject="s", text="t", html="", runs=0
    )
    desk.books.digests.write(digest)
    retention().prune(now)
    assert desk.books.digests.last("daily") is not None


def test_texts_of_routines_go_when_no_run_and_no_routine_has_them(
    desk: Desk, retention: Callable[..., Retention], ended: Callable[[datetime], Run], now: datetime
) -> None:
    books = desk.books
    in_force, of_a_run, of_nothing = (books.runs.freeze(text) for text in ("new", "before", "long ago"))
    books.routines.see({"nightly": "Nightly"}, at=now)
    books.routines.keep("nightly", frozen=in_force)
    run = ended(now)
    books.ledger.change("UPDATE runs SET frozen = ? WHERE id = ?", (of_a_run, run.id))
    retention().prune(now)
    texts = [books.runs.frozen_body(name) for name in (in_force, of_a_run, of_nothing)]
    assert texts == ["new", "before", ""]
    assert books.runs.freeze("long ago") == of_nothing
    assert books.runs.frozen_body(of_nothing) == "long ago"


def test_written_lists_and_pages_go_by_their_day(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    lists, gone, pages = (desk.state / name for name in ("checklists/nightly", "checklists/gone", "digests"))
    for folder in (lists, gone, pages):
        folder.mkdir(parents=True)
    for path in (lists / "2026-04-01-run1.md", lists / "2026-11-01-run9.md", gone / "2025-01-01-run2.md"):
        path.write_text("- [x] done")
    (lists / "notes-of-mine.md").write_text("kept")
    for name, days in (("daily-1.html", 100), ("daily-2.html", 10)):
        (pages / name).write_text("x")
        then = (now - days * DAY).timestamp()
        os.utime(pages / name, (then, then))
    retention().prune(now)
    assert sorted(path.name for path in lists.iterdir()) == ["2026-11-01-run9.md", "notes-of-mine.md"]
    assert not gone.exists()
    assert [path.name for path in pages.iterdir()] == ["daily-2.html"]


def test_a_routine_that_is_gone_goes_when_nothing_is_left_of_it(
    desk: Desk, retention: Callable[..., Retention], ended: Callable[[datetime], Run], now: datetime
) -> None:
    desk.books.routines.see({"nightly": "Nightly", "other": "Other", "gone": "Gone"}, at=now - 300 * DAY)
    desk.books.routines.see({"other": "Other"}, at=now - 250 * DAY)
    ended(now)
    retention().prune(now)
    assert sorted(desk.books.routines.all()) == ["nightly", "other"]


def test_what_a_forgotten_routine_audited_goes_with_it_a_slice_at_a_time(
    desk: Desk, retention: Callable[..., Retention], ended: Callable[[datetime], Run], now: datetime
) -> None:
    books, at = desk.books, now - 250 * DAY
    tables = ("findings", "causes", "examinations", "samples", "host_facts")
    ended(now)
    books.routines.see({"gone": "Gone", "nightly": "Nightly"}, at=now - 300 * DAY)
    books.routines.see({"nightly": "Nightly"}, at=at)
    books.findings.write(audited("nightly", at=now, hosts=1))
    books.samples.write(audited("nightly", at=now, hosts=1))
    kept = {table: count(desk, table) for table in tables}
    books.findings.write(audited("gone", at=now, hosts=SLICE + 9))
    books.samples.write(audited("gone", at=now, hosts=SLICE + 9))

    assert books.forgetting.forget_routines(before=now - 200 * DAY) == 1 + 4 * SLICE
    assert "gone" in books.routines.all()
    retention().prune(now)

    assert "gone" not in books.routines.all()
    assert {table: count(desk, table) for table in tables} == kept
    assert all(kept.values())


def audited(routine: str, *, at: datetime, hosts: int) -> Audited:
    names = [f"web{number}" for number in range(hosts)]
    reports = tuple(
        HostReport(
            host=host,
            examined=frozenset({"reboot"}),
            findings=(Finding(host=host, cause="reboot", severity=Severity.LOW, detail="x"),),
            samples=(Sample(subject="/", used_bytes=1, size_bytes=2),),
            facts={"updates": 1},
        )
        for host in names
    )
    causes = {"reboot": Cause(name="reboot", title="Restart", how="Restart it.")}
    return Audited(routine=routine, step="audit", run=1, at=at, reports=reports, hosts=frozenset(names), causes=causes)


def test_acceptances_go_long_after_they_ended_and_never_while_they_hold(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    def accepted(host: str, *, until: datetime) -> Acceptance:
        given = now - 300 * DAY
        return Acceptance(host=host, cause="reboot", subject="", until=until, reason="x", by="boss", at=given)

    long_over, over = accepted("web1", until=now - 201 * DAY), accepted("web2", until=now - 199 * DAY)
    lifted, good = accepted("web3", until=now + DAY), accepted("web4", until=now + DAY)
    desk.books.findings.accept([long_over, over, lifted, good])
    desk.books.findings.lift([lifted], at=now - 250 * DAY)

    retention().prune(now)

    left = desk.books.ledger.all("SELECT host FROM acceptances ORDER BY host")
    assert [row["host"] for row in left] == ["web2", "web4"]


def test_many_old_runs_go_a_little_at_a_time_and_nobody_waits_long(
    desk: Desk, retention: Callable[..., Retention], now: datetime
) -> None:
    _fill(desk, 3_000, at=now - 300 * DAY)
    keeping, took = retention(clock=SystemClock()), list[float]()
    done = threading.Event()
    waits: list[float] = []

    def write_meanwhile() -> None:
        while not done.is_set():
            before = time.monotonic()
            desk.books.service.remember("meanwhile", str(before))
            waits.append(time.monotonic() - before)
            time.sleep(0.005)

    writer = threading.Thread(target=write_meanwhile)
    writer.start()
    try:
        until(lambda: waits)
        while count(desk, "runs") > 1:
            before, left = time.monotonic(), count(desk, "runs")
            keeping.prune(now)
            took.append(time.monotonic() - before)
            assert left - count(desk, "runs") >= min(SLICE, left - 1)
    finally:
        done.set()
        writer.join()
    assert len(took) > 5, "it was removed in one go"
    assert sorted(waits)[-3] < 1.0, "two may have waited for a busy machine"
    assert sorted(took)[-3] < 1.0


def _fill(desk: Desk, runs: int, *, at: datetime) -> None:
    moment = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with desk.books.transaction():
        for number in range(1, runs + 1):
            desk.books.ledger.change(
                "INSERT INTO runs(routine, trigger, status, created_at, finished_at, ended) VALUES"
                " ('nightly', 'manual', 'succeeded', ?, ?, ?)",
                (moment, moment, number),
            )
            desk.books.ledger.change(
                "INSERT INTO steps(run, position, id, kind, status, outcome)"
                " VALUES (?, 0, 'dump', 'run', 'succeeded', ?)",
                (number, "x" * 600),
            )


def test_files_go_before_the_rows_that_name_them(
    desk: Desk,
    retention: Callable[..., Retention],
    ended: Callable[[datetime], Run],
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crash in between leaves a run without its logs, which goes the next time, and no folder that nobody knows."""
    old = ended(now - 200 * DAY)
    ended(now)
    keeping = retention()

    def die(run_ids: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr(desk.books.forgetting, "forget_runs", die)
        with pytest.raises(KeyboardInterrupt):
            keeping.prune(now)
    assert not (Path(desk.state) / "runs" / str(old.id)).exists()
    assert desk.books.runs.get(old.id).status is RunStatus.SUCCEEDED
    keeping.prune(now)
    assert len(desk.books.runs.listed()) == 1
