"""What a digest says of findings: the house line, what is accepted until when, and the tasks about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.ledger.runs import NewRun
from opsrunner.model.digest import Digest
from opsrunner.model.finding import Audited, Finding, HostReport, Severity, TaskRule
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Evidence, TaskStatus

from ...found import CAUSES, found

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: Jonas Lie, email: ops1@example.com, roles: [sysadmin], login: ops1}
mail: {from: ops@example.com}
hosts:
"""
PATCHES = """\
name: Patches
accountable: sysadmin
steps:
  - id: audit
    ssh: {hosts: shared, run: "true"}
"""
House = Any


@pytest.fixture
def site(house: Callable[..., House]) -> House:
    """Forty hosts, of which two are reached by no step."""
    lines = "".join(
        f"  web{number}: {{address: 127.0.0.1, groups: [{'shared' if number <= 38 else 'spare'}]}}\n"
        for number in range(1, 41)
    )
    built = house({"patches": PATCHES}, site=SITE + lines)
    built.work()
    return built


def audit(site: House, *findings: Finding, days_ago: float = 0) -> None:
    """Write an audit of all hosts that found this, with its tasks."""
    at = site.clock.now() - timedelta(days=days_ago)
    run = site.app.books.runs.claim(
        NewRun(routine="patches", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, actor="boss"), at=at
    )
    reports = tuple(
        HostReport(
            host=host,
            examined=frozenset(CAUSES),
            findings=tuple(one for one in findings if one.host == host),
        )
        for host in site.app.site.hosts
    )
    routine = site.app.site.routines["patches"]
    audited = Audited(
        routine="patches",
        step="audit",
        run=run.id,
        at=at,
        reports=reports,
        hosts=frozenset(site.app.site.hosts),
        causes=CAUSES,
        tasks=TaskRule(),
        has_baseline=False,
    )
    with site.app.books.transaction():
        site.app.findings.audited(run, routine, routine.steps[0], audited, at=at)
    site.app.books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=at)


def ask(site: House, hosts: Sequence[str], *, dead: Sequence[str] = (), stopped: Sequence[str] = ()) -> None:
    """Write a run that asked hosts; those that are dead did not answer, those stopped were never asked."""
    at = site.clock.now()
    run = site.app.books.runs.claim(NewRun(routine="patches", trigger=Trigger.MANUAL, status=RunStatus.RUNNING), at=at)
    parts = [Part(key=host, status=StepStatus.SUCCEEDED) for host in hosts]
    parts += [Part(key=host, status=StepStatus.FAILED, facts={"reached": False}) for host in dead]
    parts += [Part(key=host, status=StepStatus.INTERRUPTED, facts={"reached": None}) for host in stopped]
    plan = site.app.site.routines["patches"].steps[0]
    outcome = Outcome(status=StepStatus.SUCCEEDED, parts=tuple(parts))
    site.app.books.steps.finish(run.id, 0, plan, outcome=outcome, at=at)
    site.app.books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=at)


def accept(site: House, name: str, *hosts: str, until: datetime, reason: str = "waits for the vendor") -> None:
    known = site.app.accepting.named(name, hosts=hosts, at=site.clock.now())
    site.app.accepting.accept(known, until=until, reason=reason, actor="ops1", at=site.clock.now())


def digest(site: House) -> Digest:
    made: Digest = site.app.digests.preview("daily", site.clock.now()).digest
    return made


def web(first: int, last: int) -> list[str]:
    return [f"web{number}" for number in range(first, last + 1)]


def test_the_house_line_counts_hosts_and_the_reboots_that_wait(site: House) -> None:
    """web38 refuses the connection, which is a failure of the step, and nobody reached it all the same."""
    ask(site, web(1, 37), dead=["web38"])
    audit(site, found("web1", "reboot"), days_ago=6)
    audit(site, found("web1", "reboot"), found("web2", "reboot"), found("web3", "held:nginx"))
    figure = digest(site).house[0]
    said = "37 of 38 hosts reachable, 2 that no step asks, 2 reboots since 6 days"
    assert (figure.text, figure.tone) == (said, "look")


def test_a_host_that_a_stopped_run_did_not_come_to_is_not_reachable(site: House) -> None:
    ask(site, web(1, 36), stopped=["web37", "web38"])
    assert digest(site).house[0].text == "36 of 38 hosts reachable, 2 not asked, 2 that no step asks"


def test_all_that_was_asked_is_not_all_that_is_there(site: House) -> None:
    ask(site, web(1, 38))
    assert digest(site).house[0].tone == "look", "two hosts are asked by nothing"
    ask(site, web(39, 40))
    figure = digest(site).house[0]
    assert (figure.text, figure.tone) == ("40 of 40 hosts reachable", "fine")


def test_a_host_that_answered_in_the_first_days_of_a_long_digest_is_not_reachable_by_that(site: House) -> None:
    ask(site, web(1, 40))
    site.clock.move(days=5)
    ask(site, web(1, 37))
    weekly = site.app.digests.preview("weekly", site.clock.now(), from_=site.clock.now() - timedelta(days=7)).digest
    assert (weekly.house[0].text, weekly.house[0].tone) == (
        "40 of 40 hosts reachable, 3 last asked 5 days ago",
        "look",
    )


def test_a_reboot_that_is_accepted_or_no_longer_looked_for_is_not_counted(site: House) -> None:
    ask(site, web(1, 40))
    audit(site, found("web1", "reboot"), found("web2", "reboot"))
    accept(site, "reboot", "web1", until=site.clock.now() + timedelta(days=30))
    assert digest(site).house[0].text == "40 of 40 hosts reachable, 1 reboot since today"
    (site.root / "routines/patches.yaml").write_text(PATCHES.replace("id: audit", "id: other"))
    site.app.in_force.refresh()
    assert "reboot" not in digest(site).house[0].text


def test_what_is_accepted_stands_in_the_digest_alike_hosts_as_one(site: House) -> None:
    audit(site, *(found(host, "held:nginx") for host in web(1, 5)), found("web9", "held:a"), found("web9", "held:b"))
    until = datetime(2026, 12, 12, 23, tzinfo=UTC)
    accept(site, "held:nginx", until=until, reason="waits for the vendor.")
    accept(site, "held", "web9", until=datetime(2026, 12, 20, 14, tzinfo=UTC), reason="gone in January")
    muted = digest(site).muted
    assert muted == (
        "held:nginx on 5 hosts is accepted until Sat 12 Dec: waits for the vendor (Jonas Lie).",
        "2 held on web9 are accepted until Sun 20 Dec 15:00: gone in January (Jonas Lie).",
    )
    assert not [line for line in digest(site).coming if "accepted" in line.text]


def test_an_acceptance_that_ends_within_a_week_comes_and_what_went_is_not_told_of(site: House) -> None:
    audit(site, found("web1", "held:nginx"), found("web2", "held:nginx"))
    accept(site, "held:nginx", until=site.clock.now() + timedelta(days=5))
    (line,) = [line for line in digest(site).coming if "accepted" in line.text]
    assert line.text == "held:nginx on web1 and web2 is accepted no longer: waits for the vendor (Jonas Lie)"
    audit(site, found("web2", "held:nginx"))
    assert digest(site).muted[0].startswith("held:nginx on web2 is accepted until")
    audit(site)
    assert digest(site).muted == ()
    assert not [line for line in digest(site).coming if "accepted" in line.text]


def test_many_acceptances_are_folded(site: House) -> None:
    audit(site, *(found("web1", f"held:p{number}") for number in range(20)))
    for number in range(20):
        accept(site, f"held:p{number}", until=site.clock.now() + timedelta(days=30 + number), reason=f"reason {number}")
    muted = digest(site).muted
    assert len(muted) == 13
    assert muted[-1].startswith("8 more acceptances, the last until ")


def test_a_task_about_findings_says_how_it_stands(site: House) -> None:
    audit(site, found("web1", "security:a", severity=Severity.CRITICAL), found("web2", "security:a"), days_ago=3)
    audit(site, found("web1", "security:a", severity=Severity.CRITICAL), days_ago=2)
    (task,) = site.app.books.tasks.opened()
    site.clock.move(minutes=1)
    told = digest(site)
    (item,) = [item for item in (*told.needs_you, *told.in_hand) if item.task == task.id]
    assert item.title == "Install the security updates on web1"
    assert item.facts.startswith("1 finding, critical. Run 2: no longer on web2.")
    assert "times" not in item.facts


def test_a_tick_that_the_audit_does_not_believe_is_said(site: House) -> None:
    audit(site, found("web1", "reboot"), days_ago=3)
    (task,) = site.app.books.tasks.opened()
    ops1 = site.app.site.people["ops1"]
    ticked_at = site.clock.now() - timedelta(days=2)
    site.app.ticks.tick(task.id, actor=ops1, status=TaskStatus.DONE, evidence=Evidence(), at=ticked_at)
    audit(site, found("web1", "reboot"), days_ago=1.5)
    told = digest(site)
    (item,) = [item for item in (*told.needs_you, *told.in_hand) if "Restart" in item.title]
    assert "Jonas Lie ticked it done on Wed 18 Nov; the audit still finds it." in item.facts
