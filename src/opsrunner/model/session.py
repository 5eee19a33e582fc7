"""Who is signed in to the page, and where."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.records import dataclass

LINK_LIVES = timedelta(minutes=15)
SESSION_IDLE = timedelta(days=7)
SESSION_LIVES = timedelta(days=30)
"""However much it is used, a session ends then."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """One row of `sessions`: a browser that a person is signed in with."""

    id: int
    person: str
    made_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str
    """What the browser calls itself."""

    def lives(self, now: datetime) -> bool:
        """Tell whether it may still be used."""
        return now < self.expires_at and now < self.seen_at + SESSION_IDLE
