"""Hosts as audits know them, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from opsrunner.engine.state import LEDGER
from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.finding import Audited, Finding, HostReport, Severity
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import NewTask, TaskKind

from ..found import CAUSES

pytestmark = pytest.mark.needs("chromium")
SignedIn = Callable[..., Page]
Served = Any
PATCHES = """\
name: Patches of every server
accountable: sysadmin
steps:
  - id: audit
    ssh: {hosts: all, run: "true"}
"""
UPDATES = tuple(
    Finding(
        host="web1",
        cause="security",
        subject=name,
        severity=Severity.CRITICAL if name == "openssl" else Severity.HIGH,
        detail="3.0.11-1~deb12u2 → 3.0.17-1~deb12u3",
        mark="1",
    )
    for name in ("openssl", "libc6", "curl", "sudo", "nginx", "php8.2-fpm", "bind9-dnsutils")
)
HELD = Finding(
    host="web1",
    cause="held",
    subject="mariadb-server-10.11-with-a-long-name",
    severity=Severity.MEDIUM,
    detail="10.11.6",
)


@pytest.fixture
def more_hosts() -> str:
    """Hosts of several kinds, one of which no audit reaches."""
    names = ("web2", "web3", "web10", "mx1", "db1")
    return "".join(
        f"  {name}: {{address: {name}.servers.example.com, groups: [shared, debian-12]}}\n" for name in names
    )


@pytest.fixture
def more_files() -> dict[str, str]:
    """The routine that audits them."""
    return {"routines/patches.yaml": PATCHES}


ALMA = {
    "system": "AlmaLinux 9.5",
    "updates": 0,
    "reboot": False,
    "security": 0,
    "disk_percent": 91,
    "disk_mount": "/var",
}


def reboot(host: str) -> Finding:
    return Finding(host=host, cause="reboot", severity=Severity.HIGH, detail="linux-image-6.1.0-41 waits", mark="6.1")


@pytest.fixture
def audited(served: Served) -> Served:
    """The site after two audits, six days apart."""
    books = Books.open(served.root / "var" / LEDGER)
    now = datetime.now(UTC)
    facts = {
        "system": "Debian 12 (bookworm)",
        "kernel": "6.1.0-40-amd64",
        "updates": 9,
        "security": 7,
        "uptime_days": 141,
    }
    reports = (
        HostReport(host="web1", examined=frozenset(CAUSES), findings=(*UPDATES, HELD, reboot("web1")), facts=facts),
        HostReport(host="web2", examined=frozenset(CAUSES), findings=(reboot("web2"),), facts={**facts, "security": 0}),
        HostReport(host="web3", examined=frozenset(CAUSES), facts=ALMA),
        HostReport(host="web10", examined=frozenset(), problems=("apt: locked",), facts={"system": "FreeBSD 14"}),
    )  # fmt: skip
    for days in (6, 0):
        run = books.runs.claim(NewRun(routine="patches", trigger=Trigger.MANUAL, status=RunStatus.RUNNING), at=now)
        assert run is not None
        at = now - timedelta(days=days)
        books.findings.write(
            Audited(
                routine="patches",
                step="audit",
                run=run.id,
                at=at,
                reports=reports,
                has_baseline=False,
                causes=CAUSES,
                hosts=frozenset({"web1", "web2", "web3", "web10", "mx1", "db1"}),
            )
        )
        ends = {"web1": "7 security, held, reboot", "web2": "reboot", "web10": "apt: another program holds its lock"}
        parts = [Part(key=host, status=StepStatus.WARNING, message=said) for host, said in ends.items()]
        parts += [Part(key="web3", status=StepStatus.SUCCEEDED)]
        parts += [
            Part(key="mx1", status=StepStatus.FAILED, message="could not connect to mx1.servers.example.com port 22")
        ]
        outcome = Outcome(status=StepStatus.FAILED, parts=tuple(parts))
        books.steps.finish(run.id, 0, StepPlan(id="audit", kind="ssh"), outcome=outcome, at=at)
        books.runs.finish(run.id, status=RunStatus.FAILED, reason="", at=at)
    books.tasks.open(
        NewTask(
            kind=TaskKind.ROUTINE,
            run=1,
            routine="patches",
            step="audit",
            item="audit",
            key="reboot",
            role="sysadmin",
            title="Restart web1 and web2",
            message="Jonas Lie ticked it done on Mon 16 Nov; the audit still finds it",
            how="- **web1**: linux-image-6.1.0-41 waits\n- **web2**: linux-image-6.1.0-41 waits",
            row={"severity": "high", "findings": 2, "hosts": ["web1", "web2"]},
            expires="never",
            opened_at=now,
        )
    )
    books.ledger.close()
    return served


def shown(page: Page) -> list[str]:
    """Return the hosts of the table, in their order."""
    return page.locator(".fleet tbody th a").all_inner_texts()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_the_table_is_sorted_and_sieved_and_the_address_keeps_it(
    audited: Served, signed_in: SignedIn, scripts: bool
) -> None:
    page = signed_in("ops1", scripts=scripts)
    page.goto(audited.address + "/hosts")
    page.get_by_role("link", name="Findings").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Findings")
    assert shown(page)[:2] == ["web1", "web2"]
    page.get_by_label("Has").select_option("reboot")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".fleet tbody tr")).to_have_count(2)
    expect(page.get_by_role("status")).to_contain_text("2 of 6 hosts")
    assert "cause=reboot" in page.url
    assert "sort=findings" in page.url
    page.get_by_role("link", name="all of them").click()
    expect(page.locator(".fleet tbody tr")).to_have_count(6)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_finding_is_accepted_and_taken_back_on_a_phone(audited: Served, signed_in: SignedIn, scripts: bool) -> None:
    page = signed_in("ops1", width=390, scripts=scripts)
    page.goto(audited.address + "/hosts/web1")
    page.get_by_role("link", name="Accept held:mariadb").click()
    form = page.locator("#accept form")
    expect(form.get_by_label("What?")).to_have_value("held:mariadb-server-10.11-with-a-long-name")
    form.get_by_label("Until which day?").fill((datetime.now(UTC) - timedelta(days=3)).date().isoformat())
    form.get_by_label("Why?").fill("the vendor mends it")
    form.get_by_role("button", name="Accept it").click()
    expect(page.get_by_role("alert")).to_contain_text("Not accepted: it has to be accepted until a day to come")
    expect(form.get_by_label("Why?")).to_have_value("the vendor mends it")
    form.get_by_label("Until which day?").fill((datetime.now(UTC) + timedelta(days=20)).date().isoformat())
    form.get_by_role("button", name="Accept it").click()
    expect(page.get_by_text("by First technician: the vendor mends it")).to_be_visible()
    page.get_by_role("button", name="Take back: held:mariadb").click()
    expect(page.get_by_text("by First technician: the vendor mends it")).to_have_count(0)


@pytest.mark.parametrize("width", [390, pytest.param(900, marks=pytest.mark.soak), 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_hosts_are_for_everybody_and_fit(audited: Served, signed_in: SignedIn, width: int, dark: bool) -> None:
    page = signed_in("boss", width=width, dark=dark)
    for path in (
        "/hosts",
        "/hosts?sort=-disk&group=shared",
        "/hosts?q=nothing+like+it",
        "/hosts/web1",
        "/hosts/web1?accept=security",
        "/hosts/web3",
        "/hosts/web10",
        "/hosts/db1",
        "/tasks/4",
    ):
        page.goto(audited.address + path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
