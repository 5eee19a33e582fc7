"""What is looked at before SQLite opens the ledger: it would make, follow or play back whatever is there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from opsrunner.errors import LedgerDamaged
from opsrunner.ledger.failures import NEVER_MADE_ANEW
from opsrunner.records import dataclass

RUNS_BESIDE = "runs/*"
"""What shows that there was a ledger here before."""
_MAGIC = b"SQLite format 3\x00"
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_LARGEST = 65_536
"""The largest page, and the largest sector, that SQLite knows."""


def prepare_file(path: Path) -> bool:
    """Make the ledger's file where there is none yet, and tell whether it is a new one.

    Raises LedgerDamaged where what is there is no ledger, or is lost; nothing that is there is changed.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        kind = "a link" if path.is_symlink() else "no file"
        raise LedgerDamaged(f"{path} is {kind}: name the folder that the ledger really lies in with --state")
    if path.exists() and path.stat().st_size:
        _refuse_other_file(path)
        _refuse_other_journal(path)
        return False
    if any(path.parent.glob(RUNS_BESIDE)):
        said = "is empty" if path.exists() else "is missing"
        raise LedgerDamaged(f"{path} {said}, but runs lie beside it: {NEVER_MADE_ANEW}")
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    return True


def _refuse_other_file(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise LedgerDamaged(f"{path} is not a ledger: {NEVER_MADE_ANEW}")


@dataclass(frozen=True)
class _Journal:
    """The part of a rollback journal that tells whose it is (sqlite.org/fileformat.html, section 3)."""

    nonce: bytes
    pages: int
    """Of the ledger, before the transaction that the journal would take back."""
    counter: int | None
    """The ledger's change counter before that transaction; None where its first page is not in the journal."""


def _refuse_other_journal(path: Path) -> None:
    """Raise LedgerDamaged where the journal beside the ledger would be played into a ledger that it is not of.

    The journal is read twice, since another process may be in the middle of writing.
    """
    beside = path.with_name(f"{path.name}-journal")
    before = _read_journal(beside)
    if before is None:
        return
    with path.open("rb") as file:
        is_its_own = _fits(before, file.read(100), length=os.fstat(file.fileno()).st_size)
    if not is_its_own and before == _read_journal(beside):
        raise LedgerDamaged(
            f"{beside} belongs to another ledger or to another state of this one, and would damage it: "
            "move it away if the ledger was restored from a copy, else restore both"
        )


def _fits(journal: _Journal, head: bytes, *, length: int) -> bool:
    """Tell whether a journal can be of a ledger with this head (same page, section 1.3).

    A transaction raises the change counter by one, so the ledger shows the count before it or the one after.
    Without its first page in the journal, the ledger's head is still the one from before: its size is the same.
    """
    page_bytes, counter, pages = (int.from_bytes(head[at:end], "big") for at, end in ((16, 18), (24, 28), (28, 32)))
    if page_bytes > 1 and length // page_bytes < journal.pages:
        return False
    if journal.counter is not None:
        return counter - journal.counter in (0, 1)
    return pages == journal.pages


def _read_journal(path: Path) -> _Journal | None:
    """Return what a journal is of, or None where there is none that would be played back."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise LedgerDamaged(f"{path} is no file: see what it is, and move it away")
        with path.open("rb") as file:
            head = file.read(28)
            records = _records(head)
            if not records:
                return None
            pages = int.from_bytes(head[16:20], "big")
            return _Journal(nonce=head[12:16], pages=pages, counter=_first_page_counter(file, head))
    except FileNotFoundError:
        return None


def _records(head: bytes) -> int:
    """Return how many pages stand behind a journal's header; 0 where none would be played back."""
    return int.from_bytes(head[8:12], "big") if len(head) == 28 and head[:8] == _JOURNAL_MAGIC else 0


def _first_page_counter(file: BinaryIO, head: bytes) -> int | None:
    """Return the change counter in the journal's copy of the first page. A journal may have several headers."""
    sector, page = (int.from_bytes(head[at : at + 4], "big") for at in (20, 24))
    if not 512 <= page <= _LARGEST or not 32 <= sector <= _LARGEST:
        return None
    length, place = os.fstat(file.fileno()).st_size, 0
    while records := _records(head):
        place += sector
        for _ in range(records):
            if place + page + 8 > length:
                return None
            file.seek(place)
            record = file.read(32)
            if record[:4] == b"\0\0\0\1":
                return int.from_bytes(record[28:32], "big")
            place += page + 8
        place += -place % sector
        file.seek(place)
        head = file.read(28)
    return None
