"""Before those who had heard are told that things are cancelled: whether the rows that came can be all of them."""

from __future__ import annotations

from opsrunner.errors import StepFailed
from opsrunner.notices.desk import PassDesk
from opsrunner.notices.editions import has_passed

FEW = 20
"""So many may vanish at once, however many there are."""
PART = 5
"""One in so many may."""
_TOGETHER = 500


class VanishGuard:
    """Counts the occasions that are still to come, before a pass and after it."""

    def __init__(self, desk: PassDesk) -> None:
        """Look how many there are; to be made before the pass takes its rows."""
        self._desk = desk
        self._looks = desk.settings.tells_moves and desk.settings.remembers
        self._were = self._upcoming() if self._looks else 0

    def require(self, *, rows: int) -> None:
        """Raise StepFailed where so many occasions came no more that rather the source is broken."""
        if not self._looks:
            return
        if why := why_not_all(rows=rows, gone=self._vanished(), were=self._were):
            raise StepFailed(why)

    def _upcoming(self) -> int:
        desk = self._desk
        counts = desk.notices.occasion_counts(desk.settings.notice)
        return sum(one.count for one in counts if desk.now < (one.until or one.at))

    def _vanished(self) -> int:
        desk = self._desk
        keys = [key for key in desk.notices.live_keys(desk.settings.notice) if not desk.has_seen(key)]
        return sum(
            not has_passed(known, now=desk.now)
            for start in range(0, len(keys), _TOGETHER)
            for known in desk.notices.occasions(desk.settings.notice, keys[start : start + _TOGETHER]).values()
        )


def why_not_all(*, rows: int, gone: int, were: int) -> str:
    """Return why these are not all rows, where `gone` of `were` that are to come came no more; '' where they may be."""
    if gone and not rows:
        return f"no row came, and {gone} that {_are(gone)} still to come would be cancelled; {_ADVICE}"
    if gone > max(FEW, were // PART):
        return f"{gone} of {were} that are still to come came no more at once; {_ADVICE}"
    return ""


_ADVICE = (
    "nobody is told: is the source whole? If they are really cancelled, set moved: quiet for one run and tell them"
    " yourself"
)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
