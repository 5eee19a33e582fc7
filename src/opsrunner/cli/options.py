"""The options that verbs share; each writes into the call's Session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from opsrunner.cli.session import Session

_Function = TypeVar("_Function", bound=Callable[..., Any])
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_FOLDER = click.Path(file_okay=False, path_type=Path)


def verb(
    example: str, *, name: str | None = None, of: click.Group | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a verb, or one of a group, whose help ends with `example`: lines as they are typed."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        command = click.command(name=name, epilog=_shown(example), context_settings=_HELP)(function)
        if of is not None:
            of.add_command(command)
        return command

    return decorate


def group_of_verbs(
    example: str, *, name: str, shape: type[click.Group] = click.Group
) -> Callable[[Callable[..., Any]], click.Group]:
    """Make a function a group of verbs, as `verb` does; `shape` is its class."""
    return click.group(name=name, cls=shape, epilog=_shown(example), context_settings=_HELP)


def _shown(example: str) -> str:
    lines = "\n".join(f"  {line}" for line in example.strip().splitlines())
    return f"\b\nExample:\n{lines}"


def site_options(function: _Function) -> _Function:
    """Add `--site DIR` and `--state DIR`."""
    state = click.option(
        "--state",
        type=_FOLDER,
        expose_value=False,
        callback=_note_state,
        metavar="DIR",
        help="Folder of the state; by default var/ in the site's folder.",
    )
    site = click.option(
        "--site",
        type=_FOLDER,
        expose_value=False,
        callback=_note_site,
        metavar="DIR",
        help="Folder of the site; by default the working folder.",
    )
    return site(state(function))


def json_option(function: _Function) -> _Function:
    """Add `--json`."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_note_json, help="Answer with one JSON document."
    )(function)


def person_option(function: _Function) -> _Function:
    """Add `--as PERSON`."""
    return click.option(
        "--as",
        metavar="PERSON",
        expose_value=False,
        callback=_note_person,
        help="Who acts, by id; by default the person whose `login` is the OS user.",
    )(function)


def _note_site(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Session).given_site = value


def _note_state(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Session).state = value


def _note_json(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).as_json = True


def _note_person(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Session).acting_as = value
