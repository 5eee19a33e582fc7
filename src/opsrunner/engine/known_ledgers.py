"""What a site remembers of its ledgers: it tells a disk that is not mounted from a new beginning.

An unmounted disk leaves an empty folder, or none, where the state should lie. Taken for a new beginning it would cost
the history, every open task and the memory of what must not happen twice. So the site itself notes where it has kept
a ledger, in a file beside `opsrunner.yaml`, and no new one is made in such a place.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from opsrunner.engine.state import LEDGER
from opsrunner.errors import LedgerGone, StateError
from opsrunner.records import dataclass

LOGGER = logging.getLogger("opsrunner")
NAME = ".opsrunner-state"
LARGEST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One place in which the site has kept a ledger."""

    state: str
    """The folder's real path."""
    ledger: str
    """The ledger's own name."""


class KnownLedgers:
    """The file `.opsrunner-state` of a site, one JSON object a line."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME

    def require_ledger(self, state: Path) -> None:
        """Raise LedgerGone where the site has kept a ledger in `state`, and there is none now."""
        if str(state) not in self._read():
            return
        try:
            is_there = (state / LEDGER).lstat().st_size > 0
        except OSError:
            is_there = False
        if not is_there:
            raise LedgerGone(
                f"{state / LEDGER} is gone, and this site has kept its ledger there: mount its disk or restore a copy, "
                f"it is never made anew; for a new beginning remove {self._path}"
            )

    def require_same(self, state: Path, ledger: str) -> None:
        """Raise LedgerGone where another ledger lies in `state` than the one that this site has kept there."""
        kept = self._read().get(str(state))
        if kept is not None and kept.ledger != ledger:
            raise LedgerGone(
                f"{state / LEDGER} is not the ledger that this site has kept there: mount the right disk or restore "
                f"the right copy; if it is meant to be, remove {self._path}"
            )

    def remember(self, state: Path, ledger: str) -> None:
        """Note that the site keeps this ledger in `state`. A site that cannot be written is told of in the log."""
        known = self._read()
        kept = Kept(state=str(state), ledger=ledger)
        if known.get(kept.state) == kept:
            return
        try:
            self._write({**known, kept.state: kept})
        except OSError as exc:
            LOGGER.warning(
                "%s: %s; without it an unmounted disk looks like a new beginning: mount %s before opsrunner starts",
                self._path,
                exc.strerror,
                state,
                extra={"action": "ledger_not_remembered"},
            )

    def _read(self) -> Mapping[str, Kept]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
            with os.fdopen(descriptor, "rb") as file:
                lines = (file.read(LARGEST_BYTES) or b"").splitlines()
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise StateError(f"{self._path}: {exc.strerror}; it must be readable by who runs opsrunner") from exc
        return {kept.state: kept for kept in _parsed(lines)}

    def _write(self, known: Mapping[str, Kept]) -> None:
        text = "".join(f"{json.dumps(asdict(kept))}\n" for kept in known.values())
        descriptor, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f"{NAME}-")  # others may write at once
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise


def _parsed(lines: list[bytes]) -> Iterator[Kept]:
    """Yield what lines say; one that a person has spoilt says nothing."""
    for line in lines:
        try:
            said = json.loads(line)
            yield Kept(state=str(said["state"]), ledger=str(said["ledger"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
