"""The table of verbs, their help and the docs say the same."""

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from opsrunner.cli.main import opsrunner
from opsrunner.cli.session import Session
from opsrunner.cli.verbs import VERBS
from opsrunner.version import VERSION

ROOT = Path(__file__).parents[3]
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
STARTER = ROOT / "src/opsrunner/starter"
FOR_STAFF = sorted(path for place in (ROOT / "checklists", ROOT / "routines", STARTER) for path in place.iterdir())
"""What ships for those who do the work: there a command is typed as it stands."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every verb and every verb of a group by its full name."""
    context = click.Context(opsrunner)
    for name in VERBS:
        command = opsrunner.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())


ALL = dict(commands())


def parse(line: str) -> None:
    """Parse a command line as the program would, without calling the verb."""
    words = shlex.split(line.split(" > ", maxsplit=1)[0].split(" | ", maxsplit=1)[0], comments=True)
    group: click.Command = opsrunner
    context = click.Context(opsrunner, obj=Session())
    name = "opsrunner"
    while isinstance(group, click.Group) and len(words) > 1:
        if spelled_out := getattr(group, "spelled_out", None):  # a group may mean one of its verbs where none is said
            words = [words[0], *spelled_out(words[1:])]
        name = words[1]
        found = group.get_command(context, name)
        assert found is not None, line
        group, words = found, words[1:]
    group.make_context(name, words[1:], parent=context)


@pytest.mark.parametrize("name", ALL)
def test_every_verb_has_help_with_an_example_of_itself(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert command.epilog is not None
    assert f"opsrunner {name}" in command.epilog


@pytest.mark.parametrize("name", ALL)
def test_every_example_can_be_typed_as_it_stands(name: str) -> None:
    lines = [line.strip() for line in (ALL[name].epilog or "").splitlines() if line.strip().startswith("opsrunner ")]
    assert lines
    for line in lines:
        parse(line)


@pytest.mark.parametrize("name", ALL)
def test_every_verb_stands_in_the_docs(name: str) -> None:
    if isinstance(ALL[name], click.Group):
        return
    assert f"| `{name}" in (ROOT / "docs/commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL)
def test_every_option_says_what_it_is_for(name: str) -> None:
    silent = [
        option.opts
        for option in ALL[name].params
        if isinstance(option, click.Option) and not option.help and option.name != "series"
    ]
    assert silent == []


@pytest.mark.parametrize("name", [name for name in ALL if not isinstance(ALL[name], click.Group)])
def test_every_verb_that_opens_a_site_takes_its_folder(name: str) -> None:
    options = {spelling for option in ALL[name].params for spelling in option.opts}
    if name != "init":
        assert {"--site", "--state"} <= options


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_command_line_in_the_docs_can_be_typed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, flags=re.DOTALL):
        for line in block.splitlines():
            found = re.match(r"\s*(?:\$ )?(?:sudo -u \w+ )?(?:\S*/)?(?:opsrunner|ops) (.*)", line)
            if found and "…" not in line:
                parse(f"opsrunner {found[1]}")


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_command_that_a_sentence_of_the_docs_names_is_there(path: Path) -> None:
    prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for line in re.findall(r"`(?:sudo -u ops )?(?:opsrunner|ops) ([^`]+)`", prose):
        with suppress(click.MissingParameter, click.exceptions.Exit):  # no arguments in a sentence; --help ends
            parse(f"opsrunner {line}")


@pytest.mark.parametrize("path", FOR_STAFF, ids=lambda path: path.name)
def test_every_command_that_staff_are_told_can_be_typed_and_does_something(path: Path) -> None:
    for line in re.findall(r"`opsrunner ([^`]+)`", path.read_text(encoding="utf-8")):
        typed = re.sub(r"\{\{.*?\}\}", "7", " ".join(line.split()))
        with suppress(click.MissingParameter):
            parse(f"opsrunner {typed}")
        words = typed.split()
        named = ALL[" ".join(words[:2])] if " ".join(words[:2]) in ALL else ALL[words[0]]
        assert not isinstance(named, click.Group) or hasattr(named, "spelled_out"), line


def test_the_unit_of_the_service_starts_a_command_line_that_exists() -> None:
    unit = (ROOT / "docs/operations.md").read_text(encoding="utf-8").partition("```ini\n")[2].partition("```")[0]
    found = re.search(r"^ExecStart=\S+/(opsrunner .*)$", unit, re.MULTILINE)

    assert found is not None
    parse(found[1])
    assert "NoNewPrivileges" not in unit
    assert "ProtectKernel" not in unit, "implies NoNewPrivileges where User= is set: sudo would not work"


@pytest.mark.parametrize("name", [name for name in ALL if not isinstance(ALL[name], click.Group)])
def test_every_option_in_the_table_of_verbs_is_one_of_its_verb(name: str) -> None:
    rows = re.findall(
        rf"^\| `{name}(?:`| [^a-z].*?`) \|.*$", (ROOT / "docs/commands.md").read_text("utf-8"), re.MULTILINE
    )
    told = set(re.findall(r"--[a-z-]+", rows[0]))

    assert told <= {spelling for option in ALL[name].params for spelling in option.opts}


def test_the_version_is_the_one_that_is_packed() -> None:
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
