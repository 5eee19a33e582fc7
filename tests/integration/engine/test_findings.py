"""From finding to person: one task a cause, a baseline at first, and what was accepted stays quiet until its day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsrunner.engine.accepting import Accepting
from opsrunner.engine.desk import Desk
from opsrunner.engine.findings import FindingTasks
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.model.finding import BASELINE, Audited, Cause, Finding, HostReport, Severity, TaskRule
from opsrunner.model.routine import Due, Escalation, Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.site import Host, Site
from opsrunner.model.task import Evidence, Task, TaskKind, TaskStatus

AUDIT = StepPlan(id="audit", kind="patch_audit")
DAY = timedelta(days=1)
CAUSES = {
    "security": Cause(name="security", title="Install the security updates", how="Read what each one changes."),
    "reboot": Cause(name="reboot", title="Restart the machine", how="Choose a quiet hour."),
}
RULE = TaskRule(
    role="ops1",
    due={Severity.HIGH: Due(after_seconds=3600), Severity.MEDIUM: Due(after_seconds=7200)},
    escalate=(Escalation(after_seconds=60, to="boss"),),
)
Make = Callable[..., Routine]


def openssl(host: str, version: str = "3.0.17") -> Finding:
    return Finding(
        host=host,
        cause="security",
        subject="openssl",
        severity=Severity.HIGH,
        detail=f"3.0.11 → {version}",
        mark=version,
    )


def reboot(host: str, severity: Severity = Severity.MEDIUM) -> Finding:
    return Finding(host=host, cause="reboot", severity=severity, detail="runs 6.1.0-30, newest is 6.1.0-38")


class Auditor:
    """Writes one audit after the other, each a day after the one before."""

    def __init__(self, desk: Desk, start: Callable[..., Run], routine: Routine, now: datetime) -> None:
        self._desk, self._start, self._routine = desk, start, routine
        self.at = now
        self.rule = RULE
        self.has_baseline = True

    def audit(self, **found: Iterable[Finding] | None) -> list[Task]:
        """Audit hosts by name; None is one that does not answer. Return the open tasks."""
        run = self._start()
        reports = tuple(
            HostReport(host=host, examined=frozenset(CAUSES), findings=tuple(findings))
            for host, findings in found.items()
            if findings is not None
        )
        self.write(run, reports, hosts=frozenset(found))
        return self._desk.books.tasks.opened()

    def write(self, run: Run, reports: tuple[HostReport, ...], *, hosts: frozenset[str]) -> None:
        audited = Audited(
            routine=self._routine.id,
            step=AUDIT.id,
            run=run.id,
            at=self.at,
            reports=reports,
            hosts=hosts,
            causes=CAUSES,
            tasks=self.rule,
            has_baseline=self.has_baseline,
        )
        with self._desk.books.transaction():
            FindingTasks(self._desk).audited(run, self._routine, AUDIT, audited, at=self.at)
        self.at += DAY


@pytest.fixture
def auditor(desk: Desk, start: Callable[..., Run], make_routine: Make, now: datetime) -> Auditor:
    return Auditor(desk, start, make_routine(AUDIT), now)


@pytest.fixture
def known(auditor: Auditor) -> Auditor:
    """Two hosts that were audited before, and had nothing."""
    assert auditor.audit(web1=[], web2=[]) == []
    return auditor


def close(desk: Desk, task: Task, *, at: datetime, status: TaskStatus = TaskStatus.DONE) -> None:
    assert desk.books.tasks.close(task.id, status=status, by="ops1", evidence=Evidence(), at=at)


def test_what_comes_is_one_task_a_cause_with_the_hosts_that_have_it(known: Auditor, now: datetime) -> None:
    task, other = known.audit(web1=[openssl("web1"), reboot("web1")], web2=[openssl("web2")])
    assert (task.title, task.key) == ("Install the security updates on web1 and web2", "security")
    assert (task.kind, task.role, task.expires) == (TaskKind.ROUTINE, "ops1", "never")
    assert task.row == {"severity": "high", "findings": 2, "hosts": ["web1", "web2"]}
    assert task.escalate == RULE.escalate
    assert (task.due_at, other.due_at) == (now + DAY + timedelta(hours=1), now + DAY + timedelta(hours=2))
    assert not task.holds_run
    assert other.title == "Restart the machine on web1"
    assert "- **web1**: openssl 3.0.11 → 3.0.17; since Sat 21 Nov" in task.how
    assert "Read what each one changes." in task.how


def test_the_next_audit_shrinks_it_then_closes_it_with_what_it_saw(known: Auditor, desk: Desk) -> None:
    (first,) = known.audit(web1=[openssl("web1")], web2=[openssl("web2")])
    (same,) = known.audit(web1=[openssl("web1")], web2=[])
    assert (same.id, same.title, same.count) == (first.id, "Install the security updates on web1", 2)
    assert same.message == "run 3: no longer on web2"
    assert same.due_at == first.due_at
    assert known.audit(web1=[], web2=[]) == []
    closed = desk.books.tasks.get(first.id)
    assert (closed.status, closed.closed_by) == (TaskStatus.DONE, "check")
    assert closed.evidence.outcome == "run 4: not found again: web1"


def test_a_host_that_does_not_answer_proves_nothing(known: Auditor) -> None:
    (first,) = known.audit(web1=[openssl("web1")], web2=[])
    (same,) = known.audit(web1=None, web2=[])
    assert (same.id, same.title) == (first.id, first.title)


def test_a_cause_that_was_not_looked_for_stays_as_it_stood(known: Auditor, start: Callable[..., Run]) -> None:
    known.audit(web1=[openssl("web1"), reboot("web1")], web2=[])
    half = HostReport(host="web1", examined=frozenset({"reboot"}), problems=("apt was not there",))
    known.write(start(), (half,), hosts=frozenset({"web1", "web2"}))
    assert [task.key for task in known._desk.books.tasks.opened()] == ["security"]


def test_a_cause_that_is_no_longer_looked_for_holds_nothing_open_and_is_not_called_mended(
    known: Auditor, desk: Desk, start: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    (task, other) = known.audit(web1=[openssl("web1"), reboot("web1")], web2=[])
    monkeypatch.delitem(CAUSES, "security")
    known.write(start(), (), hosts=frozenset({"web1", "web2"}))
    assert [task.key for task in desk.books.tasks.opened()] == [other.key]
    assert desk.books.tasks.get(task.id).evidence.outcome == "run 3: no longer looked for: web1"


def test_a_host_that_is_audited_no_more_holds_nothing_open(known: Auditor, desk: Desk) -> None:
    (task,) = known.audit(web1=[openssl("web1")], web2=[])
    assert known.audit(web2=[]) == []
    assert desk.books.tasks.get(task.id).evidence.outcome == "run 3: no longer audited: web1"
    ((gone, _),) = desk.books.findings.gone(host="web1", most=5)
    assert gone.finding.name == "security:openssl"
    (back,) = known.audit(web1=[openssl("web1")], web2=[])
    assert back.key == BASELINE


def test_who_ticked_it_is_asked_again_where_the_audit_still_finds_it(known: Auditor, desk: Desk) -> None:
    (first,) = known.audit(web1=[reboot("web1")], web2=[])
    close(desk, first, at=known.at)
    (again,) = known.audit(web1=[reboot("web1")], web2=[])
    assert again.id != first.id
    assert again.message == "First technician ticked it done on Sun 22 Nov; the audit still finds it"
    assert known.audit(web1=[], web2=[]) == []
    (new,) = known.audit(web1=[reboot("web1")], web2=[])
    assert new.message == ""


def test_what_was_mended_and_comes_again_is_no_doubt_about_the_tick(known: Auditor, desk: Desk) -> None:
    (first,) = known.audit(web1=[reboot("web1")], web2=[])
    close(desk, first, at=known.at)
    assert known.audit(web1=[], web2=[]) == []
    (again,) = known.audit(web1=[reboot("web1")], web2=[])
    assert again.message == ""


def test_a_tick_is_doubted_only_by_an_audit_that_looked(known: Auditor, desk: Desk) -> None:
    (first,) = known.audit(web1=[reboot("web1")], web2=[])
    close(desk, first, at=known.at)
    assert known.audit(web1=None, web2=[]) == []
    (again,) = known.audit(web1=[reboot("web1")], web2=[])
    assert again.message.endswith("the audit still finds it")


def test_a_cause_that_can_never_be_looked_for_to_the_end_has_one_baseline(
    auditor: Auditor, start: Callable[..., Run], desk: Desk
) -> None:
    for findings in ((openssl("web1"),), (openssl("web1"), replace(openssl("web1"), subject="bind9"))):
        report = HostReport(host="web1", examined=frozenset(), findings=findings, problems=("the lists are old",))
        auditor.write(start(), (report,), hosts=frozenset({"web1"}))
    assert {task.key for task in desk.books.tasks.opened()} == {BASELINE, "security"}


def test_an_event_on_a_host_that_is_known_is_no_baseline(known: Auditor, start: Callable[..., Run], desk: Desk) -> None:
    login = replace(openssl("web1"), subject="192.0.2.66", mark="")
    report = HostReport(host="web1", examined=frozenset({"reboot"}), findings=(login,))
    known.write(start(), (report,), hosts=frozenset({"web1", "web2"}))
    assert [task.key for task in desk.books.tasks.opened()] == ["security"]


def test_the_first_audit_opens_one_task_for_all_it_found(auditor: Auditor, desk: Desk) -> None:
    many = [replace(openssl("web1"), subject=f"package{number}") for number in range(60)]
    (task,) = auditor.audit(web1=[*many, reboot("web1")], web2=[reboot("web2")])
    assert (task.key, task.title) == (
        BASELINE,
        "Go through what was there at the first look at web1 and web2: patch audit",
    )
    assert "- **web1**: 60 security, reboot; since Fri 20 Nov" in task.how
    (task, new) = auditor.audit(web1=[reboot("web1"), openssl("web1")], web2=[reboot("web2")])
    assert (task.key, new.key) == (BASELINE, "security")
    close(desk, task, at=auditor.at)
    assert {task.key for task in auditor.audit(web1=[reboot("web1")], web2=[])} == {BASELINE}
    assert auditor.audit(web1=[], web2=[]) == []


def test_what_becomes_worse_leaves_the_baseline_and_is_due_sooner(auditor: Auditor) -> None:
    auditor.audit(web1=[reboot("web1")])
    (task,) = auditor.audit(web1=[reboot("web1", Severity.HIGH)])
    assert (task.key, task.row["severity"]) == ("reboot", "high")


def test_a_task_that_becomes_worse_is_due_sooner(known: Auditor, now: datetime) -> None:
    known.rule = replace(
        RULE, due={Severity.MEDIUM: Due(after_seconds=30 * 86400), Severity.HIGH: Due(after_seconds=60)}
    )
    known.audit(web1=[reboot("web1")], web2=[])
    (task,) = known.audit(web1=[reboot("web1")], web2=[reboot("web2", Severity.HIGH)])
    assert task.due_at == now + 2 * DAY + timedelta(minutes=1)


def test_without_a_baseline_the_first_look_asks_at_once(auditor: Auditor) -> None:
    auditor.has_baseline = False
    (task,) = auditor.audit(web1=[reboot("web1")])
    assert task.key == "reboot"


def test_an_audit_that_opens_no_tasks_keeps_its_findings(known: Auditor, desk: Desk) -> None:
    known.rule = TaskRule(opens=False)
    assert known.audit(web1=[reboot("web1")], web2=[]) == []
    (one,) = desk.books.findings.standing(at=known.at)
    assert (one.finding, one.first_seen_at, one.title) == (reboot("web1"), known.at - DAY, "Restart the machine")


def test_what_a_host_says_is_no_markdown(known: Auditor) -> None:
    evil = replace(openssl("web1"), subject="[x](http://evil)", detail="**bold** <b>\n# head")
    (task,) = known.audit(web1=[evil], web2=[])
    assert "\n```\nopsrunner accept 'security:[x](http://evil)' --until DATE" in task.how
    assert r"\[x\]\(http://evil\) \*\*bold\*\* \<b\>" in task.how
    assert "\n# head" not in task.how


class TestAccepting:
    """B: quiet until a day, then up again by itself."""

    @pytest.fixture
    def accepting(self, desk: Desk, put_in_force: Callable[..., Site]) -> Accepting:
        put_in_force(hosts={name: Host(name=name, address="192.0.2.1") for name in ("web1", "web2", "web3")})
        return Accepting(desk)

    def test_what_is_accepted_closes_its_task_and_comes_up_again_on_its_day(
        self, known: Auditor, accepting: Accepting, desk: Desk
    ) -> None:
        (task,) = known.audit(web1=[reboot("web1")], web2=[])
        found = accepting.named("reboot", at=known.at)
        accepting.accept(found, until=known.at + 2 * DAY, reason="window on Thursday", actor="boss", at=known.at)
        assert desk.books.tasks.opened() == []
        assert desk.books.tasks.get(task.id).evidence.outcome == "accepted by boss"
        assert known.audit(web1=[reboot("web1")], web2=[]) == []
        known.at += 2 * DAY
        (again,) = known.audit(web1=[reboot("web1")], web2=[])
        assert (again.key, again.message) == ("reboot", "")

    def test_it_holds_for_what_stood_there_and_no_newer_version(self, known: Auditor, accepting: Accepting) -> None:
        known.audit(web1=[openssl("web1")], web2=[openssl("web2")])
        found = accepting.named("security:openssl", hosts=["web1"], at=known.at)
        accepting.accept(found, until=known.at + 9 * DAY, reason="vendor", actor="boss", at=known.at)
        (task,) = known.audit(web1=[openssl("web1")], web2=[openssl("web2")])
        assert task.row["hosts"] == ["web2"]
        (task,) = known.audit(web1=[openssl("web1", "3.0.18")], web2=[openssl("web2")])
        assert task.row["hosts"] == ["web1", "web2"]

    def test_what_becomes_worse_or_went_and_comes_again_is_not_accepted(
        self, known: Auditor, accepting: Accepting, desk: Desk
    ) -> None:
        for later in (reboot("web1", Severity.HIGH), reboot("web1")):
            known.audit(web1=[reboot("web1")], web2=[])
            found = accepting.named("reboot", at=known.at)
            accepting.accept(found, until=known.at + 90 * DAY, reason="x", actor="boss", at=known.at)
            if later.severity is Severity.MEDIUM:
                assert known.audit(web1=[], web2=[]) == []
            (task,) = known.audit(web1=[later], web2=[])
            assert task.key == "reboot"
            assert known.audit(web1=[], web2=[]) == []

    def test_it_can_be_taken_back(self, known: Auditor, accepting: Accepting, desk: Desk) -> None:
        known.audit(web1=[reboot("web1")], web2=[])
        accepting.accept(
            accepting.named("reboot", at=known.at), until=known.at + 9 * DAY, reason="x", actor="boss", at=known.at
        )
        (stands,) = accepting.named("reboot", at=known.at)
        assert stands.accepted is not None
        accepting.lift([stands], actor="ops1", at=known.at)
        (stands,) = accepting.named("reboot", at=known.at)
        assert stands.accepted is None
        with pytest.raises(Refused, match="reboot is not accepted"):
            accepting.lift([stands], actor="ops1", at=known.at)
        assert [record.action for record in desk.books.audit.about("finding reboot")] == ["accept", "take back"]

    def test_a_baseline_is_accepted_in_parts_until_nothing_is_left(
        self, auditor: Auditor, accepting: Accepting, desk: Desk
    ) -> None:
        (task,) = auditor.audit(web1=[openssl("web1"), reboot("web1")])
        accepting.accept(
            accepting.named("reboot", at=auditor.at), until=auditor.at + DAY, reason="x", actor="boss", at=auditor.at
        )
        assert desk.books.tasks.get(task.id).is_open
        assert auditor.audit(web1=[reboot("web1")]) == []
        assert (
            desk.books.tasks.get(task.id).evidence.outcome
            == "run 2: not found again: web1; what is left is accepted: web1"
        )

    def test_a_name_that_nothing_has_says_what_there_is(self, known: Auditor, accepting: Accepting) -> None:
        known.audit(web1=[reboot("web1")], web2=[])
        with pytest.raises(NotFound, match="nothing that stands is called 'rebot', did you mean 'reboot'"):
            accepting.named("rebot", at=known.at)
        with pytest.raises(NotFound, match="reboot is not found on web2; it is on web1"):
            accepting.named("reboot", hosts=["web2"], at=known.at)

    @pytest.mark.parametrize(
        ("until", "reason", "said"),
        [
            (timedelta(0), "x", "a day to come"),
            (timedelta(days=401), "x", "more than 400 days"),
            (DAY, " ", "say why"),
        ],
    )
    def test_it_needs_a_day_and_a_reason(
        self, known: Auditor, accepting: Accepting, until: timedelta, reason: str, said: str
    ) -> None:
        known.audit(web1=[reboot("web1")], web2=[])
        found = accepting.named("reboot", at=known.at)
        with pytest.raises(UsageError, match=said):
            accepting.accept(found, until=known.at + until, reason=reason, actor="boss", at=known.at)


def test_two_thousand_findings_are_written_once_and_read_as_they_were(known: Auditor, desk: Desk) -> None:
    many = {f"web{host}": [replace(openssl(f"web{host}"), subject=f"p{n}") for n in range(40)] for host in range(1, 51)}
    known.audit(**many)
    before = desk.books.ledger.all("SELECT * FROM findings")
    known.audit(**many)
    assert len(before) == 2_000
    assert desk.books.ledger.all("SELECT * FROM findings") == before
    assert len(desk.books.findings.standing(at=datetime(2027, 1, 1, tzinfo=UTC))) == 2_000
