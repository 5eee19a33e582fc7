"""Hosts on the page as audits know them: the table that sorts and filters, a host's findings, and what may stand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.engine.host_audits import host_audits, standing_acceptances, standing_findings, waiting_since
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.runs import NewRun
from opsrunner.model.finding import Acceptance, Audited, Finding, HostReport, Severity
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Task, TaskKind
from opsrunner.testing import FakeClock

from ...found import CAUSES, found

SignedIn = Callable[[str], Any]
HOSTILE = "<script>alert(1)</script>"
HOSTS = """\
hosts:
  web2: {address: 192.0.2.2, groups: [shared]}
  web10: {address: 192.0.2.10, groups: [shared]}
  mx1: {address: mx1.example.com, groups: [mail]}
  db1: {address: 192.0.2.20}
"""
PATCHES = """\
name: Patches
accountable: sysadmin
steps:
  - id: audit
    ssh: {hosts: all, run: "true"}
"""
Audit = Callable[..., None]


@pytest.fixture
def app(app: App) -> App:
    """The site with four hosts and an audit of all of them."""
    site_file, patches = app.root / "opsrunner.yaml", app.root / "routines/patches.yaml"
    site_file.write_text(site_file.read_text() + HOSTS)
    patches.write_text(PATCHES)
    patches.chmod(0o600)
    app.in_force.refresh()
    return app


def report(host: str, *findings: Finding, problems: Sequence[str] = (), looks: bool = True, **facts: Any) -> HostReport:
    examined = frozenset(CAUSES) if looks else frozenset()
    return HostReport(host=host, examined=examined, findings=findings, problems=tuple(problems), facts=facts)


@pytest.fixture
def audit(app: App, clock: FakeClock) -> Audit:
    """Write an audit: `audit(report("web2", …), hours_ago=3)`."""

    def write(*reports: HostReport, hours_ago: float = 0, hosts: Sequence[str] = (), routine: str = "patches") -> None:
        at = clock.now() - timedelta(hours=hours_ago)
        came_to = frozenset(hosts or app.site.hosts)
        audited = Audited(
            routine=routine,
            step="audit" if routine == "patches" else "ask",
            run=1,
            at=at,
            reports=reports,
            hosts=came_to,
            causes=CAUSES,
            has_baseline=False,
        )
        app.books.findings.write(audited)

    return write


@pytest.fixture
def fleet(audit: Audit) -> None:
    """Two hosts with findings, one with none, and one that was never audited."""
    audit(
        report("web10", found("web10", "reboot"), system="Debian 12", updates=3, security=0, disk_percent=41.5),
        report("mx1", system="AlmaLinux 9", updates=0, security=0, reboot=False, disk_percent=91, disk_mount="/var"),
        hours_ago=6 * 24,
    )
    audit(
        report(
            "web2",
            found("web2", "security:openssl", Severity.CRITICAL, detail="3.0.11 → 3.0.17"),
            found("web2", "held:nginx", Severity.MEDIUM),
            system="Debian 12",
            updates=12,
            security=3,
            samples=[{"mount": "/", "used_bytes": 1}],
        ),
        report("web10", found("web10", "reboot"), system="Debian 12", updates=3, security=0, disk_percent=41.5),
        report("mx1", system="AlmaLinux 9", updates=0, security=0, reboot=False, disk_percent=91, disk_mount="/var"),
        hours_ago=2,
    )


def names(text: str) -> list[str]:
    """Return the hosts of the table in their order."""
    return re.findall(r'<th scope="row"><a href="/hosts/([a-z0-9]+)">', text)


def row(text: str, host: str) -> str:
    """Return the words of a host's row."""
    (inner,) = re.findall(rf'<tr><th scope="row"><a href="/hosts/{host}">.*?</tr>', text, re.DOTALL)
    return " ".join(re.sub("<[^>]+>", " ", inner).split())


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        pytest.param("name", ["db1", "mx1", "web2", "web10"], id="2 before 10"),
        pytest.param("-name", ["web10", "web2", "mx1", "db1"], id="turned round"),
        pytest.param("findings", ["web2", "web10", "mx1", "db1"], id="the worst first, who was not audited last"),
        pytest.param("-findings", ["mx1", "web10", "web2", "db1"], id="who was not audited is last turned round, too"),
        pytest.param("updates", ["web2", "web10", "mx1", "db1"], id="most security updates first"),
        pytest.param("reboot", ["web10", "mx1", "db1", "web2"], id="who waits first, who is not known last"),
        pytest.param("disk", ["mx1", "web10", "db1", "web2"], id="the fullest first"),
        pytest.param("-disk", ["web10", "mx1", "db1", "web2"], id="the emptiest first"),
        pytest.param("groups", ["mx1", "web2", "web10", "db1"], id="by group"),
        pytest.param("system", ["mx1", "web2", "web10", "db1"], id="by system"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_the_table_sorts_by_each_column(signed_in: SignedIn, sort: str, order: list[str]) -> None:
    assert names(signed_in("ops1").get(f"/hosts?sort={sort}").text) == order


@pytest.mark.usefixtures("fleet")
def test_a_row_says_what_is_known_and_no_more(signed_in: SignedIn) -> None:
    text = signed_in("ops1").get("/hosts").text
    assert "1 critical" in row(text, "web2")
    assert "1 medium" in row(text, "web2")
    assert "12, 3 security" in row(text, "web2")
    assert "since 6 days" in row(text, "web10")
    assert "41.5 %" in row(text, "web10")
    assert "91 % today 07:00 mail AlmaLinux 9" in row(text, "mx1")
    assert " none " in row(text, "mx1")
    assert "not audited" in row(text, "db1")
    for nothing in ("none", "%", "security", "today"):
        assert nothing not in row(text, "db1"), "what nobody looked at is not fine"
    assert '<td data-name="Updates"></td>' in text


def test_a_host_that_was_looked_at_in_part_is_not_without_findings(signed_in: SignedIn, audit: Audit) -> None:
    audit(
        report("web2", problems=["apt: another program holds its lock"]),
        report("db1", looks=False, system="FreeBSD 14"),
    )
    browser = signed_in("ops1")
    text = browser.get("/hosts").text
    for host in ("web2", "db1"):
        assert "not all looked at" in row(text, host)
        assert "none" not in row(text, host)
    assert "1 thing could not be looked at" in browser.get("/hosts/web2").text
    assert "nothing could be looked at" in browser.get("/hosts/db1").text
    assert "Findings <small>none known" in browser.get("/hosts/web2").text


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        pytest.param("group=shared", ["web2", "web10"], id="group"),
        pytest.param("cause=held", ["web2"], id="cause"),
        pytest.param("cause=gone", [], id="a cause that no host has any more is no mistake"),
        pytest.param("q=almalinux", ["mx1"], id="system, whatever its case"),
        pytest.param("q=debian+web1", ["web10"], id="all words"),
        pytest.param("q=%25", [], id="no wildcard"),
        pytest.param("stands=fine", [], id="standing"),
        pytest.param("group=shared&cause=reboot&q=192.0", ["web10"], id="together"),
        pytest.param("q=&group=&stands=&cause=&sort=name", ["db1", "mx1", "web2", "web10"], id="an empty form"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_the_address_says_which_hosts_are_shown(signed_in: SignedIn, query: str, hosts: list[str]) -> None:
    text = signed_in("ops1").get(f"/hosts?sort=name&{query}" if "sort" not in query else f"/hosts?{query}").text
    assert names(text) == hosts
    assert ("No host is like that" in text) is (not hosts)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=size", "&#39;size&#39; is no column; there are name, stands"),
        ("group=nobody", "no host is in a group &#39;nobody&#39;"),
        ("stands=well", "stands: "),
        (f"group={HOSTILE}", "&lt;script&gt;"),
        ("color=red", "color: is not known here"),
    ],
)
def test_what_can_be_no_answer_is_said(signed_in: SignedIn, query: str, said: str) -> None:
    answer = signed_in("ops1").get(f"/hosts?{query}")
    assert answer.status_code == 400
    assert said in answer.text
    assert HOSTILE not in answer.text


@pytest.mark.usefixtures("fleet")
def test_the_head_of_a_column_turns_the_order_and_keeps_the_filter(signed_in: SignedIn) -> None:
    text = signed_in("ops1").get("/hosts?group=shared&sort=disk").text
    assert '<th scope="col" aria-sort="descending"><a href="/hosts?group=shared&amp;sort=-disk">Disk</a>' in text
    assert 'href="/hosts?group=shared&amp;sort=findings"' in text
    assert "2 of 4 hosts" in text


@pytest.mark.usefixtures("fleet")
def test_a_host_shows_its_findings_what_went_and_what_it_told(signed_in: SignedIn, audit: Audit) -> None:
    audit(
        report("web2", found("web2", "held:nginx", Severity.MEDIUM, detail=HOSTILE), system="Debian 12", uptime_days=41)
    )
    text = signed_in("ops1").get("/hosts/web2").text
    assert "<h3>held</h3>" in text
    assert "Decide about the packages that are held" in text
    assert "&lt;script&gt;" in text
    assert HOSTILE not in text
    went = text[text.index("What went lately") :]
    assert "security:openssl" in went
    assert "not found again" in went
    assert "<dt>Uptime</dt><dd>41 days</dd>" in text
    assert "samples" not in text.casefold()
    assert "Not audited yet" in signed_in("ops1").get("/hosts/db1").text


@pytest.mark.usefixtures("fleet")
def test_what_is_no_longer_looked_for_did_not_mend_itself(signed_in: SignedIn, audit: Audit) -> None:
    audit(report("mx1"), hosts=["mx1"])
    browser = signed_in("ops1")
    text = browser.get("/hosts/web2").text
    assert "no longer looked for" in text
    assert "not found again" not in text
    assert "not audited" in row(browser.get("/hosts").text, "web2")


def test_a_question_finds_what_differs_and_audits_nothing(signed_in: SignedIn, audit: Audit) -> None:
    """`opsrunner ask` is frozen with its runs and stands in no file; what it found is open until it is asked again."""
    odd = Finding(host="web2", cause="differs", severity=Severity.MEDIUM, detail="answers otherwise", mark="1")
    audit(report("web2", odd, system="no audit"), report("mx1"), routine="ask-1a2b3c4d")
    browser = signed_in("ops1")
    text = browser.get("/hosts").text
    assert "1 medium not audited" in row(text, "web2")
    assert "not audited" in row(text, "mx1"), "one right answer does not make a host fine"
    page = browser.get("/hosts/web2").text
    assert "answers otherwise" in page
    assert "no audit" not in page
    assert browser.post("/hosts/web2", finding="differs", until="2026-12-12", reason="so it is").status_code == 303


def test_what_a_question_found_on_a_host_that_left_the_inventory_stands_nowhere(
    app: App, clock: FakeClock, audit: Audit
) -> None:
    before = standing_findings(app.desk, at=clock.now())
    odd = [
        Finding(host=host, cause="differs", severity=Severity.MEDIUM, detail="x", mark="1")
        for host in ("local", "left")
    ]
    audit(*(report(one.host, one) for one in odd), routine="ask-1a2b3c4d")
    gone = Acceptance(host="left", cause="differs", subject="", mark="1", reason="x", by="boss", at=clock.now(),
                      until=clock.now() + timedelta(days=1))  # fmt: skip
    app.books.findings.accept([gone])

    found = [one.finding for one in standing_findings(app.desk, at=clock.now())]

    assert {one.key for one in found} == {*(one.finding.key for one in before), odd[0].key}
    assert "left" not in host_audits(app.desk, at=clock.now())
    assert "left" not in waiting_since(app.desk, "differs", at=clock.now() + timedelta(days=2))
    assert gone.host not in {one.host for one in standing_acceptances(app.desk, at=clock.now())}


@pytest.mark.usefixtures("fleet")
def test_a_finding_is_accepted_until_a_day_and_taken_back(app: App, clock: FakeClock, signed_in: SignedIn) -> None:
    browser = signed_in("ops1")
    form = browser.get("/hosts/web2?accept=held:nginx").text
    assert '<details class="sure" id="accept" open>' in form
    assert '<option value="held:nginx" selected>' in form
    sent = browser.post("/hosts/web2", finding="held:nginx", until="2026-12-12", reason="the vendor mends it")
    assert (sent.status_code, sent.headers["location"]) == (303, "/hosts/web2#findings")
    (one,) = app.books.findings.accepted(at=clock.now())
    assert (one.host, one.cause, one.subject, one.by) == ("web2", "held", "nginx", "ops1")
    assert one.until == datetime(2026, 12, 12, 23, tzinfo=UTC), "the day is included, on the site's clock"
    (record,) = app.books.audit.about("finding held:nginx")
    assert (record.action, record.actor) == ("accept", "ops1")
    assert record.address.startswith("web")
    text = browser.get("/hosts/web2").text
    assert "medium, accepted until Sat 12 Dec by First technician: the vendor mends it" in text
    assert "1 accepted" in row(browser.get("/hosts").text, "web2")
    assert "medium" not in row(browser.get("/hosts").text, "web2")
    assert browser.post("/hosts/web2/take-back", finding="held:nginx").status_code == 303
    assert app.books.findings.accepted(at=clock.now()) == []
    assert browser.post("/hosts/web2/take-back", finding="held:nginx").status_code == 409


@pytest.mark.usefixtures("fleet")
def test_an_acceptance_is_for_one_host(app: App, clock: FakeClock, signed_in: SignedIn, audit: Audit) -> None:
    audit(report("web2", found("web2", "reboot")), report("web10", found("web10", "reboot")))
    browser = signed_in("ops1")
    browser.post("/hosts/web2", finding="reboot", until="2026-12-12", reason="after Christmas")
    assert [one.host for one in app.books.findings.accepted(at=clock.now())] == ["web2"]
    text = browser.get("/hosts?cause=reboot&sort=reboot").text
    assert names(text) == ["web10", "web2"]
    assert " accepted " in row(text, "web2")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"until": ""}, "say until which day"),
        ({"until": "soon"}, "&#39;soon&#39; is no day"),
        ({"until": "2026-11-19"}, "a day to come"),
        ({"until": "2029-01-01"}, "nothing is accepted for more than 400 days"),
        ({"until": "9999-12-31"}, "out of reach"),
        ({"reason": "  "}, "say why"),
        ({"finding": "held:apache"}, "nothing that stands is called"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_what_is_refused_stays_in_its_fields(
    app: App, clock: FakeClock, signed_in: SignedIn, changes: dict[str, str], said: str
) -> None:
    browser = signed_in("ops1")
    sent = {"finding": "held:nginx", "until": "2026-12-12", "reason": "because", **changes}
    answer = browser.post("/hosts/web2", **sent)
    assert answer.status_code == 400
    assert said in answer.text
    assert f'value="{sent["reason"]}"' in answer.text
    assert app.books.findings.accepted(at=clock.now()) == []


@pytest.mark.usefixtures("fleet")
def test_only_staff_accept_and_only_by_a_form_of_this_page(app: App, clock: FakeClock, signed_in: SignedIn) -> None:
    eye, staff = signed_in("eye"), signed_in("ops1")
    assert "?accept=" not in eye.get("/hosts/web2").text
    assert 'id="accept"' not in eye.get("/hosts/web2").text
    fields = {"finding": "held:nginx", "until": "2026-12-12", "reason": "because"}
    assert eye.post("/hosts/web2", **fields).status_code == 403
    assert staff.post("/hosts/web2", **{**fields, "token": "0" * 80}).status_code == 403
    assert staff.post("/hosts/web2", command="rm", **fields).status_code == 400
    assert staff.post("/hosts/web9", **fields).status_code == 404
    assert app.books.findings.accepted(at=clock.now()) == []


def test_a_task_about_findings_stands_with_each_of_its_hosts(
    signed_in: SignedIn, open_task: Callable[..., Task], app: App
) -> None:
    task = open_task(
        kind=TaskKind.ROUTINE,
        routine="patches",
        step="audit",
        item="audit",
        key="security",
        title="Install the security updates on web2 and web10",
        message="run 12: no longer on mx1",
        row={"severity": "high", "findings": 4, "hosts": ["web2", "web10"]},
    )
    for _ in range(5):
        app.books.tasks.renew(task.id, task)
    browser, eye = signed_in("ops1"), signed_in("eye")
    for host in ("web2", "web10"):
        assert f'href="/tasks/{task.id}"' in browser.get(f"/hosts/{host}").text
    assert f"/tasks/{task.id}" not in browser.get("/hosts/mx1").text
    assert "1 open task" in row(browser.get("/hosts").text, "web2")
    for reader in (browser, eye):
        text = reader.get(f"/tasks/{task.id}").text
        assert "run 12: no longer on mx1" in text
        assert "came 6 times" not in text, "an audit that sees it again is no news"
        assert 'href="/hosts/web10"' in text
    assert "open since" in browser.get(f"/tasks/{task.id}").text


def test_five_hundred_hosts_cost_no_more_statements_than_five(
    app: App, clock: FakeClock, audit: Audit, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = Ledger.all

    def listening(self: Ledger, sql: str, parameters: Sequence[Any] = ()) -> Any:
        asked.append(sql)
        return plain(self, sql, parameters)

    browser = signed_in("ops1")
    monkeypatch.setattr(Ledger, "all", listening)
    browser.get("/hosts")
    few = len(asked)
    hosts = [f"host{number}" for number in range(500)]
    lines = "".join(f"  {host}: {{address: 192.0.2.1, groups: [g{number % 7}]}}\n" for number, host in enumerate(hosts))
    site_file = app.root / "opsrunner.yaml"
    site_file.write_text(site_file.read_text() + lines)
    app.in_force.refresh()
    audit(*(report(host, *(found(host, f"security:p{n}") for n in range(20)), updates=20) for host in hosts))
    _ran_on(app, clock, hosts)
    browser.get("/hosts")
    asked.clear()
    begin = time.process_time()
    answer = browser.get("/hosts?sort=findings")
    seconds = time.process_time() - begin
    assert len(names(answer.text)) == 504
    assert len(asked) == few
    print(f"500 hosts with 10,000 findings: {seconds * 1000:.0f} ms, {len(answer.content) / 1000:.0f} kB")
    assert seconds < 3


def _ran_on(app: App, clock: FakeClock, hosts: Sequence[str]) -> None:
    new = NewRun(routine="patches", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, actor="boss")
    run = app.books.runs.claim(new, at=clock.now())
    assert run is not None
    parts = tuple(Part(key=host, status=StepStatus.WARNING, message="20 security") for host in hosts)
    outcome = Outcome(status=StepStatus.WARNING, parts=parts)
    app.books.steps.finish(run.id, 0, StepPlan(id="audit", kind="ssh"), outcome=outcome, at=clock.now())
    app.books.runs.finish(run.id, status=RunStatus.WARNING, reason="", at=clock.now())
