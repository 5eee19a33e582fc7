"""What a notice may use of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opsrunner.model.outcome import Row
from opsrunner.model.site import Source
from opsrunner.notices.composing import Leaving
from opsrunner.notices.reporting import NoticeReport
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from opsrunner.ledger.notices import Notices  # SQLite is not for who only checks files
    from opsrunner.ledger.suppressions import Suppressions


@dataclass(frozen=True, kw_only=True)
class NoticeMeans:
    """What is given to the notices of one run."""

    notices: Notices
    suppressions: Suppressions
    site: str
    """Its name."""
    zone: ZoneInfo
    to_working_time: Callable[[datetime], datetime]
    """The last moment up to one when people work."""
    is_trial: bool
    """Every mail stays on this machine, so that what is not live goes all the same."""
    approved: Callable[[str, str], bool]
    """Tell whether the list of a notice was approved, by its name and its fingerprint."""
    audience_of: Callable[[str], object]
    """Return what an earlier step of the routine is told to look for, by its id, or a source, by its name."""
    stream: Callable[[Source, Mapping[str, Any]], Iterator[Row]]
    """Read a source row by row; raises StepFailed."""
    leave: Callable[[str, str], Leaving]
    """Return how an address leaves a notice, by the notice's name and the address."""
    report: Callable[[NoticeReport], None]
    """Tell what a pass came to; it is written together with the step's outcome, whatever that is."""
