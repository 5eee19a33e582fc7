"""Statuses as they stand in a table of the terminal."""

from __future__ import annotations

from opsrunner.cli.screen import SIGNS, Cell
from opsrunner.engine.status_words import status_word, tone_of


def status_cell(status: str) -> Cell:
    """Return a status with its sign, in its colour."""
    tone = tone_of(status)
    return Cell(text=f"{SIGNS[tone]} {status_word(status)}", tone=tone)
