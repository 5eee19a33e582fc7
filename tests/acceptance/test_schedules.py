"""`next`, `calendar`, `pause`, `resume`, `skip`: when things are due, and leaving them out."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

Opsrunner = Callable[..., Any]
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
calendars:
  business: {country: NO}
freezes:
  - {from: 2036-12-10, until: 2036-12-20, tags: [changes], reason: season}
"""
MONTH_END = """\
name: Month end
accountable: sysadmin
tags: [changes]
schedule: {every: month, on: 25, at: "10:00", on_holiday: next business day}
steps:
  - task: Close the books
"""
BY_HAND = """\
name: By hand
accountable: sysadmin
steps:
  - run: echo hello
"""
NIGHTLY = """\
name: Nightly
accountable: sysadmin
schedule: {every: day, at: "02:30"}
steps:
  - run: echo hello
"""


@pytest.fixture
def site(make_site: Callable[..., Path]) -> Path:
    """Write a site with a monthly routine that holidays move, a nightly one, and one by hand."""
    return make_site(
        {
            "opsrunner.yaml": SITE,
            "routines/month-end.yaml": MONTH_END,
            "routines/by-hand.yaml": BY_HAND,
            "routines/nightly.yaml": NIGHTLY,
        }
    )


def test_a_routines_next_times_say_why_they_moved(opsrunner: Opsrunner, site: Path) -> None:
    question = ("next", "month-end", "--after", "2026-11-30", "--count", "2")
    found = json.loads(opsrunner(*question, "--json", site=site).stdout)
    shown = opsrunner(*question, site=site)

    assert found[0]["nominal_at"] == "2026-12-25T10:00:00+01:00"
    assert found[0]["at"] == "2026-12-28T10:00:00+01:00"
    assert (found[0]["weekday"], found[0]["zone"]) == ("monday", "Europe/Oslo")
    assert "Christmas" in found[0]["shift"]
    assert found[1]["at"] == "2027-01-25T10:00:00+01:00"
    assert "Mon  2026-12-28  10:00  CET" in shown.stdout
    assert "Christmas" in shown.stdout
    assert not (site / "var").exists(), "looking must not write"


def test_of_due_times_that_holidays_move_onto_one_moment_all_but_one_are_left_out(
    opsrunner: Opsrunner, site: Path
) -> None:
    easter = NIGHTLY.replace("{every: day, ", "{every: week, on: [thu, fri, mon, tue], on_holiday: next business day, ")
    (site / "routines/nightly.yaml").write_text(easter, encoding="utf-8")
    question = ("next", "nightly", "--after", "2036-04-09", "--json", "--count")
    whole, cut = (json.loads(opsrunner(*question, count, site=site).stdout) for count in ("5", "2"))

    # Maundy Thursday to Easter Monday are days off in Norway: Tuesday stands for all of them
    assert [item["at"][:10] for item in whole] == ["2036-04-15"] * 4 + ["2036-04-17"]
    assert [item["left_out"] for item in whole] == ["coalesced"] * 3 + ["", ""]
    assert cut == whole[:2], "also where the rest of the moment is not shown"


def test_a_routine_by_hand_is_never_due(opsrunner: Opsrunner, site: Path) -> None:
    assert "never due by itself" in opsrunner("next", "by-hand", site=site).stdout
    assert opsrunner("next", "by-hand", "--json", site=site).stdout == "[]\n"


def test_a_name_that_is_wrong_is_answered_with_the_nearest(opsrunner: Opsrunner, site: Path) -> None:
    answer = opsrunner("next", "month-ende", site=site)

    assert answer.returncode == 1
    assert answer.stderr == "opsrunner: there is no routine 'month-ende', did you mean 'month-end'?\n"


def test_a_cron_expression_needs_no_site(opsrunner: Opsrunner, tmp_path: Path) -> None:
    question = ("next", "--cron", "30 2 * * *", "--tz", "Europe/Oslo", "--after", "2026-03-28T00:00")
    found = json.loads(opsrunner(*question, "--count", "2", "--json", site=tmp_path).stdout)
    shown = opsrunner(*question, site=tmp_path).stdout
    wrong = opsrunner("next", "--cron", "61 * * * *", site=tmp_path)

    # 02:30 does not exist on 29 March 2026: it runs right after the gap
    assert found == ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00"]
    assert "at 02:30" in shown.splitlines()[0]
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("opsrunner: '61 * * * *' is not a cron expression")
    assert wrong.stderr.count("\n") == 1


def test_the_calendar_shows_days_shifts_freezes_and_people(opsrunner: Opsrunner, site: Path) -> None:
    span = ("--from", "2036-11-24", "--until", "2036-12-12")
    found = json.loads(opsrunner("calendar", *span, "--json", site=site).stdout)
    shown = opsrunner("calendar", "--from", "2036-11-25", "--until", "2036-11-25", site=site).stdout

    month_end = [item for item in found if item["routine"] == "month-end"]
    assert [item["at"] for item in month_end] == ["2036-11-25T10:00:00+01:00"]
    assert month_end[0]["tasks"] == [{"title": "Close the books", "role": "sysadmin", "assignee": "First technician"}]
    nightly = [item for item in found if item["routine"] == "nightly"]
    assert len(nightly) == 19, "both days included"
    assert shown.splitlines()[0] == "Tue 25 Nov 2036"
    assert "10:00  Month end  1 task for First technician" in shown


def test_a_freeze_is_named_in_what_comes(opsrunner: Opsrunner, site: Path) -> None:
    (site / "routines/month-end.yaml").write_text(MONTH_END.replace("on: 25", "on: 15"), encoding="utf-8")
    found = json.loads(
        opsrunner("next", "month-end", "--after", "2036-12-01", "--count", "1", "--json", site=site).stdout
    )
    assert (found[0]["at"], found[0]["left_out"]) == ("2036-12-15T10:00:00+01:00", "frozen")


def test_a_pause_is_seen_ends_by_itself_and_can_be_ended(opsrunner: Opsrunner, site: Path) -> None:
    paused = opsrunner("pause", "nightly", "--until", "+3d", "--reason", "new disks", "--as", "ops1", site=site)
    coming = json.loads(opsrunner("next", "nightly", "--count", "5", "--json", site=site).stdout)
    resumed = opsrunner("resume", "nightly", "--as", "ops1", site=site)
    again = opsrunner("resume", "nightly", site=site)

    assert paused.returncode == 0
    assert "Nightly is paused until " in paused.stdout
    assert "then it resumes by itself" in paused.stdout
    left_out = [item["left_out"] for item in coming]
    assert left_out[0] == "paused"
    assert left_out[-1] == "", "it resumes by itself"
    assert resumed.stdout.startswith("Nightly is on again. Next: ")
    assert (again.returncode, again.stderr) == (1, "opsrunner: nightly is not paused\n")


def test_a_skip_leaves_out_one_time(opsrunner: Opsrunner, site: Path) -> None:
    day = datetime.fromisoformat(
        json.loads(opsrunner("next", "nightly", "--count", "3", "--json", site=site).stdout)[2]["at"]
    )
    opsrunner("skip", "nightly", "next", "--reason", "done by hand", site=site)
    by_date = opsrunner("skip", "nightly", f"{day:%Y-%m-%d}", "--reason", "nobody is here", site=site)
    twice = opsrunner("skip", "nightly", f"{day:%Y-%m-%d}", "--reason", "again", site=site)
    coming = json.loads(opsrunner("next", "nightly", "--count", "4", "--json", site=site).stdout)

    assert [item["left_out"] for item in coming] == ["asked", "", "asked", ""]
    assert by_date.returncode == 0
    assert twice.returncode == 1
    assert "is left out already" in twice.stderr


def test_leaving_out_needs_a_reason_and_a_future(opsrunner: Opsrunner, site: Path) -> None:
    assert opsrunner("pause", "nightly", "--until", "tomorrow", site=site).returncode == 2
    over = opsrunner("pause", "nightly", "--until", "2020-01-01", "--reason", "x", site=site)
    assert (over.returncode, over.stderr) == (2, "opsrunner: --until 2020-01-01 is over already\n")
    by_hand = opsrunner("skip", "by-hand", "next", "--reason", "x", site=site)
    assert (by_hand.returncode, "is not due again by itself" in by_hand.stderr) == (1, True)
