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
    from opsrunner.model.site import Problem

EXAMPLE = """
opsrunner check
opsrunner check routines/nightly-backups.yaml
opsrunner check --schema routine > routine.json
"""
SCHEMAS = ("routine", "site", "checklist")


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
def check(session: Session, path: Path | None, schema: str | None) -> int:
    """Say every mistake in the site's files, each with file, line, column and a hint.

    PATH is a site's folder or one of its files; by default the whole site. Exit code 2 where there is a
    mistake; what only looks wrong is shown and does not count.
    """
    if schema is not None:
        return _print_schema(schema)
    if path is not None and not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    from opsrunner.config.loader import SiteLoader, check_path  # noqa: PLC0415

    loaded = SiteLoader(session.site).load() if path is None else check_path(path)
    if session.as_json:
        _print_json(session, loaded.problems, loaded.warnings)
    else:
        _print(session, loaded.problems, loaded.warnings)
    return 2 if loaded.problems else 0
