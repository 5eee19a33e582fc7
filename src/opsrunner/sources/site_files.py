"""Files that sources read."""

from __future__ import annotations

import os
from pathlib import Path

from opsrunner.errors import StepFailed


def find_file(name: str, *, site_root: Path, limit_bytes: int | None = None) -> Path:
    """Return the path of the file that a source names, relative to the site.

    An absolute path is the author's choice; a relative one may not leave the site. Raises StepFailed.
    """
    given = Path(os.path.normpath(name))
    if given.parts[:1] == (os.pardir,):
        raise StepFailed(f"{name}: leaves the site's folder; write the absolute path if that is meant", permanent=True)
    path = site_root / name
    if not path.exists():
        raise StepFailed(f"{name}: there is no such file")
    if not path.is_file():
        raise StepFailed(f"{name}: is not a file", permanent=True)
    size_bytes = path.stat().st_size
    if limit_bytes is not None and size_bytes > limit_bytes:
        raise StepFailed(f"{name}: has {size_bytes:,} bytes; a source may have {limit_bytes:,}", permanent=True)
    return path
