"""What a page shows of the doctor's look: brief, so that nobody waits for a server or for a long file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from opsrunner.engine.digest_words import plural
from opsrunner.engine.doctor import CHECKS, examine
from opsrunner.engine.doctor_house import check_files
from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.doctor_ways_out import check_mail
from opsrunner.records import dataclass

_SHOWN_APART = (check_files, check_mail)
_WORST_FIRST = {"failed": 0, "look": 1, "fine": 2}


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """What a look found. What the files say is told beside it: a mistake is known at once, without a look."""

    at: datetime
    house: tuple[Finding, ...]
    """What wants a look, worst first, and then what is fine."""
    mail: tuple[Finding, ...]
    """What is to be said of the queue; nothing where it is fine."""
    ledger_bytes: int

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What of the house wants a look."""
        return tuple(one for one in self.house if one.level != "fine")

    @property
    def fine(self) -> tuple[Finding, ...]:
        """What of the house is in order."""
        return tuple(one for one in self.house if one.level == "fine")


def look_after(patient: Patient) -> Checkup:
    """Look after all but the files, as `doctor` does; a patient that is `brief` makes it short."""
    house = examine(patient, [check for check in CHECKS if check not in _SHOWN_APART])
    return Checkup(
        at=patient.now,
        house=tuple(sorted(house, key=lambda one: _WORST_FIRST[one.level])),
        mail=tuple(one for one in examine(patient, [check_mail]) if one.level != "fine"),
        ledger_bytes=_size_of(patient.books.ledger.path),
    )


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the doctor says so
        return 0


def verdict(checkup: Checkup | None, problems: Sequence[object]) -> str:
    """Return the headline of a look, with the mistakes and warnings of the files; None: it has not ended yet."""
    count = len(problems) + (len(checkup.wrong) + len(checkup.mail) if checkup is not None else 0)
    if count:
        more = "" if checkup is not None else ", and the doctor has not ended yet"
        return f"{plural(count, 'thing')} {'wants' if count == 1 else 'want'} a look{more}"
    return "All is well with opsrunner itself" if checkup is not None else "The doctor has not ended yet"
