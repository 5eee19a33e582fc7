"""Queries that come with opsrunner, for the databases of billing systems that many companies have.

A file `ready/SYSTEM/NAME.sql` begins with lines of comment. `-- columns:` lines declare what it gives, as a source
does (`domain text, expires_at date?`); `-- entities:` names the columns whose texts the system keeps as HTML
(`O&#039;Brien &amp; Sons`).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import cast, get_args

from opsrunner.model.site import Column
from opsrunner.records import dataclass
from opsrunner.sources.values import ColumnType

FOLDER = Path(__file__).with_name("ready")
_NAME = re.compile(r"[a-z][a-z0-9-]*/[a-z][a-z_]*\Z")
_LINE = re.compile(r"-- (columns|entities): (.*)")
_TYPES = get_args(ColumnType)


@dataclass(frozen=True, kw_only=True)
class ReadyQuery:
    """A query, what it gives, and which of its texts are written as HTML writes them."""

    name: str
    sql: str
    columns: tuple[Column, ...]
    entities: frozenset[str]


def ready_names() -> tuple[str, ...]:
    """Return the names of all ready queries: `whmcs/domains` and so on."""
    return tuple(sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.sql")))


def ready_query(name: str) -> ReadyQuery:
    """Return a ready query. Raises ValueError that names the others."""
    path = FOLDER / f"{name}.sql"
    if not _NAME.match(name) or not path.is_file():
        names = ready_names()
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(names)}"
        raise ValueError(f"there is no ready query '{name[:60]}'\n{hint}")
    return _parsed(name, path)


@cache
def _parsed(name: str, path: Path) -> ReadyQuery:
    said: dict[str, list[str]] = {"columns": [], "entities": []}
    code: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match:
            said[match[1]] += [part.strip() for part in match[2].strip(" ,").split(",")]
        elif not line.startswith("--"):
            code.append(line)
    columns = tuple(_column(written) for written in said["columns"])
    return ReadyQuery(name=name, sql="\n".join(code).strip(), columns=columns, entities=frozenset(said["entities"]))


def _column(written: str) -> Column:
    name, _, type_ = written.partition(" ")
    assert type_.removesuffix("?") in _TYPES, written  # noqa: S101  a file of ours
    return Column(name=name, type=cast("ColumnType", type_.removesuffix("?")), optional=type_.endswith("?"))
