"""`check`: every mistake in the site's files, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.config.json_schema import SchemaName
    from opsrunner.model.site import Problem, Site

EXAMPLE = """
opsrunner check
opsrunner check routines/nightly-backups.yaml
opsrunner check --schema routine > routine.json
"""
SCHEMAS = ("routine", "site", "checklist", "maintenance")


@verb(EXAMPLE)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option(
    "--schema",
    is_flag=False,
    flag_value="routine",
    type=click.Choice(SCHEMAS),
    help="Print the JSON Schema that editors use, of routines unless another is named; needs no site.",
)
@json_option
@site_options
@click.pass_obj
def check(session: Session, path: Path | None, schema: SchemaName | None) -> int:
    """Say every mistake in the site's files, each with file, line, column and a hint.

    PATH is a site's folder or one of its files; by default the whole site. Exit code 2 where there is a
    mistake; what only looks wrong is shown and does not count.
    """
    if schema is not None:
        return _print_schema(schema)
    if path is not None and not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    from opsrunner.config.loader import SiteLoader, check_path

    loaded = SiteLoader(session.site).load() if path is None else check_path(path)
    if session.as_json:
        session.print_json(
            {"ok": not loaded.problems, "problems": loaded.problems, "warnings": loaded.warnings},
        )
    else:
        _print(session, loaded.problems, loaded.warnings, fine=_what_is_fine(loaded.site, path))
    return 2 if loaded.problems else 0


def _print(session: Session, problems: Sequence[Problem], warnings: Sequence[Problem], *, fine: str) -> None:
    """Print a line a problem, as editors and people read it, then the verdict."""
    from opsrunner.engine.moment_words import count_words

    for problem in problems:
        session.screen.line(str(problem), tone="failed")
    for warning in warnings:
        session.screen.line(f"{warning} (only a warning)", tone="look")
    if not problems:
        session.screen.line(f"{fine}: all right", tone="fine")
        return
    files = len({problem.file for problem in problems})
    session.screen.line()
    session.screen.line(f"{count_words(len(problems), 'mistake')} in {count_words(files, 'file')}")


def _what_is_fine(site: Site | None, path: Path | None) -> str:
    """Return what was checked: `40 routines, 12 checklists`, or the path."""
    from opsrunner.engine.moment_words import count_words

    if site is None or (path is not None and path.is_file()):
        return str(path or "the site")
    lists = [found for found in (site.root / "checklists").glob("*") if found.suffix in (".yaml", ".md")]
    return f"{count_words(len(site.routines), 'routine')}, {count_words(len(lists), 'checklist')}"


def _print_schema(name: SchemaName) -> int:
    import json

    from opsrunner.config.json_schema import schema_of

    print(json.dumps(schema_of(name), ensure_ascii=False, indent=2))
    return 0
