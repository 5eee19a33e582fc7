"""Rows of a source, for kinds that work on them."""

from __future__ import annotations

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.steps import query
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.source_options import SourceOptions
from opsrunner.steps.suggestions import nearest


def read_rows(options: SourceOptions, call: StepCall, means: Means) -> tuple[Row, ...]:
    """Return the rows that are meant. Raises StepFailed that names what is wrong with the source."""
    source = means.sources.get(options.source)
    if source is None:
        hint = nearest(options.source, means.sources)
        raise StepFailed(f"there is no source '{options.source}'{hint}", permanent=True)
    wanted = query.Options(source=options.source, where=options.where).model_dump(exclude={"source"})
    return means.read_source(source, wanted | {"timeout_seconds": call.timeout_seconds})


def require_columns(rows: tuple[Row, ...], names: tuple[str, ...], *, source: str) -> None:
    """Raise StepFailed where the rows lack a column; of no rows nobody knows."""
    missing = [name for name in names if rows and name not in rows[0]]
    if missing:
        known = ", ".join(map(str, rows[0]))
        raise StepFailed(f"{source}: there is no column '{missing[0]}'; there are: {known}", permanent=True)
