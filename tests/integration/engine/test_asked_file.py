"""A question becomes a file that says the same, and never takes the place of another."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsrunner.config.loader import SiteLoader
from opsrunner.engine.asked_file import NewFile, text_of, write_file
from opsrunner.engine.asking import Question
from opsrunner.errors import Refused
from opsrunner.model.site import Site

TODAY = date(2026, 11, 20)
HOSTS = "hosts:\n  web1: {address: 192.0.2.1, groups: [shared]}\n  web2: {address: 192.0.2.2}\n"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
NEW = NewFile(
    name="php",
    question=Question(command="php -v", hosts=("shared",)),
    accountable="boss",
    timeout_seconds=60,
    most_at_once=50,
)


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Site:
    """A site with two hosts and no routine."""
    root = make_site({})
    path = root / "opsrunner.yaml"
    path.write_text(path.read_text() + HOSTS)
    return loaded(root)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def loaded(root: Path) -> Site:
    found = SiteLoader(root).load()
    assert [str(problem) for problem in (*found.problems, *found.warnings)] == []
    assert found.site is not None
    return found.site


def test_the_file_reads_as_people_write_theirs(site: Site) -> None:
    path = write_file(NEW, site=site, today=TODAY)

    assert path == site.root / "routines/php.yaml"
    assert path.read_text() == (
        'name: "php -v"\n'
        "about: Asked by hand once, and kept. Who answers otherwise gets a task, and each run keeps it up to date.\n"
        "accountable: boss\n"
        "# It has no schedule: opsrunner run asks it. To be asked by itself every day:\n"
        '# schedule: {every: day, at: "06:00"}\n'
        f"renamed_from: {NEW.question.id}  # its history and its open task come from there\n"
        "steps:\n"
        "  - id: ask  # another id would begin a history of its own\n"
        "    ask:\n"
        "      hosts: shared\n"
        '      run: "php -v"\n'
        "      # What more than half of them say counts as right. To say it yourself:\n"
        "      # expect: TEXT that a right answer holds, or exit: 0\n"
        "      max_parallel: 50\n"
        "      # tasks: {role: ROLE} gives the tasks to somebody else, tasks: {open: false} opens none.\n"
        "    timeout: 60s\n"
    )
    routine = loaded(site.root).routines["php"]
    assert (routine.renamed_from, routine.steps[0].timeout_seconds) == (NEW.question.id, 60)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(path.parent) == ["php.yaml"]


def test_a_command_of_several_lines_stands_there_as_such(site: Site) -> None:
    text = text_of(replace(NEW, question=replace(NEW.question, command="a 'b'\n\n  c $(d)\n")), site=site)

    assert "      run: |+\n        a 'b'\n\n          c $(d)\n      # What" in text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, TEXT | st.none(), st.sets(st.integers(0, 255), max_size=3), st.sampled_from([None, "06:05"]))
def test_the_file_says_sign_by_sign_what_was_asked(
    site: Site, command: str, expect: str | None, codes: set[int], daily: str | None
) -> None:
    question = Question(
        command=command, hosts=("web2", "shared"), expect=expect, exit_codes=() if expect else tuple(codes)
    )
    path = write_file(replace(NEW, question=question, daily_at=daily), site=site, today=TODAY)
    try:
        routine = SiteLoader(site.root).load().site
        assert routine is not None
        options = routine.routines["php"].steps[0].options
        assert {name: options.get(name) for name in question.options} == question.options
        assert bool(routine.routines["php"].schedule.rules) == (daily is not None)
    finally:
        path.unlink()


def test_what_is_there_stays(site: Site) -> None:
    (site.root / "routines/php.yaml").write_text("mine")

    with pytest.raises(Refused, match="is there already, so nothing was saved"):
        write_file(NEW, site=site, today=TODAY)

    assert (site.root / "routines/php.yaml").read_text() == "mine"
    assert names(site.root / "routines") == ["php.yaml"]


def test_what_the_loader_would_refuse_is_not_put_in_place(site: Site) -> None:
    with pytest.raises(Refused, match=r"not saved: routines/php.yaml:3:\d+: accountable: unknown role") as refused:
        write_file(replace(NEW, accountable="nobody"), site=site, today=TODAY)

    assert "\n" not in str(refused.value)
    assert names(site.root / "routines") == []
