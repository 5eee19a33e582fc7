"""The routine that a run goes by: as it was when the run was written."""

from __future__ import annotations

from dataclasses import replace

from opsrunner.config.freezing import thaw
from opsrunner.ledger.books import Books
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run


def frozen_routine(books: Books, run: Run) -> Routine:
    """Return the routine that was frozen with a run, under the id that it has now: it may have been renamed since.

    Raises NotFound or StateError where it cannot be read any more.
    """
    return replace(thaw(books.runs.frozen_body(run.frozen or "")), id=run.routine)
