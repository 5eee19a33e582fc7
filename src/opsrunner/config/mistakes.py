"""One thing that is wrong in a file, before its line and column are looked up."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from opsrunner.config.positions import Path
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing that is wrong, by its path in the file; `on_key` points at the key, not at its value."""

    path: Path
    message: str
    hint: str = ""
    on_key: bool = False


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the hint that names the closest of `known`, whatever the case of its letters, or nothing."""
    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"did you mean '{by_lower[close[0]]}'?" if close else ""
