"""The calendar on the page: a past with everything that can happen, and what comes."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.engine.held import world_of
from opsrunner.engine.planner import left_out_because
from opsrunner.ledger.runs import NewRun
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Task, TaskKind
from opsrunner.schedules.due import occurrences
from opsrunner.testing import FakeClock

from ...patience import within

SignedIn = Callable[[str], Any]
SINCE = datetime(2026, 10, 1, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> {{ 7*7 }}"
SITE = f"""\
rosters:
  on-call: {{rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops1, ops2]}}
  desk: {{shifts: [{{hours: "08:00-16:00", person: ops1}}]}}
calendars:
  business: {{country: "NO", days_off: [2026-12-24]}}
freezes:
  - {{from: 2026-11-12, until: 2026-11-17, tags: [changes], reason: '{HOSTILE}'}}
  - {{from: 2026-12-10, until: 2027-01-03, tags: [changes], reason: Customers' season}}
"""
ROUTINES = {
    "nightly": ("Nightly backups", "{every: day, at: '02:30'}", ""),
    "queues": ("Mail queues", "{every: 15m}", ""),
    "drill": (HOSTILE, "{every: week, on: thu, at: '10:00'}", "tags: [changes]\n"),
    "invoices": ("Invoices", "{every: month, on: 25, at: '09:00', on_holiday: next business day}", ""),
    "review": ("Review", "{every: month, on: 30, short_months: last day, at: '14:00'}", ""),
}
TASKS = {"invoices": ("Approve them", "owner"), "review": ("Look who left", "on-call"), "drill": ("Sign it", "desk")}


def routine_file(name: str, schedule: str, more: str, task: tuple[str, str] | None) -> str:
    step = '  - run: "true"\n' if task is None else f"  - task: {task[0]}\n    role: {task[1]}\n"
    return f"name: '{name}'\naccountable: sysadmin\n{more}schedule: {schedule}\nsteps:\n{step}"


def write(app: App, routines: dict[str, str], more: str = "") -> None:
    """Put routines in force, beside what the site's file says already."""
    files = {f"routines/{name}.yaml": text for name, text in routines.items()}
    site = app.root / "opsrunner.yaml"
    for path, text in {**files, "opsrunner.yaml": site.read_text() + more}.items():
        (app.root / path).write_text(text)
        (app.root / path).chmod(0o600)
    assert app.in_force.refresh()
    assert not app.loaded.problems, app.loaded.problems


def live_through(app: App, until: datetime, became: Callable[[str, datetime], tuple[RunStatus, str]]) -> None:
    """Account for everything from SINCE on, as `became` says of each that nothing leaves out."""
    world = world_of(app.site, app.almanac)
    with app.books.transaction():
        app.books.routines.see({one.id: one.name for one in app.site.routines.values()}, at=SINCE)
        for routine in app.site.routines.values():
            found = list(occurrences(routine.schedule, after=SINCE, until=until, almanac=app.almanac))
            for one, reason in zip(found, left_out_because(routine, found, [], world), strict=True):
                status, why = (RunStatus.SKIPPED, reason) if reason else became(routine.id, one.planned_at)
                new = NewRun(
                    routine=routine.id,
                    trigger=Trigger.SCHEDULE,
                    status=status,
                    reason=why,
                    nominal_at=one.nominal_at,
                    planned_at=one.planned_at,
                )
                assert app.books.runs.claim(new, at=one.planned_at) is not None
        app.books.service.note_planned(until)


@pytest.fixture
def lived(app: App, clock: FakeClock) -> App:
    """A site with seven weeks behind it, on Friday 20 November 2026, 09:00 in Oslo."""
    texts = {name: routine_file(*found, TASKS.get(name)) for name, found in ROUTINES.items()}
    write(app, texts, SITE)

    def became(routine: str, at: datetime) -> tuple[RunStatus, str]:
        day = f"{at:%m-%d}"
        if routine == "nightly":
            return {
                "11-04": (RunStatus.FAILED, ""),
                "11-05": (RunStatus.WARNING, ""),
                "11-06": (RunStatus.SKIPPED, "overlap"),
            }.get(day, (RunStatus.SUCCEEDED, ""))
        if routine == "queues" and day == "11-09" and 9 <= at.hour < 12:
            return RunStatus.MISSED, "window"
        return RunStatus.SUCCEEDED, ""

    live_through(app, clock.now(), became)
    return app


def cell(text: str, day: str) -> str:
    """Return what a day says, without its tags."""
    found = re.search(rf'<(td|section)[^>]* id="d-{day}".*?</\1>', text, re.DOTALL)
    assert found is not None, f"{day} is not shown"
    return " ".join(re.sub("<[^>]+>", " ", found[0]).split())


def test_a_month_names_what_was_not_fine_and_counts_the_rest(lived: App, signed_in: SignedIn) -> None:
    text = signed_in("boss").get("/calendar").text
    assert "<h1>November 2026</h1>" in text
    assert "1 failed, 12 missed, 1 with a warning, 2 skipped," in text
    assert cell(text, "2026-11-03") == "Tuesday 3 November 97 fine on Tue 3 Nov"
    assert "02:30 Nightly backups failed 96 fine" in cell(text, "2026-11-04")
    assert "02:30 Nightly backups warning 97 fine" in cell(text, "2026-11-05")
    assert "02:30 Nightly backups skipped · the one before still ran 96 fine" in cell(text, "2026-11-06")
    assert "10:00 Mail queues missed · 12 times · too late to catch up 85 fine" in cell(text, "2026-11-09")
    failed = next(run for run in lived.books.runs.listed(routine="nightly") if run.status is RunStatus.FAILED)
    assert f'href="/runs/{failed.id}"' in text


def test_what_comes_is_what_the_planner_says_with_the_people_who_will_hold_it(lived: App, signed_in: SignedIn) -> None:
    browser = signed_in("boss")
    november = browser.get("/calendar").text
    assert "00:00 Mail queues · 96 times" in cell(november, "2026-11-24")
    assert "09:00 Invoices · The owner" in cell(november, "2026-11-25")
    assert "14:00 Review · Second technician" in cell(november, "2026-11-30"), "after the hand-over of that day"
    december = browser.get("/calendar?day=2026-12-01").text
    assert "09:00 Invoices · Christmas Day, moved to the next business day · The owner" in cell(december, "2026-12-28")
    assert "skipped · frozen" in cell(december, "2026-12-10")
    assert "1 task for The owner" in browser.get("/calendar?view=week&day=2026-12-28").text


def test_a_day_says_its_holiday_its_clocks_and_its_hand_over(lived: App, signed_in: SignedIn) -> None:
    browser = signed_in("boss")
    december, october = (browser.get(f"/calendar?day=2026-{month}-01").text for month in ("12", "10"))
    assert "25 December Christmas Day" in cell(december, "2026-12-25")
    assert "24 December Day off" in cell(december, "2026-12-24")
    assert "25 October clocks go back 1 h" in cell(october, "2026-10-25")
    assert "102 fine" in cell(october, "2026-10-25"), "four more, for it has 25 hours"
    assert "on-call: Second technician from 09:00" in cell(december, "2026-12-14")
    week = browser.get("/calendar?view=week&day=2026-12-14").text
    assert "on-call First technician, from 09:00 Second technician" in cell(week, "2026-12-14")
    assert "desk nobody, from 08:00 First technician, from 16:00 nobody" in cell(week, "2026-12-15")
    assert "Mon 7 Dec 09:00 to Mon 14 Dec 09:00" in december


def test_a_freeze_is_a_band_over_its_days(lived: App, signed_in: SignedIn) -> None:
    text = signed_in("boss").get("/calendar").text
    bands = re.findall(r'<td colspan="(\d)" class="freeze"><b>Frozen: changes</b>', text)
    assert bands == ["4", "2"], "Thursday to Sunday, then Monday and Tuesday"
    assert "Thu 12 Nov to Tue 17 Nov" in text
    assert "frozen: changes" in cell(signed_in("boss").get("/calendar?view=week&day=2026-11-12").text, "2026-11-12")


def test_a_week_names_also_what_was_fine(lived: App, signed_in: SignedIn) -> None:
    text = signed_in("boss").get("/calendar?view=week&day=2026-11-04").text
    assert "<h1>2 to 8 November 2026</h1>" in text
    assert "Nightly backups failed" in cell(text, "2026-11-04")
    assert "96 fine 00:00 Mail queues succeeded · 96 times" in cell(text, "2026-11-04")
    assert "Friday 20 November today" in cell(signed_in("boss").get("/calendar?view=week").text, "2026-11-20")


def test_a_waiting_run_says_whom_it_waits_for(
    lived: App, signed_in: SignedIn, open_task: Callable[..., Task], clock: FakeClock
) -> None:
    at = clock.now() - timedelta(minutes=1)
    new = NewRun(routine="review", trigger=Trigger.SCHEDULE, status=RunStatus.RUNNING, nominal_at=at, planned_at=at)
    run = lived.books.runs.claim(new, at=at)
    assert run is not None
    lived.books.runs.wait(run.id)
    open_task(kind=TaskKind.ROUTINE, run=run.id, routine="review", step="task", item="task", role="on-call")
    assert "08:59 Review waiting · Second technician" in cell(signed_in("boss").get("/calendar").text, "2026-11-20")


def test_one_routine_can_be_looked_at_by_itself(lived: App, signed_in: SignedIn) -> None:
    browser = signed_in("boss")
    text = browser.get("/calendar?routine=nightly").text
    assert "02:30 Nightly backups succeeded" in cell(text, "2026-11-03")
    assert "Mail queues" not in text
    assert "Frozen" not in text, "no freeze holds it"
    assert "routine=nightly" in re.findall(r'rel="next" href="([^"]+)"', text)[0]
    assert 'href="/calendar?routine=nightly"' in browser.get("/routines/nightly").text


def test_links_lead_on_and_back(lived: App, signed_in: SignedIn) -> None:
    browser = signed_in("boss")

    def follow(text: str, rel: str) -> Any:
        (path,) = re.findall(rf'rel="{rel}" href="([^"]+)"', text)
        answer = browser.get(path.replace("&amp;", "&"))
        assert answer.status_code == 200
        return answer.text

    month = browser.get("/calendar").text
    assert "<h1>December 2026</h1>" in follow(month, "next")
    assert "<h1>October 2026</h1>" in follow(month, "prev")
    week = browser.get("/calendar?view=week").text
    assert "<h1>23 to 29 November 2026</h1>" in follow(week, "next")
    assert "<h1>9 to 15 November 2026</h1>" in follow(week, "prev")


@pytest.mark.parametrize("view", ["month", "week"])
@pytest.mark.parametrize("day", ["1970-01-01", "1970-01-05", "1999-12-31", "2038-01-19", "2099-12-31", "2100-12-31"])
def test_every_day_of_its_years_is_answered(lived: App, signed_in: SignedIn, view: str, day: str) -> None:
    browser = signed_in("boss")
    answer = browser.get(f"/calendar?view={view}&day={day}")
    assert answer.status_code == 200
    assert f'id="d-{day}"' in answer.text
    for path in re.findall(r'href="(/calendar[^"#]+)', answer.text):
        assert browser.get(path.replace("&amp;", "&")).status_code == 200, path


def test_where_nothing_is_known_it_says_so(lived: App, signed_in: SignedIn) -> None:
    assert "It keeps runs for 400 days." in signed_in("boss").get("/calendar?day=1999-01-01").text
    for path in (lived.root / "routines").iterdir():
        path.unlink()
    lived.in_force.refresh()
    assert "There are no routines yet" in signed_in("boss").get("/calendar?day=2030-01-01").text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("day=2026-02-30", "is no day: write it as 2026-11-22"),
        ("day=20261122", "is no day"),
        ("day=\u0662\u0660\u0662\u0666-11-22", "is no day"),
        ("day=1969-12-31", "the calendar shows the years 1970 to 2100, and not 1969"),
        ("day=2101-01-01", "and not 2101"),
        ("view=year", "view: input should be"),
        ("day=2026-11-22&day=2026-11-23", "day: input should be a valid string"),
        ("sort=id", "sort: is not known here"),
        (f"day={HOSTILE}", "&lt;script&gt;"),
    ],
)
def test_an_address_that_is_none_is_refused_in_a_line(lived: App, signed_in: SignedIn, query: str, said: str) -> None:
    answer = signed_in("boss").get(f"/calendar?{query}")
    assert answer.status_code == 400
    assert said in answer.text
    assert "<script>alert" not in answer.text


def test_a_routine_that_never_was_is_not_there_and_one_that_is_gone_keeps_its_past(
    lived: App, signed_in: SignedIn
) -> None:
    browser = signed_in("boss")
    assert browser.get("/calendar?routine=none").status_code == 404
    assert browser.get(f"/calendar?routine={HOSTILE}").status_code == 404
    (lived.root / "routines/nightly.yaml").unlink()
    lived.in_force.refresh()
    text = browser.get("/calendar?routine=nightly").text
    assert "Nightly backups failed" in cell(text, "2026-11-04")
    assert "to come" not in text


def test_names_and_reasons_are_shown_as_they_are(lived: App, signed_in: SignedIn) -> None:
    browser = signed_in("boss")
    for path in ("/calendar", "/calendar?view=week&day=2026-11-12", "/calendar?routine=drill"):
        text = browser.get(path).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in text
        assert "<script>alert" not in text


@pytest.mark.parametrize("person", ["ops1", "eye"])
def test_it_is_for_owners(signed_in: SignedIn, person: str) -> None:
    answer = signed_in(person).get("/calendar")
    assert answer.status_code == 403
    assert "this is for owners" in answer.text


def test_it_changes_nothing(lived: App, signed_in: SignedIn) -> None:
    browser, before = signed_in("boss"), lived.books.ledger.version()
    text = browser.get("/calendar").text
    assert lived.books.ledger.version() == before
    assert 'method="post"' not in text.partition("<main")[2]
    assert "stand in the site's YAML files" in text


def test_a_hundred_routines_make_a_light_and_quick_month(app: App, signed_in: SignedIn, clock: FakeClock) -> None:
    """Eight of them are due every 15 minutes and ask people: 26,000 occurrences a month."""
    schedules = ["{every: 15m}"] * 8 + [
        f"{{every: day, at: '{number % 24:02}:{number % 60:02}'}}" for number in range(92)
    ]
    texts = {
        f"r{number}": routine_file(f"Routine {number}", schedule, "", ("Look", ("desk", "on-call")[number % 2]))
        for number, schedule in enumerate(schedules)
    }
    write(app, texts, SITE)
    live_through(app, clock.now(), lambda routine, at: (RunStatus.SUCCEEDED, ""))
    browser = signed_in("boss")
    for path in ("/calendar?day=2026-10-10", "/calendar", "/calendar?day=2026-12-10", "/calendar?view=week"):
        browser.get(path)  # the holidays of the year are read once
        page = within(3, partial(browser.get, path), clock=time.process_time)  # alone it takes a tenth
        assert len(gzip.compress(page.text.encode())) < 30_000
