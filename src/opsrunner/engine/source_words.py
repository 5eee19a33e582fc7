"""What a source is, in words that change when it does: what somebody approved asks again then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsrunner.ledger.codec import dumps
from opsrunner.model.site import Site


def source_words(site: Site, name: str) -> object:
    """Return what a source is, with those whose tables it puts side by side; None where there is none."""
    source = site.sources.get(name)
    if source is None:
        return None
    tables = [source_words(site, str(table)) for table in source.where.get("tables") or ()]
    return [source.kind, dumps(plain_options(source.where)), *tables]


def plain_options(value: Any) -> Any:
    """Return options with whatever JSON does not know, such as references to secrets, as text."""
    if isinstance(value, Mapping):
        return {str(name): plain_options(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_options(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
