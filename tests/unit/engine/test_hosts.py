"""What reaches a host."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.hosts import HostStanding, Reach, hosts_verdict, steps_that_reach
from opsrunner.engine.status_words import tone_of
from opsrunner.ledger.host_parts import HostPart
from opsrunner.model.outcome import StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.site import Host, MailSettings, Site

HOSTS = {
    name: Host(name=name, address="192.0.2.1", groups=groups)
    for name, groups in {"web1": ("shared",), "web2": ("shared", "new"), "db1": ()}.items()
}


def site(hosts: Any, *, kind: str = "ssh") -> Site:
    step = StepPlan(id="ask", kind=kind, options={"hosts": hosts, "run": "true"})
    routine = Routine(id="watch", name="Watch", accountable="owner", steps=(step,))
    return Site(
        root=Path("/"),
        name="x",
        timezone="UTC",
        people={},
        mail=MailSettings(from_="ops@example.com"),
        hosts=HOSTS,
        routines={"watch": routine},
    )


@pytest.mark.parametrize(
    ("hosts", "reached"),
    [
        pytest.param("all", {"web1", "web2", "db1"}, id="all but this machine"),
        pytest.param("shared", {"web1", "web2"}, id="a group"),
        pytest.param(["new", "db1"], {"web2", "db1"}, id="a list"),
        pytest.param("local", {"local"}, id="this machine by its name"),
        pytest.param("{{ row.host }}", set(), id="a template"),
        pytest.param(["web1", "{{ row.host }}"], set(), id="a template among names"),
    ],
)
def test_a_step_reaches_the_hosts_that_it_names(hosts: Any, reached: set[str]) -> None:
    assert set(steps_that_reach(site(hosts))) == reached


@pytest.mark.parametrize("status", list(StepStatus))
def test_an_end_has_the_tone_that_its_sign_has_everywhere(status: StepStatus) -> None:
    """A step that was interrupted was amber in the list of hosts, and red on the page of the host."""
    routine = site("all").routines["watch"]
    at = datetime(2026, 11, 20, tzinfo=UTC)
    last = HostPart(run=1, routine="watch", step="ask", host="web1", status=status, message="", at=at)
    assert Reach(routine=routine, step=routine.steps[0], last=last).tone == tone_of(status.value)


def test_other_kinds_of_steps_reach_none() -> None:
    assert steps_that_reach(site("all", kind="run")) == {}


def test_a_site_without_hosts_says_so() -> None:
    assert hosts_verdict([]) == "No hosts but this machine"
    here = HostStanding(host=Host(name="local", address="127.0.0.1"), reaches=(), tasks=())
    assert hosts_verdict([here]) == "No hosts but this machine"
