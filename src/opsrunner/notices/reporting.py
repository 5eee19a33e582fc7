"""What a pass of a notice tells the engine, which asks people to approve, and to look after rows and lost mails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.model.notice import NoticeTally
from opsrunner.notices.messages import Held, NoticeProblem
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class NoticeReport:
    """One pass of one notice step."""

    notice: str
    at: datetime
    fingerprint: str
    asks: bool
    """It is live and nobody has approved its list."""
    held: Sequence[Held]
    """What would go now."""
    coming: Sequence[Held]
    """What would go next, each occasion's first."""
    problems: Sequence[NoticeProblem]
    lost: Sequence[NoticeProblem]
    tally: NoticeTally
