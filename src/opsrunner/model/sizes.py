"""Sizes as one reads them. Pure."""

from __future__ import annotations

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def size_words(size_bytes: int) -> str:
    """Return a size in one unit: `512 B`, `12 kB`, `3.6 GB`, `120 GB`."""
    for unit, name in _UNITS:
        if size_bytes >= unit:
            number = size_bytes / unit
            return f"{number:.1f} {name}" if number < 10 else f"{number:.0f} {name}"
    return f"{size_bytes} B"
