"""Sources that put others side by side: each of their tables has to be there, and to say its columns."""

from __future__ import annotations

from collections.abc import Mapping

from opsrunner.config.data_keys import SourceKeys
from opsrunner.config.report import Report


def note_tables(sources: Mapping[str, SourceKeys], report: Report) -> None:
    """Note every table that cannot be one. Names that nothing has are noted with all the others."""
    for name, source in sources.items():
        for position, table in enumerate(source.tables):
            path = ("sources", name, "tables", position)
            other = sources.get(table)
            if other is None:
                continue
            if other.tables:
                report.add(path, f"'{table}' puts tables side by side itself", "name the sources that it is made of")
            elif not other.to_source(table, "UTC").columns:
                report.add(path, f"'{table}' declares no columns", "they are the columns of the table")
            elif table in source.tables[:position]:
                report.add(path, f"'{table}' stands there twice")
