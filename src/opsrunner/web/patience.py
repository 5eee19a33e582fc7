"""How often something may be tried."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

MOST_NAMES = 10_000


class Patience:
    """Counts tries by name, in memory; a stranger who makes up names pushes the oldest out."""

    def __init__(self, *, tries: int, within: timedelta) -> None:
        self._tries, self._within = tries, within
        self._seen: dict[str, deque[datetime]] = {}

    @property
    def minutes(self) -> int:
        """After how many minutes one may try again."""
        return int(self._within.total_seconds() // 60)

    def allows(self, name: str, *, at: datetime) -> bool:
        """Count one more try of `name`; tell whether it is within bounds."""
        seen = self._seen.pop(name, None) or deque(maxlen=self._tries + 1)
        self._seen[name] = seen
        while len(self._seen) > MOST_NAMES:
            del self._seen[next(iter(self._seen))]
        while seen and seen[0] <= at - self._within:
            seen.popleft()
        seen.append(at)
        return len(seen) <= self._tries
