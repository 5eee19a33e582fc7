"""What the coming weeks lack, out of rosters, leave, tasks, freezes and the calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.errors import StepFailed
from opsrunner.model.finding import Acceptance, Finding, KnownFinding, Severity
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.person import Absence, Person, Roster, Shift
from opsrunner.model.schedule import Calendar, Freeze
from opsrunner.model.site import Host, MailSettings, Site
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.schedules.almanac import Almanac
from opsrunner.steps.base import StepCall
from opsrunner.steps.cover import KIND, Options
from opsrunner.steps.team import Team
from opsrunner.testing import FakeClock

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)  # a Monday
HOSTS = {
    "local": Host(name="local", address="127.0.0.1"),
    "web1": Host(name="web1", address="192.0.2.10"),
}


def person(name: str, *roles: str) -> Person:
    return Person(id=name, name=name.title(), email=f"{name}@example.com", roles=roles)


ROSTER = Roster(
    id="desk",
    shifts=(Shift(start=time(0), end=time(12), person="ann"), Shift(start=time(12), end=time(0), person="bo")),
)


def site(tmp_path: Any, **more: Any) -> Site:
    people = {
        one.id: one for one in (person("ann", "owner", "support"), person("bo", "support"), person("cy", "money"))
    }
    given = {"rosters": {"desk": ROSTER}, "timezone": "UTC"} | more
    return Site(root=tmp_path, name="Example", people=people, mail=MailSettings(from_="ops@example.com"), **given)


def leave(who: str, first: int, last: int, **more: Any) -> Absence:
    """Give a leave from one day of December to the beginning of another."""
    span: dict[str, Any] = {
        "from_": datetime(2026, 12, first, tzinfo=UTC),
        "until": datetime(2026, 12, last, tzinfo=UTC),
    }
    given: dict[str, Any] = {"id": 1, "kind": "leave", "person": who, "other": None, "roster": None}
    return Absence(**(given | span | more))


def task(**more: Any) -> Task:
    given: dict[str, Any] = {
        "id": 7,
        "kind": TaskKind.ROUTINE,
        "run": 1,
        "routine": "round",
        "step": "walk",
        "item": "walk",
        "title": "Walk",
        "role": "support",
        "opened_at": NOW,
        "status": TaskStatus.OPEN,
    }
    return Task(**(given | more))


@pytest.fixture
def look(make_call: Any, means: Any, tmp_path: Any) -> Any:
    """Look ahead from NOW."""

    def run(
        *absences: Absence,
        tasks: tuple[Task, ...] = (),
        now: datetime = NOW,
        of: Site | None = None,
        samples: Any = lambda *_: {},
        findings: Any = lambda *_: (),
        hosts: Any = MappingProxyType({}),
        history_of: Any = str,
        **options: Any,
    ) -> Outcome:
        whole = of or site(tmp_path)
        team = Team(site=whole, absences=absences, tasks=tasks, almanac=Almanac(whole.calendars))
        call: StepCall = make_call(Options.model_validate(options), routine="cover")
        assert KIND.run is not None
        given = replace(means, samples=samples, findings=findings, hosts=hosts, history_of=history_of)
        return KIND.run(call, replace(given, clock=FakeClock(now), team=lambda: team))

    return run


def rows(outcome: Outcome, kind: str) -> list[Any]:
    return [row for row in outcome.rows if row["kind"] == kind]


def test_where_every_duty_is_held_it_says_so(look: Any) -> None:
    outcome = look()

    assert outcome.status is StepStatus.SUCCEEDED
    assert outcome.message == "every duty is held, and nothing is ahead"
    assert outcome.facts == {"gaps": 0, "tasks": 0, "peaks": 0, "rooms": 0, "holidays": 0}


def test_gaps_that_come_back_at_the_same_hours_are_one_row(look: Any) -> None:
    outcome = look(leave("bo", 1, 4))

    (gap,) = rows(outcome, "gap")
    assert outcome.status is StepStatus.WARNING
    assert (gap["roster"], gap["words"]) == ("desk", "from 12:00 to 00:00 on 3 days")
    assert gap["key"] == "gap/desk/12:00 to 00:00"
    assert outcome.message == "1 gap"


def test_a_gap_keeps_its_key_from_look_to_look(look: Any) -> None:
    away = leave("bo", 1, 2)
    keys = {rows(look(away, now=datetime(2026, 12, 1, hour, tzinfo=UTC)), "gap")[0]["key"] for hour in (1, 13, 23)}

    assert len(keys) == 1


def test_what_lies_beyond_the_days_asked_for_is_not_told(look: Any) -> None:
    assert rows(look(leave("bo", 10, 12)), "gap") == []
    assert rows(look(leave("bo", 10, 12), within="21d"), "gap") != []


def test_hours_that_the_roster_itself_leaves_open_are_told_where_asked(look: Any, tmp_path: Any) -> None:
    half = replace(ROSTER, shifts=ROSTER.shifts[:1])
    open_site = site(tmp_path, rosters={"desk": half})

    assert rows(look(of=open_site), "gap") == []
    assert len(rows(look(of=open_site, planned=True), "gap")) == 1


@pytest.mark.parametrize(
    ("more", "is_told"),
    [
        pytest.param({"person": "bo", "due_at": datetime(2026, 12, 2, tzinfo=UTC)}, True, id="due while away"),
        pytest.param({"person": "bo", "due_at": datetime(2026, 12, 5, tzinfo=UTC)}, False, id="due when back"),
        pytest.param({"person": "bo"}, False, id="no due time, and still here"),
        pytest.param({"role": "money", "due_at": datetime(2026, 12, 2, tzinfo=UTC)}, False, id="of somebody else"),
        pytest.param({"due_at": datetime(2026, 12, 2, tzinfo=UTC)}, False, id="of several"),
        pytest.param({"role": "bo", "due_at": datetime(2026, 12, 2, tzinfo=UTC)}, True, id="asked of the person"),
        pytest.param(
            {"person": "bo", "routine": "cover", "due_at": datetime(2026, 12, 2, tzinfo=UTC)}, False, id="ours"
        ),
    ],
)
def test_tasks_of_people_who_are_away_are_told(look: Any, more: dict[str, Any], is_told: bool) -> None:
    outcome = look(leave("bo", 1, 4), tasks=(task(**more),))

    found = rows(outcome, "task")
    assert [row["key"] for row in found] == (["task/7"] if is_told else [])
    if is_told:
        assert found[0]["words"] == "due Wed 2 Dec 00:00, away until Fri 4 Dec 00:00"
        assert (found[0]["name"], found[0]["title"], found[0]["task"]) == ("Bo", "Walk", 7)


def test_a_task_without_a_due_time_is_told_while_its_owner_is_away(look: Any) -> None:
    now = datetime(2026, 12, 1, 8, tzinfo=UTC)

    assert len(rows(look(leave("bo", 1, 4), tasks=(task(person="bo"),), now=now), "task")) == 1
    assert rows(look(leave("bo", 1, 4, other="ann"), tasks=(task(person="bo"),), now=now), "task") == [], "stood in for"


SEASON = {"name": "Christmas", "from": "20 dec", "until": "5 jan", "ahead": "28d", "tags": ["changes"]}


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-11-21", None),  # 29 days before
        ("2026-11-22", date(2026, 12, 20)),
        ("2026-12-25", date(2026, 12, 20)),
        ("2027-01-05", date(2026, 12, 20)),  # its last day
        ("2027-01-06", None),
    ],
)
def test_a_season_is_told_of_until_its_freeze_is_declared(
    look: Any, tmp_path: Any, now: str, begins: date | None
) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    frozen = Freeze(from_=date(2026, 12, 22), until=date(2027, 1, 2), tags=("changes",), reason="x")
    other = replace(frozen, tags=("mail",))

    found = rows(look(now=at, peaks=[SEASON]), "peak")
    assert [row["starts_on"] for row in found] == ([begins] if begins else [])
    assert rows(look(now=at, peaks=[SEASON], of=site(tmp_path, freezes=(frozen,))), "peak") == []
    assert len(rows(look(now=at, peaks=[SEASON], of=site(tmp_path, freezes=(other,))), "peak")) == len(found)


def test_a_season_without_tags_is_told_of_until_it_begins(look: Any) -> None:
    season = SEASON | {"tags": []}

    assert len(rows(look(now=datetime(2026, 12, 19, tzinfo=UTC), peaks=[season]), "peak")) == 1
    assert rows(look(now=datetime(2026, 12, 20, tzinfo=UTC), peaks=[season]), "peak") == []


WITH_TAGS = SEASON | {"tags": [], "until": "24 dec", "from": "1 dec"}


def disk(*percents: int, mount: str = "/", days_ago: int = 0) -> dict[str, list[tuple[datetime, int, int]]]:
    """Give a disk that was so full on as many days, the last one so many days ago."""
    first = NOW - timedelta(days=days_ago + len(percents) - 1)
    return {mount: [(first + timedelta(days=day), percent, 100) for day, percent in enumerate(percents)]}


@pytest.mark.parametrize(
    ("measured", "words", "why"),
    [
        (disk(40, 40, 40, 40, 40), None, ""),
        (disk(40, 40, 40, 40, 81), "1 of 1 host would not stand it", "/ is 81 % full"),
        (disk(60, 62, 64, 66, 68), "1 of 1 host would not stand it", "/ is full in 16 days"),  # before Christmas
        (disk(10, 11, 12, 13, 14), None, ""),  # full in March
        (disk(40, 40, days_ago=4), "1 of 1 host not measured", "last measured 4 days ago"),
        ({}, "1 of 1 host not measured", "never measured"),
        (disk(40, 40) | disk(99, mount="/gone", days_ago=9), None, ""),  # that disk is there no more
    ],
)
def test_before_a_season_each_host_is_measured_and_has_room_or_is_named(
    look: Any, measured: Any, words: str | None, why: str
) -> None:
    asked = []

    def samples(routine: str, step: str) -> Any:
        asked.append((routine, step))
        return {"web1": measured, "gone": disk(99)}

    outcome = look(peaks=[WITH_TAGS], room={}, samples=samples, hosts=HOSTS)

    found = rows(outcome, "room")
    assert asked == [("capacity", "audit")]
    assert [row["words"] for row in found] == ([words] if words else [])
    assert [one["why"] for row in found for one in (*row["lacking"], *row["unknown"])] == ([why] if words else [])
    assert outcome.status is (StepStatus.WARNING if words else StepStatus.SUCCEEDED)


def test_what_was_measured_is_found_while_its_routine_waits_for_a_new_name(look: Any) -> None:
    known = {"capacity": {"web1": disk(40)}}
    given = {"samples": lambda routine, _: known.get(routine, {}), "history_of": lambda _: "capacity", "hosts": HOSTS}
    assert rows(look(peaks=[WITH_TAGS], room={"routine": "disks"}, **given), "room") == []


def test_a_finding_of_the_capacity_audit_stands_in_the_way_unless_somebody_accepted_it(look: Any) -> None:
    finding = Finding(host="web1", cause="load", severity=Severity.HIGH, detail="9.0 a core")
    known = KnownFinding(finding=finding, routine="capacity", step="audit", first_seen_at=NOW, seen_at=NOW)
    given = {"peaks": [WITH_TAGS], "room": {}, "hosts": HOSTS, "samples": lambda *_: {"web1": disk(40)}}

    (row,) = rows(look(findings=lambda *_: [known], **given), "room")
    assert row["lacking"] == ({"host": "web1", "why": "load: 9.0 a core"},)

    word = Acceptance(host="web1", cause="load", until=NOW, reason="known", by="ann", at=NOW)
    assert rows(look(findings=lambda *_: [replace(known, accepted=word)], **given), "room") == []


def test_a_season_names_its_own_hosts_and_nobody_looks_at_room_unasked(look: Any) -> None:
    two = HOSTS | {"db1": Host(name="db1", address="192.0.2.11")}

    (row,) = rows(look(peaks=[WITH_TAGS | {"hosts": ["db1"]}], room={}, hosts=two), "room")
    assert [one["host"] for one in row["unknown"]] == ["db1"]
    assert rows(look(peaks=[WITH_TAGS], hosts=two), "room") == []
    with pytest.raises(StepFailed, match="db2"):
        look(peaks=[WITH_TAGS | {"hosts": ["db2"]}], room={}, hosts=two)


def test_the_last_of_february_is_there_every_year(look: Any) -> None:
    season = SEASON | {"from": "29 feb", "until": "3 mar"}

    (row,) = rows(look(now=datetime(2027, 2, 20, tzinfo=UTC), peaks=[season]), "peak")
    assert (row["starts_on"], row["ends_on"]) == (date(2027, 2, 28), date(2027, 3, 3))


def test_holidays_ahead_are_told_and_are_no_warning(look: Any, tmp_path: Any) -> None:
    calendars = {"business": Calendar(name="business", country="NO", days_off=(date(2026, 12, 4),))}

    outcome = look(of=site(tmp_path, calendars=calendars))

    assert [row["words"] for row in rows(outcome, "holiday")] == ["Fri 4 Dec (Day off)"]
    assert outcome.status is StepStatus.SUCCEEDED


@pytest.mark.parametrize("day", ["nov", "last friday", "31", "32 nov", "first monday"])
def test_a_season_begins_on_a_day_of_the_year(day: str) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"peaks": [SEASON | {"from": day}]})


def test_it_previews_what_would_be_looked_at() -> None:
    said = KIND.preview(Options.model_validate({"peaks": [SEASON]}))

    assert said == "look 14 days ahead for gaps, leave and holidays, and for 1 seasons"
