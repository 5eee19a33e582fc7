"""What audits learned about hosts, and how many findings stand there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from opsrunner.ledger.books import Books
from opsrunner.model.finding import Acceptance, Audited, Cause, Finding, HostReport, Severity

DAY = timedelta(days=1)


def audited(at: datetime, *reports: HostReport, hosts: str = "web1 web2", **changes: Any) -> Audited:
    values: dict[str, Any] = {
        "routine": "patches",
        "step": "audit",
        "run": 1,
        "at": at,
        "reports": reports,
        "hosts": frozenset(hosts.split()),
        "causes": {"held": Cause(name="held", title="Decide", how="Look.")},
        "has_baseline": False,
    }
    return Audited(**{**values, **changes})


def report(host: str, *findings: Finding, **facts: Any) -> HostReport:
    return HostReport(host=host, examined=frozenset({"held"}), findings=findings, facts=facts)


def held(host: str, subject: str, severity: Severity = Severity.LOW, mark: str = "1") -> Finding:
    return Finding(host=host, cause="held", subject=subject, severity=severity, detail="x", mark=mark)


def test_a_host_keeps_what_it_told_last_until_it_is_audited_no_more(books: Books, now: datetime) -> None:
    books.findings.write(audited(now, report("web1", updates=3), report("web2", updates=1)))
    books.findings.write(audited(now + DAY, report("web1", updates=None)))
    (one,) = books.host_facts.of_host("web1")
    assert (one.at, one.facts) == (now + DAY, {"updates": None})
    assert [(one.host, one.at) for one in books.host_facts.all()] == [("web2", now), ("web1", now + DAY)]
    books.findings.write(audited(now + 2 * DAY, report("web1"), hosts="web1"))
    assert books.host_facts.of_host("web2") == []


def test_facts_are_single_values_and_what_was_not_looked_at_is_counted(books: Books, now: datetime) -> None:
    facts = {"samples": [1, 2], "nested": {"a": 1}, "system": "x" * 900, "seen_at": now, "reboot": False}
    whole = replace(report("web1", **facts), problems=("apt: locked", "no lsb"), examined=frozenset())
    books.findings.write(audited(now, whole))
    (one,) = books.host_facts.of_host("web1")
    assert one.facts == {"system": "x" * 300, "seen_at": now, "reboot": False}
    assert (one.examined, one.problems) == (0, 2)


def test_two_steps_keep_their_own_and_a_rename_takes_all_along(books: Books, now: datetime) -> None:
    books.routines.see({"patches": "Patches"}, at=now)
    books.findings.write(audited(now, report("web1", updates=3)))
    books.findings.write(audited(now, report("web1", disk_percent=9), step="room"))
    books.routines.rename("patches", "updates")
    assert {(one.routine, one.step) for one in books.host_facts.all()} == {("updates", "audit"), ("updates", "room")}


def test_a_rename_onto_the_name_of_a_forgotten_routine_takes_nothing_of_that_one(books: Books, now: datetime) -> None:
    books.routines.see({"patches": "Patches"}, at=now)
    books.findings.write(audited(now, report("web1", held("web1", "old"), updates=9), routine="updates"))
    books.findings.write(audited(now, report("web1", held("web1", "new"), updates=3)))

    assert books.routines.rename("patches", "updates")

    assert [one.finding.subject for one in books.findings.standing(at=now)] == ["new"]
    assert [one.facts for one in books.host_facts.of_host("web1")] == [{"updates": 3}]


def test_findings_are_counted_by_host_cause_and_severity(books: Books, now: datetime) -> None:
    books.findings.write(audited(now, report("web1", held("web1", "a"), held("web1", "b", Severity.HIGH))))
    books.findings.write(
        audited(
            now + DAY,
            report("web1", held("web1", "a"), held("web1", "b", Severity.HIGH), held("web1", "c")),
            report("web2", held("web2", "a")),
        )
    )
    low = Acceptance(
        host="web1", cause="held", subject="a", mark="1", until=now + 9 * DAY, reason="x", by="boss", at=now
    )
    books.findings.accept([low, replace(low, subject="b", mark="another version")])
    counts = {(one.host, one.severity.value): one for one in books.finding_counts.standing(at=now + DAY)}
    assert {key: (one.findings, one.accepted, one.left) for key, one in counts.items()} == {
        ("web1", "low"): (2, 1, 1),
        ("web1", "high"): (1, 0, 1),
        ("web2", "low"): (1, 0, 1),
    }
    assert counts["web1", "low"].since == now + DAY, "the older one is accepted"
    of_web1 = books.finding_counts.of_host("web1", at=now + DAY)
    assert of_web1 == [one for one in counts.values() if one.host == "web1"]
    over = {(one.host, one.severity.value): one for one in books.finding_counts.standing(at=now + 9 * DAY)}
    assert over["web1", "low"].since == now, "it comes up again at its end"
    books.findings.write(audited(now + 2 * DAY, report("web1"), report("web2")))
    assert books.finding_counts.standing(at=now) == []
