"""End of life: the dated data, and what a day makes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import pytest

from opsrunner.audits.releases import releases
from opsrunner.model.finding import Severity

from .answers import LISTS, NOW, SYSTEM, answer, of_cause, report

UBUNTU = SYSTEM.replace("ID=debian", "ID=ubuntu").replace('"12"', '"20.04"')
ESM = f"{LISTS}\nlist esm.ubuntu.com_infra_ubuntu_dists_focal-infra-security_InRelease:Date: x"


def test_every_release_has_a_source_a_day_of_looking_and_ends_in_order() -> None:
    known = releases()
    assert len(known) > 40
    for (system, version), release in known.items():
        assert system == system.lower()
        assert version
        assert urlsplit(release.source).scheme == "https"
        assert date(2026, 1, 1) <= release.checked
        assert release.extended is None or release.extended > release.ends, release.name
        assert bool(release.extended) is bool(release.extended_by), release.name


@pytest.mark.parametrize(
    ("today", "severity"),
    [
        ("2028-03-31", None),
        ("2028-04-01", Severity.MEDIUM),
        ("2028-06-30", Severity.MEDIUM),
        ("2028-07-01", Severity.HIGH),
        ("2028-09-28", Severity.HIGH),
        ("2028-09-29", Severity.CRITICAL),
    ],
)
def test_a_release_is_told_90_days_before_its_end_and_weighs_more_after_it(
    today: str, severity: Severity | None
) -> None:
    now = datetime.fromisoformat(today).replace(tzinfo=UTC)
    found = of_cause(report(answer(), now=now), "end-of-life")
    assert [finding.severity for finding in found.values()] == ([severity] if severity else [])


def test_extended_updates_hold_where_their_lists_are_set_up_and_are_named_where_not() -> None:
    without = of_cause(report(system=UBUNTU), "end-of-life")[""]
    assert without.severity is Severity.CRITICAL
    assert without.detail == (
        "Ubuntu 20.04: security updates ended on 2025-05-29; Ubuntu Pro (ESM) gives some until 2030-04-23"
    )
    covered = report(system=UBUNTU, apt_lists=ESM)
    assert not of_cause(covered, "end-of-life")
    assert covered.facts["supported_until"] == "2030-04-23"


def test_a_release_that_is_not_in_the_data_is_a_problem_and_not_fine() -> None:
    told = report(answer(system=SYSTEM.replace('"12"', '"99"')), now=NOW)
    assert "end-of-life" not in told.examined
    assert "end of life is not known to this program" in told.problems[0]
