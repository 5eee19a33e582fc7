"""`opsrunner findings` where nothing stands: fine only where an audit looked at all of every host that is meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from opsrunner.cli.main import call
from opsrunner.model.finding import Audited, Cause, HostReport
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
FINE = "Nothing that an audit found stands still"
Findings = Callable[..., tuple[int, str]]


@pytest.fixture
def findings(make_site: Callable[[Mapping[str, str]], Path], capsys: pytest.CaptureFixture[str]) -> Findings:
    """Call `findings` on a site whose web1 was audited, and web2 not in full; `web3` stays out unless told."""
    root = make_site({"opsrunner.yaml": SITE, "routines/patches.yaml": ROUTINE})

    def say(*words: str, problems: tuple[str, ...] = ("apt is locked",), reports: tuple[str, ...]) -> tuple[int, str]:
        with closing(open_site(root)) as site:
            told = tuple(
                HostReport(
                    host=name, examined=frozenset(CAUSES), problems=problems if name == "web2" else (), findings=()
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
