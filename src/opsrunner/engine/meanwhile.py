"""What holds while a file of the site cannot be taken, or the folder of its routines is missing."""

from __future__ import annotations

from pathlib import PurePath

from opsrunner.config.folder import ROUTINES, TOP_FILES
from opsrunner.engine.digest_words import plural
from opsrunner.model.site import Site

KEPT = "its last good version stays in force"
STOPPED = "it does not run until that is mended"


def holds_meanwhile(site: Site, file: str) -> str:
    """Return what is in force until `file` is mended; nothing where it is not known."""
    touched = [routine for routine, problems in site.broken.items() if any(one.file == file for one in problems)]
    kept = [routine for routine in touched if routine in site.routines]
    if file == ROUTINES and (touched or not site.routines):
        return _of_all(len(kept), gone=len(touched) - len(kept))
    if file in TOP_FILES:
        return KEPT
    if not touched:
        return ""
    own = PurePath(file).stem  # others may go by it and be stopped, or not
    return KEPT if (own in kept if own in touched else kept) else STOPPED


def _of_all(kept: int, *, gone: int) -> str:
    if not kept:
        return "no routine runs until that is mended"
    more = f", {plural(gone, 'other')} not" if gone else ""
    return f"the last good version of {plural(kept, 'routine')} stays in force{more}"
