"""Audits of real hosts: what is not answered proves nothing, and what a host says is data."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.fleet.fleet import Fleet
from opsrunner.model.finding import Acceptance, Audited, Cause, Finding, HostReport, KnownFinding, Severity
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.site import Host
from opsrunner.secrets import MASK, SecretRef
from opsrunner.steps.audit_options import AuditOptions
from opsrunner.steps.audit_run import MOST_ROWS, Audit, run_audit
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.fan_out import HostEnd

pytestmark = pytest.mark.needs("sshd", "ssh-keygen")
LOCAL = Host(name="local", address="127.0.0.1")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CAUSES = {"odd": Cause(name="odd", title="See what is odd", how="Look."), "old": Cause(name="old", title="x", how="x")}

Work = Callable[..., Outcome]


def words(end: HostEnd, said: bytes) -> HostReport:
    """Read each word that a host says as something odd; `cut` is what could not be looked at."""
    found = said.decode(errors="replace").split()
    return HostReport(
        host=end.host.name,
        examined=frozenset({"odd"}) if "cut" not in found else frozenset(),
        problems=("the rest",) if "cut" in found else (),
        findings=tuple(
            Finding(host=end.host.name, cause="odd", subject=word, severity=Severity.MEDIUM, detail="", mark="1")
            for word in found
            if word != "cut"
        ),
        facts={"words": len(found)},
    )


@pytest.fixture
def work(
    means: Means,
    make_call: Callable[..., StepCall],
    make_fleet: Callable[..., Fleet],
    pinned_host: Callable[[int], Host],
    told: list[Audited],
    known: list[KnownFinding],
) -> Work:
    """Audit hosts with a script: `work("echo x")`."""

    def go(script: str, *, hosts: object = "all", more: dict[str, Host] | None = None, **changes: object) -> Outcome:
        inventory = {"local": LOCAL, **{f"web{number}": pinned_host(number) for number in (2, 3)}, **(more or {})}
        own = dataclasses.replace(
            means, hosts=inventory, fleet=make_fleet(), found=told.append, findings=lambda _routine, _step: known
        )
        options = AuditOptions.model_validate({"hosts": hosts})
        audit = Audit(script=script, read=words, causes=CAUSES, wanted=frozenset({"odd"}))
        return run_audit(make_call(options, **changes), own, audit)

    return go


def statuses(outcome: Outcome) -> dict[str, StepStatus]:
    return {part.key: part.status for part in outcome.parts}


def test_who_has_nothing_is_green_and_who_has_something_is_not(work: Work, told: list[Audited]) -> None:
    outcome = work('[ "$OPS_HOST" != web3 ] || echo apples pears')

    assert statuses(outcome) == {"web2": StepStatus.SUCCEEDED, "web3": StepStatus.WARNING}
    assert outcome.message == "2 of 2 hosts audited; odd on web3"
    assert [(row["name"], row["is_new"], row["days"]) for row in outcome.rows] == [
        ("odd:apples", True, 0),
        ("odd:pears", True, 0),
    ]
    (audited,) = told
    assert sorted(audited.hosts) == ["web2", "web3"]
    assert list(audited.causes) == ["odd"]
    assert {report.host: len(report.findings) for report in audited.reports} == {"web2": 0, "web3": 2}


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("exit 3", StepStatus.FAILED, "the host does not run the script: exit code 3"),
        ("echo no such thing >&2; exit 127", StepStatus.FAILED, "no such thing"),
        ("kill -9 $$", StepStatus.FAILED, ""),
        ("sleep 30", StepStatus.TIMED_OUT, "no end within"),
    ],
)
def test_a_script_that_does_not_end_by_itself_proves_nothing(
    work: Work, told: list[Audited], script: str, status: StepStatus, said: str
) -> None:
    outcome = work(script, hosts="web2", timeout_seconds=10)

    (part,) = outcome.parts
    assert part.status is status
    assert said in part.message
    assert told[0].reports == ()
    assert list(told[0].hosts) == ["web2"]


def test_a_host_that_is_down_stops_no_other_and_is_told_by_name(work: Work) -> None:
    dead = Host(name="dead", address="127.0.0.9", port=9, user="root")
    outcome = work("echo apples", more={"dead": dead})

    assert statuses(outcome) == {
        "web2": StepStatus.WARNING,
        "web3": StepStatus.WARNING,
        "dead": StepStatus.FAILED,
    }
    assert outcome.message.startswith("2 of 3 hosts audited; dead: ")
    assert outcome.message.endswith("; odd on 2 hosts")
    assert outcome.facts["truncated"] is False, "that a host is missing is told by how it ended"


def test_what_could_not_be_looked_at_keeps_a_host_from_green_and_is_said(work: Work) -> None:
    outcome = work("echo cut", hosts="web2")

    assert (outcome.status, outcome.facts["audited"]) == (StepStatus.WARNING, 0)
    assert outcome.message == "0 of 1 host audited, 1 more in part; web2: the rest"
    assert outcome.facts["truncated"] is True, "what it found is not all there is"


def test_what_is_accepted_is_green_until_it_changes(work: Work, known: list[KnownFinding]) -> None:
    finding = Finding(host="web2", cause="odd", subject="apples", severity=Severity.MEDIUM, detail="", mark="1")
    accepted = Acceptance(
        host="web2", cause="odd", subject="apples", mark="1", until=NOW, reason="x", by="boss", at=NOW
    )
    stands = KnownFinding(
        finding=finding, routine="nightly", step="dump", first_seen_at=NOW, seen_at=NOW, accepted=accepted
    )
    known.append(stands)
    assert work("echo apples", hosts="web2").status is StepStatus.SUCCEEDED
    known[0] = dataclasses.replace(stands, finding=dataclasses.replace(finding, mark="0"))
    assert work("echo apples", hosts="web2").status is StepStatus.WARNING


def test_what_is_known_from_before_is_not_new_and_what_went_is_counted(work: Work, known: list[KnownFinding]) -> None:
    for subject in ("apples", "plums"):
        finding = Finding(host="web2", cause="odd", subject=subject, severity=Severity.MEDIUM, detail="", mark="1")
        since = datetime.now(UTC) - timedelta(days=6, minutes=1)
        known.append(KnownFinding(finding=finding, routine="nightly", step="dump", first_seen_at=since, seen_at=since))
    outcome = work("echo apples", hosts="web2")

    assert [(row["is_new"], row["days"]) for row in outcome.rows] == [(False, 6)]
    assert (outcome.facts["new"], outcome.facts["gone"]) == (0, 1)


def test_what_a_host_says_reaches_no_terminal_as_it_is_and_no_secret_is_kept(
    work: Work, told: list[Audited], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("hunter2hunter2\n")
    (tmp_path / "token").chmod(0o600)
    script = r"""printf '\033]0;evil\007%s' "$TOKEN" """
    work(script, hosts="web2", env={"TOKEN": SecretRef(file="token")})

    kept = (tmp_path / "output.log").read_text()
    assert "hunter2" not in kept + repr(told)
    assert MASK in kept
    assert "\x1b" not in kept


def test_more_findings_than_rows_are_all_told_to_the_ledger(work: Work, told: list[Audited]) -> None:
    outcome = work(f"seq 1 {MOST_ROWS + 7}", hosts="web2")

    assert (len(outcome.rows), outcome.facts["rows_left_out"], outcome.facts["truncated"]) == (MOST_ROWS, 7, True)
    assert len(told[0].reports[0].findings) == MOST_ROWS + 7


def test_a_report_that_cannot_be_read_costs_its_host_alone(
    means: Means,
    make_call: Callable[..., StepCall],
    make_fleet: Callable[..., Fleet],
    pinned_host: Callable[[int], Host],
    told: list[Audited],
) -> None:
    def trips(end: HostEnd, said: bytes) -> HostReport:
        if end.host.name == "web2":
            raise ZeroDivisionError
        return words(end, said)

    hosts = {f"web{number}": pinned_host(number) for number in (2, 3)}
    own = dataclasses.replace(means, hosts=hosts, fleet=make_fleet(), found=told.append, stopping=threading.Event())
    options = AuditOptions.model_validate({"hosts": "all"})
    outcome = run_audit(make_call(options), own, Audit(script="true", read=trips, causes=CAUSES))

    assert statuses(outcome) == {"web2": StepStatus.UNKNOWN, "web3": StepStatus.SUCCEEDED}
    assert [report.host for report in told[0].reports] == ["web3"]
