"""The ledger's tables, as ordered steps; `PRAGMA user_version` counts the ones that are done.

A migration never changes once released; a new one is appended. Moments are text in UTC
(`2026-11-21T07:00:00.000000Z`), so that they sort and that people can read them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from opsrunner.ledger.forms import FIFTH, FIRST, FOURTH, SECOND, SIXTH, THIRD
from opsrunner.ledger.seventh_form import SEVENTH

if TYPE_CHECKING:
    from sqlite_utils import Database

LOGGER = logging.getLogger("opsrunner")
MANY_RUNS = 100_000
"""With more runs than this a migration takes long enough to be announced."""


_BEGIN = re.compile(r"\bBEGIN\b", re.IGNORECASE)
Migration: TypeAlias = Callable[["Database"], None]


def _to(form: str) -> Migration:
    def migrate_to(database: Database) -> None:
        for statement in _statements(form):
            database.execute(statement)

    return migrate_to


def _scale(database: Database) -> None:
    (runs,) = database.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
    if runs > MANY_RUNS:
        said = "the ledger of %s runs is brought to its new form, once: this takes seconds for each million"
        LOGGER.warning(said, f"{runs:,}", extra={"action": "migrate"})
    _to(SECOND)(database)


MIGRATIONS: tuple[Migration, ...] = (
    _to(FIRST),
    _scale,
    _to(THIRD),
    _to(FOURTH),
    _to(FIFTH),
    _to(SIXTH),
    _to(SEVENTH),
)


def migrate(database: Database, *, from_version: int) -> None:
    """Bring the tables from `from_version` to the newest, inside the caller's transaction."""
    for step in MIGRATIONS[from_version:]:
        step(database)
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _statements(script: str) -> list[str]:
    """Split a script, keeping a trigger's body together (executescript would commit under us)."""
    statements: list[str] = []
    pending = ""
    for piece in script.split(";"):
        pending += piece + ";"
        if len(_BEGIN.findall(pending)) > pending.upper().count("END;"):
            continue
        if pending.strip(" \n;"):
            statements.append(pending.strip())
        pending = ""
    return statements
