"""`tasks`, `tick`, `task`, `note`, `person`: people's work on the command line."""

import json
import os
import pwd
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Opsrunner = Callable[..., Any]
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner]}}
  ops1: {{name: First technician, email: ops1@example.com, roles: [sysadmin], login: {login}}}
  ops2: {{name: Second technician, email: ops2@example.com, roles: [sysadmin], phone: "+44 20 7946 0123"}}
  guest: {{name: A guest, email: guest@example.com, roles: [viewer]}}
rosters:
  on-call: {{rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops2]}}
"""
ROUND = """\
name: Daily round
accountable: sysadmin
steps:
  - task: Look at the queue
    how: |
      Run `mailq` and read it.
    evidence: {note: required}
  - task: Count the tapes
    role: on-call
    evidence: {number: {name: tapes, minimum: 1, maximum: 9}}
  - task: Send the report
    wait: true
  - id: last
    run: echo the end
"""
LIST = """\
name: Credit list
accountable: sysadmin
steps:
  - id: pick
    run: printf 'number,amount\\n1,10\\n2,20\\n3,30\\n'
    rows: csv
  - task: Approve the credits
    id: ok
    approve: {rows: steps.pick.rows, by: owner}
    wait: true
"""


@pytest.fixture
def site(make_site: Callable[..., Path]) -> Path:
    """Write a site in which the OS user is the first technician."""
    login = pwd.getpwuid(os.geteuid()).pw_name
    return make_site(
        {
            "opsrunner.yaml": SITE.format(login=login),
            "routines/round.yaml": ROUND,
            "routines/credits.yaml": LIST,
        }
    )


def test_tasks_are_listed_with_whose_they_are(opsrunner: Opsrunner, site: Path) -> None:
    assert opsrunner("tasks", site=site).stdout == "No open task.\n"
    opsrunner("run", "round", site=site)

    listed = opsrunner("tasks", site=site).stdout
    mine = opsrunner("tasks", "--mine", "--as", "ops2", site=site).stdout
    found = json.loads(opsrunner("tasks", "--json", site=site).stdout)

    assert listed.splitlines()[0] == "3 open tasks, none late."
    assert re.search(r"1 +Look at the queue +any sysadmin +Daily round", listed)
    assert re.search(r"2 +Count the tapes +Second technician", listed)
    assert "yours: on-call this week" in mine
    assert [(task["id"], task["role"], task["person"], task["late"]) for task in found] == [
        (1, "sysadmin", None, False),
        (2, "on-call", "ops2", False),
        (3, "sysadmin", None, False),
    ]
    assert json.loads(opsrunner("tasks", "--overdue", "--json", site=site).stdout) == []


def test_a_tick_is_saved_says_what_follows_and_can_be_undone(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("run", "round", site=site)
    bare = opsrunner("tick", "1", site=site)
    ticked = opsrunner("tick", "1", "--note", "queue is empty", site=site)
    faster = opsrunner("tick", "1", "--note", "me too", "--as", "ops2", site=site)
    undone = opsrunner("task", "undo", "1", site=site)
    waits = opsrunner("tick", "3", site=site)

    assert (bare.returncode, bare.stderr) == (1, "opsrunner: 'Look at the queue' needs a note\n")
    assert ticked.returncode == 0
    assert ticked.stdout.splitlines()[0] == "✓ Saved: Look at the queue: done, by First technician."
    assert re.search(r"Settled at \d\d:\d\d:\d\d; until then, opsrunner task undo 1 takes it back", ticked.stdout)
    assert faster.returncode == 1
    assert "closed already: done by ops1" in faster.stderr
    assert undone.stdout.startswith("✓ Open again: Look at the queue")
    assert re.search(r"Its run goes on at \d\d:\d\d:\d\d, once opsrunner serve works", waits.stdout)


def test_a_waiting_run_names_the_task_that_it_waits_for(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("run", "round", site=site)

    shown = opsrunner("show", "1", site=site).stdout
    found = json.loads(opsrunner("show", "1", "--json", site=site).stdout)

    assert re.search(r"task +✓ succeeded .* 1 task\n", shown)
    assert re.search(r"task-3 +● waits for task 3 ", shown)
    assert [(step["status"], step["waits_for"]) for step in found["steps"]] == [
        ("succeeded", []),
        ("succeeded", []),
        ("running", [3]),
    ]


def test_a_tick_carries_its_evidence(opsrunner: Opsrunner, site: Path, tmp_path: Path) -> None:
    opsrunner("run", "round", site=site)
    (tmp_path / "proof.txt").write_text("seen", encoding="utf-8")
    too_many = opsrunner("tick", "2", "--number", "12", "--as", "ops2", site=site)
    ticked = opsrunner(
        "tick", "2", "--number", "7", "--file", str(tmp_path / "proof.txt"), "--as", "ops2", "--json", site=site
    )
    could_not = opsrunner("tick", "1", "--could-not", "--note", "no access", site=site)
    both = opsrunner("tick", "3", "--could-not", "--not-applicable", site=site)

    assert too_many.stderr == "opsrunner: tapes 12 is above 9\n"
    evidence = json.loads(ticked.stdout)["evidence"]
    assert evidence["number"] == 7
    assert (site / "var" / evidence["file"]).read_text(encoding="utf-8") == "seen"
    assert "! Saved: Look at the queue: could not, by First technician." in could_not.stdout
    assert both.returncode == 2


def test_a_task_is_read_in_the_terminal_without_the_backslashes_of_its_markdown(
    opsrunner: Opsrunner, site: Path
) -> None:
    opsrunner("task", "add", "Call Kari", "--how", r"Ask for a\_b \(1\): `grep a\_b`.", site=site)
    assert r"Ask for a_b (1): `grep a\_b`." in opsrunner("task", "show", "1", site=site).stdout


def test_a_task_is_shown_with_how_and_what_it_asks_for(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("run", "round", site=site)
    opsrunner("tick", "1", "--note", "queue is empty", site=site)

    closed = opsrunner("task", "show", "1", site=site).stdout
    asking = opsrunner("task", "show", "2", site=site).stdout

    assert "  Run `mailq` and read it.\n" in closed
    assert "note: queue is empty" in closed or "queue is empty" in closed
    assert "tapes (from 1 to 9)" in asking
    assert "opsrunner tick 2 --number N" in asking


def test_a_follow_up_says_what_to_do_only_while_there_is_something_to_do(opsrunner: Opsrunner, site: Path) -> None:
    path = site / "routines/round.yaml"
    for command in ("exit 3", "echo fine"):
        path.write_text(f"name: Round\naccountable: sysadmin\nsteps:\n  - run: {command}\n", encoding="utf-8")
        opsrunner("run", "round", site=site)
        if command == "exit 3":
            opened = opsrunner("task", "show", "1", site=site).stdout
    closed = opsrunner("task", "show", "1", site=site).stdout

    assert "See what happened" in opened
    assert "See what happened" not in closed
    assert "succeeded again in run 2 after 1 failure" in closed


def test_rows_of_an_approval_can_be_struck(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("run", "credits", site=site)
    shown = opsrunner("task", "show", "1", site=site).stdout
    refused = opsrunner("tick", "1", "--strike", "2", site=site)
    approved = opsrunner("tick", "1", "--strike", "2", "--as", "boss", "--json", site=site)

    assert re.search(r"^ +2 +2 +20", shown, flags=re.MULTILINE)
    assert refused.returncode == 1
    assert "only an owner" in refused.stderr
    assert json.loads(approved.stdout)["struck"] == [1], "positions count from 0 in JSON, from 1 for people"


def test_a_task_can_be_added_claimed_and_handed_over(opsrunner: Opsrunner, site: Path) -> None:
    added = opsrunner("task", "add", "Call the data centre", "--for", "sysadmin", "--due", "tomorrow 10:00", site=site)
    claimed = opsrunner("task", "claim", "1", site=site)
    taken = opsrunner("task", "claim", "1", "--as", "ops2", site=site)
    given = opsrunner("task", "hand-over", "1", "ops2", site=site)
    back = opsrunner("task", "hand-over", "1", "--back", site=site)
    wrong = opsrunner("task", "add", "x", "--for", "nobody", site=site)

    assert added.stdout == "✓ Added as task 1: Call the data centre, by tomorrow 10:00.\n"
    assert claimed.stdout.startswith("✓ Yours: Call the data centre")
    assert taken.stderr == "opsrunner: First technician has it already; it can be handed over\n"
    assert given.stdout.startswith("✓ With Second technician now: Call the data centre")
    assert back.stdout.startswith("✓ With sysadmin now: Call the data centre")
    assert (wrong.returncode, wrong.stderr) == (1, "opsrunner: there is no role, roster or person 'nobody'\n")


def test_who_may_only_look_cannot_act(opsrunner: Opsrunner, site: Path) -> None:
    opsrunner("task", "add", "x", site=site)
    for arguments in (("tick", "1"), ("task", "claim", "1"), ("note", "hello"), ("person", "leave", "ops1")):
        more = ("--until", "tomorrow") if arguments[0] == "person" else ()
        answer = opsrunner(*arguments, *more, "--as", "guest", site=site)
        assert answer.returncode == 1, arguments
        assert "may look" in answer.stderr
    unknown = opsrunner("tick", "1", "--as", "nobody", site=site)
    assert unknown.stderr.startswith("opsrunner: there is no person 'nobody' (known: boss, ops1")


def test_an_os_user_who_is_nobody_of_the_site_is_told_how_to_act(
    opsrunner: Opsrunner, make_site: Callable[..., Path]
) -> None:
    site = make_site({})
    answer = opsrunner("task", "add", "x", site=site)

    assert answer.returncode == 1
    assert "say who you are with --as PERSON (boss, ops1)" in answer.stderr


@pytest.mark.parametrize(("caller", "by"), [("kari", "ops2"), ("root", "ops1")], ids=["somebody", "root's own"])
def test_behind_sudo_it_is_the_caller_who_acts(opsrunner: Opsrunner, site: Path, caller: str, by: str) -> None:
    path = site / "opsrunner.yaml"
    path.write_text(path.read_text().replace("email: ops2@example.com,", "email: ops2@example.com, login: kari,"))

    opsrunner("note", "by sudo", site=site, env={"SUDO_USER": caller})

    (note,) = json.loads(opsrunner("note", "--json", site=site).stdout)
    assert note["author"] == by


def test_a_shift_leaves_a_note_for_the_next(opsrunner: Opsrunner, site: Path) -> None:
    left = opsrunner("note", "web5 was slow,", "gone by itself", site=site)
    shown = opsrunner("note", site=site).stdout
    found = json.loads(opsrunner("note", "--json", site=site).stdout)

    assert left.returncode == 0
    assert "First technician  web5 was slow, gone by itself" in shown
    assert [(note["author"], note["text"]) for note in found] == [("ops1", "web5 was slow, gone by itself")]


def test_leave_moves_the_duty_and_can_be_taken_back(opsrunner: Opsrunner, site: Path) -> None:
    before = json.loads(opsrunner("person", "list", "--json", site=site).stdout)
    entered = opsrunner("person", "cover", "ops2", "ops1", "--until", "tomorrow", "--reason", "ill", site=site)
    during = json.loads(opsrunner("person", "list", "--json", site=site).stdout)
    shown = opsrunner("person", "list", site=site).stdout
    opsrunner("person", "back", "1", site=site)
    after = json.loads(opsrunner("person", "list", "--json", site=site).stdout)

    assert entered.stdout.startswith("Entered: First technician stands in for Second technician until ")
    assert [found["rosters"][0]["person"] for found in (before, during, after)] == ["ops2", "ops1", "ops2"]
    assert during["absences"][0]["entered_by"] == "ops1"
    assert "First technician stands in for Second technician" in shown
    assert after["absences"] == []


def test_people_are_listed_with_their_phone(opsrunner: Opsrunner, site: Path) -> None:
    shown = opsrunner("person", "list", site=site).stdout
    found = json.loads(opsrunner("person", "list", "--json", site=site).stdout)

    assert re.search(r"ops2 +Second technician +sysadmin +\+44 20 7946 0123\n", shown)
    assert {one["id"]: one["phone"] for one in found["people"]} == {
        "boss": None,
        "ops1": None,
        "ops2": "+44 20 7946 0123",
        "guest": None,
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("leave", "ops1", "--from", "2026-01-01", "--until", "2026-01-02"), "that time is over already"),
        (("leave", "ops1", "--from", "2036-01-05", "--until", "2036-01-02"), "the end must come after the start"),
        (("cover", "ops1", "ops1", "--until", "tomorrow"), "cannot stand in for"),
        (
            ("swap", "ops1", "ops1", "--roster", "on-call", "--from", "tomorrow", "--until", "fri"),
            "cannot stand in for",
        ),
        (("cover", "ops1", "boss", "--roster", "night", "--until", "tomorrow"), "there is no roster 'night'"),
        (("back", "9"), "there is no absence 9"),
    ],
    ids=["over", "backwards", "oneself", "with oneself", "no roster", "none"],
)
def test_leave_that_cannot_be_is_refused(
    opsrunner: Opsrunner, site: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    answer = opsrunner("person", *arguments, site=site)

    assert answer.returncode in (1, 2)
    assert complaint in answer.stderr


def test_a_person_is_let_in_to_the_page_by_a_mail_or_by_a_printed_link(opsrunner: Opsrunner, site: Path) -> None:
    invited = opsrunner("person", "invite", "ops1", site=site)
    printed = opsrunner("person", "link", "ops1", site=site)
    unknown = opsrunner("person", "invite", "nobody", site=site)

    assert invited.returncode == 0
    assert "A link for First technician is on its way to " in invited.stdout
    assert "once opsrunner serve works" in invited.stdout
    assert re.fullmatch(r"http://127\.0\.0\.1:8420/sign-in/[\w-]{43}\n", printed.stdout)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("opsrunner: there is no person 'nobody'")
