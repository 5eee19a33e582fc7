"""The library of ready routines, checklists and reports that comes with the program."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def library() -> Path:
    """Return the folder with `routines/`, `checklists/` and `reports/`: packed in a wheel, else the checkout."""
    package = Path(__file__).resolve().parent
    packed = package / "shipped"
    return packed if packed.is_dir() else package.parents[1]
