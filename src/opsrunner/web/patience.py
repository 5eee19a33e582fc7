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

    def allows_asking(self, address: str, account: str, *, at: datetime) -> bool:
        """Count that a link is asked for, by a stranger at `address`, and tell whether that is within bounds."""
        is_fine = self._count(f"address {address}", OF_AN_ADDRESS, at=at)
        return self.allows_mail(account, at=at) and is_fine

    def allows_mail(self, account: str, *, at: datetime) -> bool:
        """Count a link for an account, whoever asks, and tell whether that is within bounds."""
        return self._count(f"account {account}", OF_AN_ACCOUNT, at=at)

    def allows_wrong_link(self, address: str, *, at: datetime) -> bool:
        """Count a wrong link, and tell whether that is within bounds.

        They use up nothing else: a stranger who makes up links keeps nobody at the same address from asking for one.
        """
        return self._count(f"wrong links of {address}", OF_AN_ADDRESS, at=at)

    def _count(self, name: str, most: int, *, at: datetime) -> bool:
        seen = self._seen.pop(name, None) or deque(maxlen=most + 1)
        self._seen[name] = seen
        while len(self._seen) > MOST_NAMES:
            del self._seen[next(iter(self._seen))]
        while seen and seen[0] <= at - WITHIN:
            seen.popleft()
        seen.append(at)
        return len(seen) <= most
