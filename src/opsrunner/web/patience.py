"""How often strangers may try to come in."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

WITHIN = timedelta(minutes=10)
OF_AN_ADDRESS, OF_AN_ACCOUNT = 60, 10
"""A proxy lends one address to a whole team; nobody needs ten links for one person."""
MOST_NAMES = 10_000


class Patience:
    """Counts tries by address and by account, in memory; a stranger who makes up names pushes the oldest out."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[datetime]] = {}

    @property
    def minutes(self) -> int:
        """After how many minutes one may try again."""
        return int(WITHIN.total_seconds() // 60)

    def allows(self, address: str, account: str = "", *, at: datetime) -> bool:
        """Count one more try; tell whether it is within bounds."""
        is_fine = self._count(f"address {address}", OF_AN_ADDRESS, at=at)
        if account:
            is_fine = self._count(f"account {account}", OF_AN_ACCOUNT, at=at) and is_fine
        return is_fine

    def _count(self, name: str, most: int, *, at: datetime) -> bool:
        seen = self._seen.pop(name, None) or deque(maxlen=most + 1)
        self._seen[name] = seen
        while len(self._seen) > MOST_NAMES:
            del self._seen[next(iter(self._seen))]
        while seen and seen[0] <= at - WITHIN:
            seen.popleft()
        seen.append(at)
        return len(seen) <= most
