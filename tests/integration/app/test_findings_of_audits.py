"""`opsrunner findings` where nothing stands: fine only where an audit looked at all of every host that is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from opsrunner.cli.main import call
from opsrunner.model.finding import Audited, Cause, Finding, HostReport, Severity
from opsrunner.open_site import open_site

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
hosts:
  web1: {address: 192.0.2.1}
  web2: {address: 192.0.2.2}
  web3: {address: 192.0.2.3}
"""
ROUTINE = """\
name: Patches
accountable: owner
steps:
  - id: audit
    patch_audit: {hosts: all}
"""
CAUSES = {"security": Cause(name="security", title="Install the updates", how="Read them.")}
FINE = "Nothing that an audit found still stands"
Findings = Callable[..., tuple[int, str]]


@pytest.fixture
def findings(make_site: Callable[[Mapping[str, str]], Path], capsys: pytest.CaptureFixture[str]) -> Findings:
    """Call `findings` on a site whose web1 was audited, and web2 not in full; `web3` stays out unless told."""
    root = make_site({"opsrunner.yaml": SITE, "routines/patches.yaml": ROUTINE})

    def say(
        *words: str, problems: tuple[str, ...] = ("apt is locked",), reports: tuple[str, ...], has: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        with closing(open_site(root)) as site:
            told = tuple(
                HostReport(
                    host=name,
                    examined=frozenset(CAUSES),
                    problems=problems if name == "web2" else (),
                    findings=tuple(
                        Finding(host=name, cause="security", subject=one, severity=Severity.HIGH, detail="1 → 2")
                        for one in has
                    ),
                )
                for name in reports
            )
            site.books.findings.write(
                Audited(
                    routine="patches",
                    step="audit",
                    run=1,
                    at=site.clock.now(),
                    reports=told,
                    hosts=frozenset(reports),
                    causes=CAUSES,
                    has_baseline=False,
                )
            )
        code = call(["findings", "--site", str(root), *words])
        return code, capsys.readouterr().out

    return say


def test_hosts_that_were_never_audited_or_not_in_full_are_named(findings: Findings) -> None:
    code, said = findings(reports=("web1", "web2"))

    assert code == 1
    assert said.splitlines() == [
        f"{FINE} on the others.",
        "Never audited: 1 host (web3): nobody knows what stands there; run a routine with an audit.",
        "Not audited in full: 1 host (web2): more may stand there.",
    ]


def test_only_the_hosts_that_are_meant_are_judged(findings: Findings) -> None:
    assert findings("--hosts", "web1", reports=("web1", "web2")) == (0, f"{FINE}.\n")
    code, said = findings("--hosts", "web3", reports=("web1", "web2"))
    assert (code, FINE in said, "1 host (web3)" in said) == (1, False, True)


def test_all_that_was_looked_at_is_fine(findings: Findings) -> None:
    assert findings(problems=(), reports=("web1", "web2", "web3")) == (0, f"{FINE}.\n")


def test_a_finding_is_one_line_with_its_hosts_and_one_a_host_where_that_is_asked(findings: Findings) -> None:
    every = ("web1", "web2", "web3")
    code, said = findings(reports=every, problems=(), has=("openssl", "bind9"))
    assert code == 1
    assert [" ".join(line.split()) for line in said.splitlines()] == [
        "finding severity since on what",
        "security:bind9 high today web1, web2 and web3 1 → 2",
        "security:openssl high today web1, web2 and web3 1 → 2",
    ]
    _, said = findings("security:openssl", reports=every, problems=(), has=("openssl", "bind9"))
    assert [line.split()[0] for line in said.splitlines()] == ["host", *every]
    _, said = findings("--hosts", "web2", reports=every, problems=(), has=("openssl", "bind9"))
    assert [line.split()[:2] for line in said.splitlines()[1:]] == [
        ["web2", "security:bind9"],
        ["web2", "security:openssl"],
    ]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("held", 0, "Nothing of held stands."), ("held:nginx", 0, "Nothing of held:nginx stands."), ("helt", 1, "")],
)
def test_a_cause_that_nothing_has_is_an_answer_and_a_slip_is_none(
    findings: Findings, name: str, code: int, said: str
) -> None:
    assert findings(name, reports=("web1", "web2", "web3"), problems=()) == (code, f"{said}\n" if said else "")
