"""Findings and facts as people say them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.fact_words import fact_lines
from opsrunner.engine.finding_words import hosts_of, is_about_findings, since_words, times_came, until_words
from opsrunner.model.routine import HOST_KINDS
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.steps.kinds import KINDS

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "id": 1,
        "kind": TaskKind.ROUTINE,
        "status": TaskStatus.OPEN,
        "run": 1,
        "routine": "patches",
        "step": "audit",
        "item": "audit",
        "key": "security",
        "title": "Install the security updates",
        "role": "sysadmin",
        "opened_at": NOW,
        "count": 6,
        "row": {"severity": "high", "findings": 2, "hosts": ["web1", "web2"]},
    }
    return Task(**{**values, **changes})


def test_a_task_that_audits_keep_is_about_its_hosts_and_counts_no_audits() -> None:
    assert is_about_findings(task())
    assert hosts_of(task()) == ("web1", "web2")
    assert times_came(task()) == 1


def test_a_follow_up_is_about_the_host_of_its_key_and_counts_failures() -> None:
    follow_up = task(kind=TaskKind.FOLLOW_UP, key="web1", row={})
    assert not is_about_findings(follow_up)
    assert hosts_of(follow_up) == ("web1",)
    assert times_came(follow_up) == 6


def test_a_keyed_task_about_an_order_is_about_no_host() -> None:
    order = task(key="17", row={"number": 17, "hosts": "web1"})
    assert not is_about_findings(order)
    assert hosts_of(order) == ()
    assert times_came(order) == 6


@pytest.mark.parametrize(
    "odd",
    [
        {"severity": "P1"},
        {"severity": None},
        {"severity": ["high"]},
        {"findings": "2"},
        {"findings": None},
        {"findings": True},
        {"hosts": None},
        {"hosts": "web1"},
        {"hosts": [1]},
        {"hosts": []},
    ],
)
def test_rows_of_a_site_that_have_such_columns_are_about_no_host(odd: dict[str, Any]) -> None:
    own = task(row={"severity": "high", "findings": 2, "hosts": ["web1"], **odd})
    assert not is_about_findings(own)
    assert hosts_of(own) == ()


@pytest.mark.parametrize(
    ("until", "words"),
    [
        pytest.param(datetime(2026, 12, 12, 23, tzinfo=UTC), "Sat 12 Dec", id="the end of a day is that day"),
        pytest.param(datetime(2026, 12, 12, 15, tzinfo=UTC), "Sat 12 Dec 16:00", id="within a day"),
        pytest.param(datetime(2027, 3, 28, 22, tzinfo=UTC), "Sun 28 Mar", id="the day of 23 hours"),
        pytest.param(datetime(2026, 10, 25, 23, tzinfo=UTC), "Sun 25 Oct", id="the day of 25 hours"),
    ],
)
def test_until_names_the_last_day_that_is_included(until: datetime, words: str) -> None:
    assert until_words(until, zone=OSLO) == words


@pytest.mark.parametrize(
    ("since", "words"),
    [
        (datetime(2026, 11, 19, 23, 30, tzinfo=UTC), "since today"),
        (datetime(2026, 11, 19, 22, 30, tzinfo=UTC), "since 1 day"),
        (datetime(2026, 11, 14, 22, 30, tzinfo=UTC), "since 6 days"),
        (datetime(2026, 11, 21, 8, tzinfo=UTC), "since today"),  # a clock that stepped back
    ],
)
def test_since_counts_days_of_the_wall_clock(since: datetime, words: str) -> None:
    assert since_words(since, at=NOW, zone=OSLO) == words


def test_facts_have_their_unit_and_what_is_not_known_is_left_out() -> None:
    facts = {
        "disk_percent": 91.5,
        "uptime_days": 1412,
        "free_bytes": 3_000_000_000,
        "updates": 12,
        "reboot": False,
        "kernel": "6.1.0",
        "panel": None,
        "held": "",
        "end-of-life": date(2028, 6, 30),
        "updated_at": NOW,
        "lists_at": "2026-11-20T08:00Z",
        "told_at": "a while ago",
        "bare_at": "2026-11-20T08:00",
    }
    lines = dict(fact_lines(facts, zone=OSLO))
    assert lines["Disk"] == "91.5 %"
    assert lines["Uptime"] == "1,412 days"
    assert lines["Reboot"] == "no"
    assert lines["End of life"] == "Fri 30 Jun 2028"
    assert lines["Updated at"] == lines["Lists at"] == "Fri 20 Nov 09:00"
    assert lines["Told at"] == "a while ago"
    assert lines["Bare at"] == "2026-11-20T08:00", "nobody knows on which clock"
    assert lines["Free"] == "3.0 GB"
    assert not {"Panel", "Held"} & lines.keys()


def test_every_kind_that_asks_hosts_is_known_as_such() -> None:
    """Else its hosts are in no table, and no digest counts whether they were reached."""
    asks = {name for name, kind in KINDS.items() if "hosts" in kind.options.model_fields}
    assert asks == HOST_KINDS & KINDS.keys()
