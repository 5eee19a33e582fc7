"""The checklists as files: they say what the ledger says, after whatever changed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsrunner.model.task import Evidence, TaskStatus

DAILY = 'name: Round\naccountable: sysadmin\nschedule: {every: day, at: "12:30"}\nsteps:\n'
LIST = DAILY + "  - task: Walk\n  - task: Look\n    due: '14:00'\n    expires: due\n"
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  ops2: {name: Second technician, email: ops2@example.com, roles: [sysadmin]}
mail: {from: ops@example.com}
sources:
  orders: {csv: orders.csv, columns: {number: text}}
"""


def lines(site: Any, run: int) -> list[str]:
    """Return the items of a run's file."""
    (path,) = (site.root / "var" / "checklists").glob(f"*/*-run{run}.md")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("- ")]


def test_a_claim_a_tick_and_its_undo_stand_in_the_file_at_once(house: Callable[..., Any]) -> None:
    site = house({"round": LIST}, site=SITE)
    site.work()
    site.at("2026-11-20T12:30:01")
    ops1, now = site.app.people.named("ops1"), site.clock.now()
    assert lines(site, 1) == ["- [ ] Walk (task 1, sysadmin)", "- [ ] Look (task 2, sysadmin, due Fri 20 Nov 14:00)"]
    site.app.ticks.claim(1, actor=ops1, at=now)
    assert lines(site, 1)[0] == "- [ ] Walk (task 1, First technician)"
    site.app.ticks.hand_over(1, "ops2", actor=ops1, at=now)
    assert lines(site, 1)[0] == "- [ ] Walk (task 1, Second technician)"
    site.app.ticks.tick(1, actor=ops1, status=TaskStatus.DONE, evidence=Evidence(note="fine"), at=now)
    assert lines(site, 1)[0] == "- [x] Walk (First technician, Fri 20 Nov 12:30, fine)"
    site.app.ticks.undo(1, actor=ops1, at=now)
    assert lines(site, 1)[0] == "- [ ] Walk (task 1, Second technician)"


def test_what_time_made_missed_stands_so_in_the_file_of_the_run_that_opened_it(house: Callable[..., Any]) -> None:
    site = house({"round": LIST}, site=SITE)
    site.work()
    site.at("2026-11-20T12:30:01")
    site.at("2026-11-20T14:00:01")
    assert lines(site, 1)[1] == "- [ ] Look (missed, opsrunner, Fri 20 Nov 14:00, not ticked by its due time)"
    site.at("2026-11-21T12:30:01")
    assert lines(site, 1)[0].startswith("- [ ] Walk (missed, opsrunner, Sat 21 Nov 12:30")
    assert len(lines(site, 2)) == 2


def test_what_the_source_closed_stands_so_in_the_file_of_the_run_that_opened_it(house: Callable[..., Any]) -> None:
    steps = (
        "  - query: {source: orders}\n    id: late\n"
        '  - task: "Verify {{ row.number }}"\n    for_each: steps.late.rows\n    key: row.number\n'
        "    closes_when_gone: true\n"
    )
    site = house({"round": DAILY + steps}, site=SITE)
    site.write("orders.csv", "number\n17\n18\n")
    site.work()
    site.at("2026-11-20T12:30:01")
    site.write("orders.csv", "number\n18\n")
    site.at("2026-11-21T12:30:01")
    assert lines(site, 1) == [
        "- [x] Verify 17 (source, Sat 21 Nov 12:30, no longer listed; last seen: number 17)",
        "- [ ] Verify 18 (task 2, sysadmin)",
    ]


def test_a_run_without_a_list_of_its_own_has_no_file(house: Callable[..., Any]) -> None:
    site = house({"round": DAILY + "  - run: exit 3\n"}, site=SITE)
    site.work()
    site.at("2026-11-20T12:30:01")
    assert site.told("round") == ["failed step run"]
    assert list((site.root / "var" / "checklists").glob("*/*")) == []


def test_the_list_of_a_routine_that_is_gone_is_still_kept_up_to_date(house: Callable[..., Any]) -> None:
    site = house({"round": LIST}, site=SITE)
    site.work()
    site.at("2026-11-20T12:30:01")
    (site.root / "routines" / "round.yaml").unlink()
    site.at("2026-11-20T12:31:00")
    boss = site.app.people.named("boss")
    site.app.ticks.tick(1, actor=boss, status=TaskStatus.COULD_NOT, evidence=Evidence(), at=site.clock.now())
    assert lines(site, 1)[0] == "- [ ] Walk (could not be done, The owner, Fri 20 Nov 12:31)"
