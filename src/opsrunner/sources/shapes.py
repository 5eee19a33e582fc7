"""The columns of sources whose shape is their own, whatever the site says: feeds and mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, cast

from opsrunner.model.site import Column

_Type = Literal["text", "number", "moment", "date", "flag"]


def _columns(**types: str) -> tuple[Column, ...]:
    return tuple(
        Column(name=name.rstrip("_"), type=cast("_Type", type_.removesuffix("?")), optional=type_.endswith("?"))
        for name, type_ in types.items()
    )


ENTRIES = _columns(
    entry="text",
    feed="text",
    place="text",
    title="text",
    link="text?",
    author="text?",
    published_at="moment?",
    updated_at="moment?",
    summary="text?",
    replies="number?",
)
THREADS = _columns(
    thread="text",
    subject="text",
    from_="text?",
    name="text?",
    first_at="moment",
    last_at="moment",
    first_answer_at="moment?",
    last_customer_at="moment?",
    last_staff_at="moment?",
    waits_for="text",
    waiting_since="moment?",
    messages="number",
    flags="text?",
    folder="text",
)
REPORTS = _columns(
    report="text",
    host="text",
    customer="text?",
    ip="text?",
    kind="text",
    received_at="moment",
    closed_at="moment?",
    domain="text?",
    subject="text",
    from_="text?",
    messages="number",
)
OWN_SHAPES: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {"entries": ENTRIES, "threads": THREADS, "reports": REPORTS}
)


def names_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return what columns are called."""
    return tuple(column.name for column in columns)
