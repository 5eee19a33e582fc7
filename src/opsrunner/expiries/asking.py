"""Which names a registry is asked for today: few, and those that matter first."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.expiries.collecting import Entry
from opsrunner.expiries.judging import Judge, State
from opsrunner.model.expiry import DateAnswer

NOT_AGAIN_WITHIN = timedelta(hours=1)
"""A name is asked for no sooner, whatever happens: a routine may be run by hand ten times in a row."""
DAILY = timedelta(hours=20)
"""For what was asked yesterday at the same hour, or a little later."""
KEPT_FACTOR = 4
"""So many times as many names as have their turn are kept before the list is cut."""


class Turns:
    """Gathers whom to ask for today, name by name: of a hundred thousand it keeps those that have their turn.

    First what nobody knows, then what is near or doubtful, then what is oldest. What is near, past, wrong or doubtful
    is asked each time (a domain that was renewed an hour ago must stop to alarm), all else when its answer is older
    than `refresh`.
    """

    def __init__(self, *, judge: Judge, refresh: timedelta, most: int) -> None:
        self._judge, self._refresh, self._most = judge, refresh, most
        self._wanted: list[tuple[int, datetime, str, DateAnswer | None]] = []
        self.left = 0
        """How many more would have been asked for."""

    def offer(self, name: str, entry: Entry, known: DateAnswer | None) -> None:
        """Take a name with what is known of it; `entry` has the known answer in it already."""
        turn = self._turn(entry, known)
        if turn is None:
            return
        self._wanted.append((*turn, name, known))
        if len(self._wanted) > KEPT_FACTOR * self._most:
            self._cut()

    def names(self) -> dict[str, DateAnswer | None]:
        """Return whom to ask for, in this order, each with what it was known of it."""
        self._cut()
        return {name: known for _, _, name, known in self._wanted}

    def _cut(self) -> None:
        self._wanted.sort(key=lambda one: one[:3])
        self.left += max(0, len(self._wanted) - self._most)
        del self._wanted[self._most :]

    def _turn(self, entry: Entry, known: DateAnswer | None) -> tuple[int, datetime] | None:
        """Return how soon a name is to be asked for, None where it is not today."""
        now = self._judge.now
        never = datetime.min.replace(tzinfo=now.tzinfo)
        if known is not None and now - known.tried_at < NOT_AGAIN_WITHIN:
            return None
        state = self._judge.judge(entry).state
        if state is not State.LATER:
            return (0 if state is State.UNKNOWN else 1, known.tried_at if known else never)
        if known is None:
            return (2, never)
        if known.failure:
            return (2, known.tried_at) if now - known.tried_at > DAILY else None
        answered_at = known.answered_at or never
        return (3, answered_at) if now - answered_at > self._refresh else None
