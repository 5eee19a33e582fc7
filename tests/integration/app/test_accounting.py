"""Every due occurrence is accounted for, exactly once: the daemon's passes over a real ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from opsrunner.errors import StateError
from opsrunner.model.run import RunStatus, Trigger

DAILY = """\
name: Backups
accountable: sysadmin
schedule: {every: day, at: "02:30"}
steps:
  - run: ["true"]
"""
SLOW = """\
name: Slow
accountable: sysadmin
schedule: {every: 1m}
overlap: OVERLAP
steps:
  - run: while [ ! -e "$GATE" ]; do sleep 0.05; done
    env: {GATE: "{{ workdir }}/../../../gate"}
"""


def test_a_routine_runs_when_it_is_due_and_not_again(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.at("2026-11-21T02:29:59")
    assert site.runs("backups") == []
    site.at("2026-11-21T02:30:01")
    site.at("2026-11-21T02:30:40")
    (run,) = site.runs("backups")
    assert (run.status, run.trigger) == (RunStatus.SUCCEEDED, Trigger.SCHEDULE)
    assert run.nominal_at == datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


def test_what_is_due_in_a_pass_that_could_not_be_written_runs_in_the_next(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.work()
    ledger = site.app.books.ledger
    ledger.change("CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no room'); END")
    site.clock.set(datetime(2026, 11, 21, 2, 30, tzinfo=UTC))
    with pytest.raises(StateError, match="no room"):
        site.work()

    ledger.change("DROP TRIGGER full")
    site.clock.move(seconds=31)
    site.work()
    assert site.told("backups") == ["succeeded schedule"]
    assert [run.nominal_at for run in site.runs("backups")] == [datetime(2026, 11, 21, 2, 30, tzinfo=UTC)]


def test_an_edit_that_could_not_be_written_comes_into_force_later(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.work()
    ledger = site.app.books.ledger
    ledger.change("CREATE TRIGGER full BEFORE INSERT ON frozen BEGIN SELECT RAISE(ABORT, 'no room'); END")
    site.write("routines/backups.yaml", DAILY.replace("02:30", "13:00"))
    site.clock.move(seconds=31)
    with pytest.raises(StateError, match="no room"):
        site.work()

    ledger.change("DROP TRIGGER full")
    site.clock.move(seconds=31)
    site.work()
    site.at("2026-11-20T13:00:01")
    assert site.told("backups") == ["succeeded schedule"]


def test_a_request_whose_answer_could_not_be_written_runs_once(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.work()
    books = site.app.books
    books.requests.ask_for_run("backups", actor="boss", at=site.clock.now())
    books.ledger.change("CREATE TRIGGER full BEFORE UPDATE ON requests BEGIN SELECT RAISE(ABORT, 'no room'); END")
    site.clock.move(seconds=6)
    with pytest.raises(StateError, match="no room"):
        site.work()
    assert site.runs("backups") == []

    books.ledger.change("DROP TRIGGER full")
    site.clock.move(seconds=6)
    site.work()
    site.clock.move(seconds=6)
    site.work()
    assert site.told("backups") == ["succeeded manual"]


def test_it_is_healthy_as_long_as_passes_come_and_succeed(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    assert not site.daemon.is_healthy()
    site.work()
    assert site.daemon.is_healthy()
    site.clock.move(minutes=3)
    assert not site.daemon.is_healthy()
    site.work()
    assert site.daemon.is_healthy()


def test_a_site_that_has_nothing_due_writes_nothing_between_two_passes(house: Callable[..., Any]) -> None:
    """Each write is waited for by a disk, and has every open page look again."""
    site = house({"by-hand": DAILY.replace('schedule: {every: day, at: "02:30"}\n', "")})
    site.work()
    planned = [site.app.books.service.planned_at()]
    for _ in range(31):
        site.clock.move(seconds=1)
        site.work()
        planned.append(site.app.books.service.planned_at())
    assert len(set(planned)) == 2


def test_three_days_of_downtime_are_one_catch_up_and_two_missed(house: Callable[..., Any]) -> None:
    """B16."""
    site = house({"backups": DAILY})
    site.work()
    site.close()
    site.clock.move(days=2, hours=21)
    site.app.draining.clear()
    site.open()
    site.work()
    assert site.told("backups") == ["missed coalesced", "missed coalesced", "succeeded catch_up"]
    text = site.app.books.digests.last("daily").text
    assert "The scheduler did not run from Fri 20 Nov 12:00 to Mon 23 Nov 09:00" in text
    assert "Fri 20 Nov 12:00 to Mon 23 Nov 09:00" in text.split("NOT WATCHED")[0]
    assert "Backups: 2 older ones missed" in text


def test_what_is_older_than_the_window_is_missed_and_heads_the_digest(house: Callable[..., Any]) -> None:
    """B17."""
    site = house({"backups": DAILY.replace("steps:", "catch_up: {policy: latest, within: 2h}\nsteps:")})
    site.work()
    site.clock.move(days=2)
    site.work()
    assert site.told("backups") == ["missed window", "missed window"]
    digest = site.app.books.digests.last("daily")
    assert digest.text.startswith("Nothing needs you. One is in hand.")
    assert "MISSED: Backups" in digest.text
    assert "too late to catch up" in " ".join(digest.text.split())


def test_a_new_routine_accounts_from_when_it_is_first_seen(house: Callable[..., Any]) -> None:
    site = house({})
    site.work()
    site.write("routines/backups.yaml", DAILY)
    site.clock.move(seconds=5)
    site.work()
    assert site.runs("backups") == []
    site.at("2026-11-21T02:30:00")
    assert site.told("backups") == ["succeeded schedule"]


def test_a_broken_file_keeps_its_last_good_version_in_force_and_stops_no_other(house: Callable[..., Any]) -> None:
    """B32."""
    site = house({"backups": DAILY, "other": DAILY.replace("Backups", "Other")})
    site.work()
    site.write("routines/backups.yaml", "name: [broken\n")
    site.at("2026-11-21T02:30:00")
    assert site.told("backups") == ["succeeded schedule"]
    assert site.told("other") == ["succeeded schedule"]
    assert site.app.loaded.problems[0].file == "routines/backups.yaml"
    digest = site.app.digests.preview("daily", site.clock.now()).digest
    assert any("routines/backups.yaml" in item.title for item in digest.in_hand)


def test_a_broken_file_keeps_its_last_good_version_over_a_restart(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.work()
    site.close()
    site.write("routines/backups.yaml", "name: [broken\n")
    site.app.draining.clear()
    site.open()
    site.at("2026-11-21T02:30:00")
    assert site.told("backups") == ["succeeded schedule"]


@pytest.mark.parametrize(
    ("policy", "told"),
    [("skip", ["running", "skipped", "skipped"]), ("queue", ["running", "waiting", "skipped"])],
)
def test_a_run_longer_than_its_period_never_runs_beside_itself(
    house: Callable[..., Any], policy: str, told: list[str]
) -> None:
    """B23."""
    site = house({"slow": SLOW.replace("OVERLAP", policy)})
    site.daemon.work_once()
    for minute in (1, 2, 3):
        site.clock.set(datetime(2026, 11, 20, 12, minute, 1, tzinfo=UTC))
        site.daemon.work_once()
    assert [run.status.value for run in site.runs("slow")] == told
    (site.root / "var" / "gate").touch()
    site.work()
    site.clock.move(seconds=6)
    site.work()
    assert site.runs("slow")[0].status is RunStatus.SUCCEEDED
    expected = RunStatus.SUCCEEDED if policy == "queue" else RunStatus.SKIPPED
    assert site.runs("slow")[1].status is expected


def test_a_run_by_hand_and_a_scheduled_one_keep_the_overlap_policy_both_ways(house: Callable[..., Any]) -> None:
    """B29."""
    site = house({"slow": SLOW.replace("OVERLAP", "skip")})
    site.daemon.work_once()
    asked = site.app.books.requests.ask_for_run("slow", actor="boss", at=site.clock.now())
    site.clock.move(seconds=2)
    site.daemon.work_once()
    assert site.runs("slow")[0].trigger is Trigger.MANUAL
    site.clock.set(datetime(2026, 11, 20, 12, 1, 1, tzinfo=UTC))
    site.daemon.work_once()
    assert site.told("slow")[1] == "skipped overlap"
    refused = site.app.books.requests.ask_for_run("slow", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.daemon.work_once()
    answer = site.app.books.requests.get(refused)
    assert site.app.books.requests.get(asked).answer == ""
    assert "runs already" in answer.answer
    (site.root / "var" / "gate").touch()
    site.work()


@pytest.mark.parametrize("change", ["2027-03-28T01:00", "2027-10-31T01:00"], ids=["forward", "back"])
def test_six_hours_stay_six_hours_over_a_change_of_clocks(house: Callable[..., Any], change: str) -> None:
    """B09."""
    moment = datetime.fromisoformat(change).replace(tzinfo=UTC)
    site = house({"six": DAILY.replace('{every: day, at: "02:30"}', "{every: 6h, timezone: Europe/Oslo}")})
    site.clock.set(moment - timedelta(hours=25))
    site.work()
    for hours in range(0, 61, 6):
        site.at(f"{moment - timedelta(hours=25) + timedelta(hours=hours, seconds=1):%Y-%m-%dT%H:%M:%S}")
    nominals = [run.nominal_at for run in site.runs("six")][-10:]
    assert {later - earlier for earlier, later in pairwise(nominals)} == {timedelta(hours=6)}
    assert {run.status for run in site.runs("six")[-10:]} == {RunStatus.SUCCEEDED}
    assert nominals[0] < moment - timedelta(hours=18)
    assert nominals[-1] > moment + timedelta(hours=18)


def test_a_pause_leaves_no_burst_and_ends_by_itself(house: Callable[..., Any]) -> None:
    """B30."""
    site = house({"backups": DAILY})
    site.work()
    until = site.clock.now() + timedelta(days=3)
    site.app.books.holds.pause("backups", until=until, reason="moving", actor="boss", at=site.clock.now())
    for day in (21, 22, 23, 24):
        site.at(f"2026-11-{day}T02:30:01")
    assert site.told("backups") == ["skipped paused"] * 3 + ["succeeded schedule"]


def test_a_clock_set_back_runs_nothing_twice(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.at("2026-11-21T02:30:01")
    site.clock.step(minutes=-30)
    site.work()
    site.clock.move(minutes=31)
    site.work()
    assert len(site.runs("backups")) == 1


def test_a_routine_that_disappears_keeps_its_history_and_a_rename_carries_it_over(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.at("2026-11-21T02:30:01")
    (site.root / "routines" / "backups.yaml").rename(site.root / "routines" / "copies.yaml")
    site.write("routines/copies.yaml", DAILY + "renamed_from: backups\n")
    site.clock.move(seconds=5)
    site.work()
    assert site.told("copies") == ["succeeded schedule"]
    site.at("2026-11-22T02:30:01")
    assert site.told("copies") == ["succeeded schedule", "succeeded schedule"]


def test_every_final_run_is_in_exactly_one_digest_of_a_series(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    for day in (21, 22):
        site.at(f"2026-11-{day}T02:30:01")
        site.at(f"2026-11-{day}T07:00:02")
    books = site.app.books
    told = books.ledger.all("SELECT runs, through FROM digests WHERE series = 'daily' ORDER BY id")
    assert [tuple(row) for row in told] == [(1, 1), (1, 2)]
    assert books.digests.last("daily").until_at == datetime(2026, 11, 22, 7, tzinfo=UTC)
    now = site.clock.now()
    assert (
        site.app.digests.preview("daily", now).digest.runs,
        site.app.digests.preview("weekly", now).digest.runs,
    ) == (0, 2)


def test_a_run_is_forgotten_when_every_series_has_told_of_it(house: Callable[..., Any]) -> None:
    people = "people:\n  boss: {name: The owner, email: owner@example.com, roles: [owner, sysadmin]}\n"
    site = house({"backups": DAILY}, site=f"site: Example Hosting\n{people}limits: {{keep_runs: 1h}}\n")
    site.at("2026-11-21T02:30:01")
    for told in ("2026-11-21T07:00:01", "2026-11-23T07:00:01", "2026-12-01T07:00:01"):  # daily, weekly, monthly
        assert site.runs("backups")[0].id == 1, told
        site.at(told)
    site.at("2026-12-02T08:00:01")
    assert site.runs("backups")[0].id > 1
    assert not (site.app.state / "runs/1").exists()


def test_a_preview_stamps_nothing(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.at("2026-11-21T02:30:01")
    for _ in range(2):
        assert site.app.digests.preview("daily", site.clock.now()).digest.runs == 1


def test_after_downtime_one_late_digest_names_the_whole_span(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY})
    site.at("2026-11-20T12:00:10")
    site.clock.move(days=4)
    site.work()
    sent = [mail for mail in site.app.books.outbox.queued() if mail.about == "digest daily"]
    assert len(sent) == 1
    assert "Fri 20 Nov" in sent[0].text


def test_a_digest_comes_also_when_all_is_well(house: Callable[..., Any]) -> None:
    """B81."""
    site = house({"backups": DAILY})
    site.at("2026-11-21T02:30:01")
    site.at("2026-11-21T07:00:01")
    (mail,) = [mail for mail in site.app.books.outbox.queued() if mail.about == "digest daily"]
    assert mail.to == "owner@example.com"
    assert mail.subject == "Nothing needs you, 1 fine · Sat 21 Nov"
