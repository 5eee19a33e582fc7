"""Whose task it is: roles, rosters, claims, leave, swaps and cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

import pytest

from opsrunner.engine.desk import Desk
from opsrunner.engine.people import People
from opsrunner.engine.ticks import Ticks
from opsrunner.errors import NotFound
from opsrunner.model.person import Absence, Cover, Person
from opsrunner.model.routine import Escalation
from opsrunner.model.site import Site
from opsrunner.model.task import NewTask, Task, TaskKind

Team = dict[str, Person]
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@pytest.fixture
def people(desk: Desk) -> People:
    return People(desk)


@pytest.fixture
def enter(desk: Desk, now: datetime) -> Callable[..., int]:
    """Keep an absence that lasts from now for two days."""

    def keep(kind: Literal["leave", "swap", "cover"], person: str, other: str | None, roster: str | None = None) -> int:
        absence = Absence(id=0, kind=kind, person=person, other=other, roster=roster, from_=now, until=now + 2 * DAY)
        return desk.books.absences.enter(absence, at=now)

    return keep


@pytest.fixture
def task_for(desk: Desk, now: datetime) -> Callable[..., Task]:
    """Open an ad-hoc task for a role, roster or person."""

    def open_one(role: str, **changes: Any) -> Task:
        new = NewTask(
            kind=TaskKind.AD_HOC, run=None, routine=None, step="", item="", title="Do", role=role, opened_at=now
        )
        return desk.books.tasks.open(replace(new, **changes))[0]

    return open_one


def ids(persons: tuple[Person, ...]) -> list[str]:
    return [person.id for person in persons]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("owner", ["boss"]),
        ("support", ["ops1", "ops2"]),
        ("ops2", ["ops2"]),
        ("on-call", ["ops2"]),
        ("gone-role", ["boss"]),
    ],
    ids=["role of one", "role of two", "person", "roster", "a name that is no longer there: the owners"],
)
def test_a_name_stands_for_people_and_never_for_nobody(
    people: People, now: datetime, name: str, found: list[str]
) -> None:
    assert ids(people.persons(name, at=now)) == found


def test_open_roster_tasks_move_at_hand_over(people: People, task_for: Callable[..., Task], now: datetime) -> None:
    task = task_for("on-call")
    monday_nine = datetime(2026, 11, 23, 8, tzinfo=now.tzinfo)
    for at, holder in ((now, "ops2"), (monday_nine - timedelta(seconds=1), "ops2"), (monday_nine, "ops1")):
        owner = people.of_task(task, at=at)
        assert owner is not None
        assert owner.id == holder


def test_a_claim_stays_through_the_hand_over(
    desk: Desk, people: People, task_for: Callable[..., Task], team: Team, now: datetime
) -> None:
    task = Ticks(desk).claim(task_for("on-call").id, actor=team["ops2"], at=now)
    assert people.of_task(task, at=now + WEEK) == team["ops2"]


def test_a_task_of_somebody_who_has_left_goes_back_to_its_role(
    people: People, task_for: Callable[..., Task], put_in_force: Callable[..., Site], team: Team, now: datetime
) -> None:
    task = task_for("owner", person="ops2")
    assert people.of_task(task, at=now) == team["ops2"]
    put_in_force(people={name: person for name, person in team.items() if name != "ops2"})
    assert people.of_task(task, at=now) == team["boss"]


def test_a_task_of_a_role_of_several_is_anybodys(
    people: People, task_for: Callable[..., Task], team: Team, now: datetime
) -> None:
    task = task_for("support")
    assert people.of_task(task, at=now) is None
    assert [people.is_for(task, team[name], at=now) for name in ("ops1", "ops2", "boss", "eye")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("kind", "person", "other", "roster"),
    [("leave", "ops2", "ops1", "on-call"), ("swap", "ops2", "ops1", "on-call"), ("cover", "ops2", "ops1", "on-call")],
)
def test_leave_swap_and_cover_move_a_roster_while_they_last(
    desk: Desk,
    people: People,
    enter: Callable[..., int],
    now: datetime,
    kind: str,
    person: str,
    other: str,
    roster: str,
) -> None:
    absence = enter(kind, person, other, roster)
    assert ids(people.persons("on-call", at=now + DAY)) == ["ops1"]
    assert ids(people.persons("on-call", at=now + 2 * DAY)) == ["ops2"]
    desk.books.absences.end(absence, at=now)
    assert ids(people.persons("on-call", at=now + DAY)) == ["ops2"]


def test_cover_in_the_file_counts_as_well(
    people: People, put_in_force: Callable[..., Site], desk: Desk, now: datetime
) -> None:
    cover = Cover(from_=date(2026, 11, 20), until=date(2026, 11, 21), person="boss")
    put_in_force(rosters={"on-call": replace(desk.site().rosters["on-call"], cover=(cover,))})
    assert ids(people.persons("on-call", at=now + DAY)) == ["boss"]


def test_a_role_leaves_out_who_is_on_leave_unless_all_are(
    people: People, task_for: Callable[..., Task], enter: Callable[..., int], team: Team, now: datetime
) -> None:
    task = task_for("support")
    enter("leave", "ops1", None)
    assert ids(people.persons("support", at=now)) == ["ops2"]
    assert people.of_task(task, at=now) == team["ops2"]
    enter("leave", "ops2", None)
    assert ids(people.persons("support", at=now)) == ["ops1", "ops2"]


def test_who_stands_in_gets_the_tasks_of_who_is_on_leave(
    people: People, task_for: Callable[..., Task], enter: Callable[..., int], team: Team, now: datetime
) -> None:
    enter("leave", "ops1", "ops2")
    assert ids(people.persons("ops1", at=now)) == ["ops2"]
    assert ids(people.persons("sysadmin", at=now)) == ["ops2"]
    assert people.why(task_for("sysadmin"), team["ops2"], at=now) == "yours: you cover for sysadmin"


def test_a_gap_in_a_roster_falls_to_the_owners(
    people: People,
    task_for: Callable[..., Task],
    put_in_force: Callable[..., Site],
    desk: Desk,
    team: Team,
    now: datetime,
) -> None:
    put_in_force(rosters={"on-call": replace(desk.site().rosters["on-call"], from_=date(2027, 1, 4))})
    task = task_for("on-call")
    assert people.of_task(task, at=now) is None
    assert ids(people.persons("on-call", at=now)) == ["boss"]
    assert people.why(task, team["boss"], at=now) == "yours: nobody holds on-call now"
    assert people.is_for(task, team["boss"], at=now)


def test_it_says_why_a_task_is_whose_it_is(
    desk: Desk, people: People, task_for: Callable[..., Task], team: Team, now: datetime
) -> None:
    ticks = Ticks(desk)
    claimed = ticks.claim(task_for("support").id, actor=team["ops1"], at=now)
    handed = ticks.hand_over(task_for("support").id, "ops1", actor=team["boss"], at=now)
    approval = task_for("owner", approve_by="owner")
    said = [
        people.why(task, team[person], at=now)
        for task, person in (
            (claimed, "ops1"),
            (handed, "ops1"),
            (claimed, "ops2"),
            (task_for("ops1"), "ops1"),
            (task_for("sysadmin"), "ops1"),
            (task_for("support"), "ops2"),
            (task_for("support"), "eye"),
            (approval, "boss"),
        )
    ]
    assert said == [
        "yours: you claimed it",
        "yours: handed over by The owner",
        "with First technician",
        "yours: it names you",
        "yours: you are the only sysadmin here",
        "for every support: claim it to make it yours",
        "with support",
        "yours: to approve",
    ]
    assert people.why(task_for("on-call"), team["ops2"], at=now).startswith("yours: on-call")


def test_an_escalation_that_went_puts_a_task_before_its_receiver(
    desk: Desk, people: People, task_for: Callable[..., Task], team: Team, now: datetime
) -> None:
    task = task_for("sysadmin", escalate=(Escalation(after_seconds=7200, to="owner"),), due_at=now)
    assert not people.is_for(task, team["boss"], at=now)
    desk.books.tasks.climb(task.id, "escalate 7200 owner", at=now)
    assert people.is_for(task, team["boss"], at=now)
    assert people.why(task, team["boss"], at=now) == "escalated to you: it is with First technician"
    assert people.why(task, team["ops1"], at=now) == "yours: you are the only sysadmin here"


@pytest.mark.parametrize(("login", "person"), [("tech1", "ops1"), ("root", None), ("", None), (None, None)])
def test_a_person_is_known_by_the_login(people: People, login: str | None, person: str | None) -> None:
    found = people.by_login(login)
    assert (found.id if found else None) == person


def test_a_person_is_named_by_id_or_full_name(people: People, team: Team) -> None:
    assert people.named("ops1") == people.named("First technician") == team["ops1"]
    with pytest.raises(NotFound, match=r"no person 'ops9' \(known: boss, ops1"):
        people.named("ops9")


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("support", ("ops1@example.com", "ops2@example.com")),
        ("on-call", ("ops2@example.com",)),
        ("ann@example.net", ("ann@example.net",)),
        ("nobody", ("owner@example.com",)),
    ],
)
def test_a_name_stands_for_its_mail_addresses(
    people: People, now: datetime, name: str, addresses: tuple[str, ...]
) -> None:
    assert people.addresses(name, at=now) == addresses


def test_with_the_absences_in_hand_the_ledger_is_asked_no_more(
    desk: Desk, people: People, enter: Callable[..., int], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter("leave", "ops2", None)
    enter("cover", "ops1", "boss", "on-call")
    known = desk.books.absences.live(since=now)
    names = ("owner", "support", "ops1", "ops2", "on-call", "gone")
    asked = [(people.holder(name, at=now), people.persons(name, at=now)) for name in names]
    monkeypatch.setattr(desk.books.absences, "live", None)
    same = People(desk, absences=known)
    assert [(same.holder(name, at=now), same.persons(name, at=now)) for name in names] == asked
