"""Audits of this machine, through the whole of a site: findings, their tasks, and what the digest makes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.run import RunStatus

House = Any
Open = Callable[..., House]
# Every file system is fuller than 0 %, so that there is something to find whatever machine this is.
CAPACITY = """\
name: Capacity
accountable: ops1
schedule: {every: day, at: "13:00"}
steps:
  - id: audit
    capacity: {hosts: local, limits: {disk_percent: [0, 101], days_until_full: [0, 0]}, without: [load, swap, memory]}
"""


def outcome(own: House, routine: str) -> Outcome:
    """Return how the step of the routine's last run ended."""
    (record,) = own.app.books.steps.of_run(own.runs(routine)[-1].id)
    found: Outcome | None = record.outcome
    assert found is not None
    return found


def test_what_the_first_look_finds_is_a_baseline_and_what_is_mended_closes_it(house: Open) -> None:
    own = house({"capacity": CAPACITY})
    own.at("2026-11-20 13:00")
    first = outcome(own, "capacity")
    assert first.status is StepStatus.WARNING
    (part,) = first.parts
    assert part.key == "local"
    assert part.facts["disk_percent"] >= 0
    mounts = [row["subject"] for row in first.rows if row["cause"] == "disk"]
    assert "/" in mounts
    assert {row["is_new"] for row in first.rows} == {True}
    (task,) = own.app.books.tasks.opened()
    assert task.title == "Go through what was there at the first look at local: capacity"
    own.at("2026-11-21 13:00")
    second = outcome(own, "capacity")
    assert {row["is_new"] for row in second.rows} == {False}
    assert {row["days"] for row in second.rows} == {1}
    own.write("routines/capacity.yaml", CAPACITY.replace("[0, 101]", "[101, 101]"))
    own.at("2026-11-21 14:00")
    own.at("2026-11-22 13:00")
    third = outcome(own, "capacity")
    assert (third.status, third.rows, third.facts["gone"]) == (StepStatus.SUCCEEDED, (), len(first.rows))
    assert own.app.books.tasks.opened() == []
    assert own.app.books.tasks.get(task.id).closed_by == "check"


def test_how_full_it_was_is_kept_for_the_trend(house: Open) -> None:
    own = house({"capacity": CAPACITY})
    for day in (20, 21, 22):
        own.at(f"2026-11-{day} 13:00")
    measured = own.app.books.samples.of("capacity", "audit")["local"]["/"]
    assert [at.day for at, _, _ in measured] == [20, 21, 22]
    assert all(0 < used <= size for _, used, size in measured)


def test_what_is_accepted_keeps_nobody_from_being_green_until_its_day(house: Open) -> None:
    own = house({"capacity": CAPACITY})
    own.at("2026-11-20 13:00")
    now = own.clock.now()
    found = own.app.accepting.named("disk", at=now)
    own.app.accepting.accept(found, until=now + timedelta(days=2), reason="new disks come", actor="ops1", at=now)
    assert own.app.books.tasks.opened() == []
    own.at("2026-11-21 13:00")
    assert outcome(own, "capacity").status is StepStatus.SUCCEEDED
    assert outcome(own, "capacity").facts["accepted"] == len(found)
    own.at("2026-11-22 13:00")
    assert own.runs("capacity")[-1].status is RunStatus.WARNING
    assert len(own.app.books.tasks.opened()) == 1


def test_a_routine_that_gets_another_name_keeps_its_findings(house: Open) -> None:
    own = house({"capacity": CAPACITY})
    own.at("2026-11-20 13:00")
    (own.root / "routines/capacity.yaml").unlink()
    own.write("routines/disks.yaml", f"renamed_from: capacity\n{CAPACITY}")
    own.at("2026-11-21 13:00")
    assert {row["is_new"] for row in outcome(own, "disks").rows} == {False}
    assert len(own.app.books.tasks.opened()) == 1


@pytest.mark.parametrize("kind", ["capacity", "hardening", "patch_audit"])
def test_each_audit_looks_at_this_machine_and_says_what_it_could_not_see(house: Open, kind: str) -> None:
    own = house({"audit": f"name: Audit\naccountable: ops1\nsteps:\n  - id: audit\n    {kind}: {{hosts: local}}\n"})
    request = own.app.routine_acts.ask_for_run("audit", actor="ops1", at=own.clock.now())
    own.work()
    assert own.app.books.requests.get(request).run is not None
    (part,) = outcome(own, "audit").parts
    assert part.status in (StepStatus.SUCCEEDED, StepStatus.WARNING)
    assert [one.host for one in own.app.books.host_facts.all()] == ["local"]
