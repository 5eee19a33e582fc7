"""The rows that a person can run a routine for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from opsrunner.engine.looks import LOOK_TIMEOUT_SECONDS, ReadSource
from opsrunner.engine.row_keys import keyed
from opsrunner.errors import NotFound, Refused, StepFailed
from opsrunner.model.routine import Routine
from opsrunner.model.rows import KeyedRow
from opsrunner.model.site import Site
from opsrunner.records import dataclass


def needs_row(routine: Routine) -> bool:
    """Tell whether a routine runs for rows alone."""
    return routine.on_rows is not None and not routine.schedule.rules


def no_row_words(routine: Routine) -> str:
    """Return what to do where no row was named."""
    source, key = (routine.on_rows.source, routine.on_rows.key) if routine.on_rows else ("", "")
    return f"{routine.id} runs for rows of {source}: name one by its {key}, with --row"


@dataclass(frozen=True, kw_only=True)
class RowChoice:
    """Reads the sources of the site in force, when a person asks."""

    site: Callable[[], Site]
    read_source: ReadSource

    def named(self, routine: Routine, key: str) -> KeyedRow:
        """Return the row with a key as its source shows it now. Raises NotFound with the closest key, or Refused."""
        found = self._all(routine)
        for occasion in found:
            if occasion.key == key:
                return occasion
        close = difflib.get_close_matches(key, [occasion.key for occasion in found], n=1)
        hint = f", did you mean '{close[0]}'?" if close else ""
        source, column = (routine.on_rows.source, routine.on_rows.key) if routine.on_rows else ("", "")
        raise NotFound(f"{source} shows {routine.id} no row with the {column} '{key}'{hint}")

    def first(self, routine: Routine) -> KeyedRow:
        """Return any row that is there. Raises Refused where there is none."""
        found = self._all(routine)
        if not found:
            raise Refused(f"its source shows {routine.id} no row that it could run for")
        return found[0]

    def _all(self, routine: Routine) -> Sequence[KeyedRow]:
        wanted = routine.on_rows
        source = self.site().sources.get(wanted.source) if wanted is not None else None
        if wanted is None or source is None:
            raise Refused(f"{routine.id} does not run for rows: it has no on_rows")
        try:
            rows = self.read_source(source, {**wanted.query, "timeout_seconds": LOOK_TIMEOUT_SECONDS})
            return keyed(rows, wanted.key, source=wanted.source).occasions
        except StepFailed as exc:
            raise Refused(f"the rows of {routine.id} cannot be looked at: {exc}") from exc
