"""Checklists that a team keeps as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.config.checklist import Checklist
from opsrunner.config.loader import Loaded
from opsrunner.config.markdown_lists import read_markdown
from opsrunner.model.routine import Due, EvidenceSpec
from opsrunner.templates.environments import render_text

FOLDER = Path(__file__).parents[2] / "data" / "markdown"


def read(text: str) -> Checklist:
    return read_markdown(text, file="checklists/x.md", name="x")


def titles(text: str) -> list[str]:
    return [item.options.task for item in read(text).items]


def outline(checklist: Checklist) -> list[tuple[str, str]]:
    return [(item.group, item.options.task) for item in checklist.items]


def test_it_reads_a_list_as_a_team_keeps_it() -> None:
    checklist = read((FOLDER / "morning.md").read_text(encoding="utf-8"))

    assert checklist.problems == ()
    assert (checklist.name, checklist.about) == ("Morning round", "Whoever opens the office does this first.")
    assert outline(checklist) == [
        ("Machines", "Sign off last night's backups"),
        ("Machines", "Check RAID on web1 and web2"),
        ("Machines", "Mail"),
        ("Machines › Mail", "Queue under 300"),
        ("Machines › Mail", "No address on a block list"),
        ("Machines › Panels", "cPanel notices"),
        ("Machines › Panels", "DirectAdmin notices"),
        ("Customers", "Oldest ticket has a word from us"),
        ("Customers", "Oldest ticket has a word from us"),
        ("Customers", "Funds verified"),
        ("Customers", "Account created"),
        ("End", "Leave a shift note"),
    ]


def test_what_stands_under_an_item_is_its_how() -> None:
    checklist = read((FOLDER / "morning.md").read_text(encoding="utf-8"))
    how = {item.id: render_text(item.options.how, {}) for item in checklist.items}

    assert how["sign-off-last-night-s-backups"] == (
        "Look at the wall screen before you begin.\n\n"
        "Every server must be there:\n\n"
        "```sh\nls -l /backup/$(date +%F) | wc -l\ndocker ps --format '{{.Names}}'\n```\n\n"
        "- not older than 26 hours\n- about as large as yesterday"
    )
    assert how["no-address-on-a-block-list"] == "1. Ask through our own resolver\n2. Look at SNDS"
    assert how["directadmin-notices"] == "Anything red goes to the on-call person at once."
    assert how["funds-verified"] == "- Where: bank page\n- Who answers: billing"


def test_the_address_that_an_item_links_to_is_its_link() -> None:
    first = read((FOLDER / "morning.md").read_text(encoding="utf-8")).items[0]

    assert first.options.link == "https://backup.example.com/last"


def test_front_matter_holds_for_all_tasks(load: Callable[[Mapping[str, str]], Loaded]) -> None:
    routine = "name: X\naccountable: owner\nsteps: [{checklist: morning}]\n"
    text = (FOLDER / "morning.md").read_text(encoding="utf-8")
    loaded = load({"checklists/morning.md": text, "routines/x.yaml": routine})
    assert loaded.problems == ()
    assert loaded.site is not None

    for task in loaded.site.routines["x"].steps[0].tasks:
        assert (task.role, task.due) == ("support", Due(at=time(10)))
        assert task.evidence == EvidenceSpec(note="optional")


def test_numbered_steps_are_the_tasks_where_there_is_no_box() -> None:
    checklist = read((FOLDER / "steps.md").read_text(encoding="utf-8"))

    assert checklist.name == "Restart of a web server"
    assert [item.options.task for item in checklist.items] == [
        "Tell the others in the chat",
        "Drain it from the load balancer",
        "Restart",
        "Put it back",
    ]
    assert checklist.items[1].options.how == (
        "```\ndrain web1\n```\n\n1. wait for the connections to end\n2. look at the graph"
    )


TITLES = [
    # text, the tasks in it
    ("- [ ] a\n- [x] b\n- [X] c\n* [ ] d\n+ [ ] e\n1. [ ] f\n", ["a", "b", "c", "d", "e", "f"]),
    ("- [ ] a\n1. b\n2. c\n", ["a"]),  # numbers are prose where there are boxes
    ("- [ ] a\n\n  1. b\n     - [ ] c\n", ["a", "c"]),
    ("- [ ] a line\n  that goes on\n", ["a line that goes on"]),
    ("- [ ] `systemctl status exim` is **green**\n", ["systemctl status exim is green"]),
    ("- [ ] see [the page](https://example.com) ![x](y.png)\n", ["see the page x"]),
    ("- [ ]\n- [ ] \n- [ ] a\n", ["a"]),  # a box without words is nothing to do
    ("- [ ]\n  - [ ] below an empty one\n", ["below an empty one"]),
    ("> - [ ] quoted\n\n- [ ] a\n", ["a"]),
    ("    - [ ] code\n\n- [ ] a\n", ["a"]),
    ("```\n- [ ] code\n```\n- [ ] a\n", ["a"]),
    ("- [ ] a\r\n- [ ] b\r\n", ["a", "b"]),
    ("<!-- - [ ] hidden -->\n\n- [ ] a\n", ["a"]),
    ("| Task | Who |\n|---|---|\n| a | ops |\n| b |\n", ["a", "b"]),
    ("| | Task |\n|---|---|\n| [ ] | a |\n| [x] | b |\n", ["a", "b"]),
    ("- a\n- b\n1. c\n", ["c"]),
    ("- [] a\n- [-] b\n- [ ] c\n", ["c"]),
]


@pytest.mark.parametrize(("text", "expected"), TITLES)
def test_it_finds_the_tasks(text: str, expected: list[str]) -> None:
    assert titles(text) == expected


def test_nothing_that_was_written_is_lost() -> None:
    checklist = read(
        "# T\n\nintro\n\n## G\n\nbefore\n\n- group\n\n  of the group\n\n  - [ ] a\n- aside\n- [ ] b\n\n"
        "after\n\n## Z\n\nlast words\n"
    )

    first, second = checklist.items
    assert first.group == "G › group"
    assert first.options.how == "before\n\nof the group\n\n- aside"
    assert second.options.how == "after"
    assert checklist.about == "intro\n\nlast words"


def test_ids_stay_when_other_items_come_and_go() -> None:
    before = read("- [ ] Mail queue\n- [ ] Backups\n")
    after = read("# New\n\n- [ ] Something new\n- [x] Backups\n\n## Mail\n\n- [ ] Mail queue\n")

    assert {item.id for item in before.items} < {item.id for item in after.items}


def test_ids_are_plain_words_whatever_the_language() -> None:
    items = read("- [ ] Müll löschen\n- [ ] 日本語\n- [ ] 3 disks\n- [ ] 日本\n").items

    assert [item.id for item in items] == ["mull-loschen", "item", "item-3-disks", "item-2"]


def test_a_very_long_item_is_cut_in_the_title_and_whole_in_the_how() -> None:
    (item,) = read(f"- [ ] {'word ' * 100}\n").items

    assert len(item.options.task) == 200
    assert item.options.how.startswith("word word")
    assert len(item.options.how) > 490


MISTAKES = [
    ("just words\n", "checklists/x.md:1:1: holds no task, write each one as '- [ ] …'"),
    ("", "checklists/x.md:1:1: holds no task, write each one as '- [ ] …'"),
    ("---\nrol: support\n---\n- [ ] a\n", "checklists/x.md:2:1: rol: unknown key, did you mean 'role'?"),
    (
        "---\nname: X\ndue: 25:00\n---\n- [ ] a\n",
        "checklists/x.md:3:6: due: '25:00' is not a time of day, write 10:00, +4h or +4h business",
    ),
    (
        "---\nname: {{ x }}\n---\n- [ ] a\n",
        "checklists/x.md:2:7: the braces are read as YAML, not as a template, put quotes around {{ }}",
    ),
    ("---\n- a\n---\n- [ ] a\n", "checklists/x.md:2:1: must be a mapping (key: value), not a list"),
    ("- [ ] a\n" * 501, "checklists/x.md:1:1: holds more than 500 tasks"),
    ("x" * 200_001, "checklists/x.md:1:1: is longer than 200,000 characters"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=range(len(MISTAKES)))
def test_it_says_what_is_wrong(text: str, message: str) -> None:
    assert [str(problem) for problem in read(text).problems] == [message]


def test_an_unknown_role_in_front_matter_is_named_in_the_list_and_where_it_is_used(
    load: Callable[[Mapping[str, str]], Loaded],
) -> None:
    loaded = load(
        {
            "checklists/round.md": "---\nname: Round\nrole: suport\n---\n- [ ] a\n",
            "routines/x.yaml": "name: X\naccountable: owner\nsteps: [{checklist: round}]\n",
        }
    )

    assert [str(problem) for problem in loaded.problems] == [
        "checklists/round.md:3:7: role: unknown role, roster or person 'suport', did you mean 'support'?",
        "routines/x.yaml:3:21: steps[0].checklist: unknown role, roster or person 'suport', did you mean 'support'?",
    ]


def test_two_lists_of_one_name_are_a_mistake(load: Callable[[Mapping[str, str]], Loaded]) -> None:
    loaded = load({"checklists/round.md": "- [ ] a\n", "checklists/round.yaml": "tasks: [a]\n"})

    assert [str(problem) for problem in loaded.problems] == [
        "checklists/round.yaml:1:1: there are two checklists 'round', in YAML and in Markdown, keep one"
    ]


LINES = st.sampled_from(
    r"""
- [ ] a
- [x] b {{ x }}
  - [ ] c
    - d
1. e
   2) f
# g
### h
text
> q
```
    code
| a | b |
|---|---|
---
***
<div>
<!--
-->
[x]: y
* [ ]
	- [ ] t
""".replace(r"\t", "\t").split("\n")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=25))
def test_no_mixture_of_forms_is_too_much(lines: list[str]) -> None:
    checklist = read("\n".join(lines))
    ids = [item.id for item in checklist.items]

    assert len(set(ids)) == len(ids)
    assert checklist.items or checklist.problems
    for item in checklist.items:
        assert "\n" not in item.options.task
        assert render_text(item.options.task, {}).strip()
        render_text(item.options.how, {})


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_at_all_is_too_much(text: str) -> None:
    checklist = read(text)

    assert checklist.items or checklist.problems


@given(st.lists(st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1), min_size=1, max_size=20))
def test_every_box_with_words_is_a_task_in_its_order(words: list[str]) -> None:
    assert titles("".join(f"- [ ] {word}\n" for word in words)) == words
