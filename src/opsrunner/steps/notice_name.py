"""What the ledger calls the notice of a step."""

from __future__ import annotations


def notice_name(routine: str, step: str) -> str:
    """Return the name of the notice of a routine's step."""
    return f"{routine}.{step}"
