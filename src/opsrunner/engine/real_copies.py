"""What a try is told of the real catalogue: which copies lie where, so that it knows a disk that is not mounted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from opsrunner.archives.manifest import manifest_name
from opsrunner.engine.state import LEDGER, REAL_COPIES
from opsrunner.errors import StateError
from opsrunner.ledger.books import Books
from opsrunner.ledger.names_of_copies import names_of_copies
from opsrunner.model.store import STATE_WORD, LocalStore, StoreSettings


def keep_real_copies(real: Path, folder: Path) -> None:
    """Write into the state of a try what the real ledger knows; one that cannot be read tells it nothing."""
    if not (real / LEDGER).is_file():
        return
    with suppress(StateError):
        names = names_of_copies(real / LEDGER)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / REAL_COPIES).touch(mode=0o600)
        (folder / REAL_COPIES).write_text(json.dumps(names), encoding="utf-8")


def known_objects(books: Books, name: str, settings: StoreSettings, *, trial: Path | None) -> list[str]:
    """Return the manifests that should lie in a store, newest first: by them its place is known.

    `trial` is the state of a try, whose own catalogue has few or none: the real ones follow.
    """
    real = () if trial is None else _real_copies(trial, name, settings)
    return [manifest_name(copy) for copy in (*books.copies.names_in(name), *real)]


def _real_copies(state: Path, name: str, settings: StoreSettings) -> Sequence[str]:
    """Return what a try was told of a store. One in the state folder is another one in each state, and has none."""
    if isinstance(settings, LocalStore) and settings.path.split("/")[0] == STATE_WORD:
        return ()
    try:
        told: dict[str, list[str]] = json.loads((state / REAL_COPIES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return told.get(name, ())
