"""What every benchmark prints: a figure of ours beside a peer's of the same run, and how they compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line. `ours` and `theirs` have one unit; a ratio says more than either, since machines are noisy.

    `most` bounds ours ÷ theirs from above, `least` from below; without a peer, `most` bounds `ours` itself.
    """

    name: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float | None = None
    most: float | None = None
    least: float | None = None

    @property
    def judged(self) -> float:
        """What the bounds speak of: the ratio, or the figure itself where it stands alone."""
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def is_within(self) -> bool:
        """Tell whether the bounds hold."""
        above = self.most is not None and self.judged > self.most
        below = self.least is not None and self.judged < self.least
        return not (above or below)

    def line(self) -> str:
        """Return it as one line of a table."""
        against = "" if self.theirs is None else f"{self.theirs:12.3f} {self.unit:<5} {self.peer}"
        ratio = "" if self.theirs is None else f"{self.judged:9.3f} ×"
        word = "" if self.most is None and self.least is None else ("ok" if self.is_within else "OVER")
        bound = f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}" if self.least is not None else ""
        return f"{self.name:<58} {self.ours:12.3f} {self.unit:<5} {ratio:>11} {bound:>9} {word:<5} {against}".rstrip()


def seconds_of(act: Callable[[], object]) -> float:
    """Return how long `act` takes."""
    before = time.perf_counter()
    act()
    return time.perf_counter() - before


def median_seconds(act: Callable[[], object], *, times: int = 5) -> float:
    """Return the median of how long `act` takes."""
    return statistics.median(seconds_of(act) for _ in range(times))


def paired_seconds(ours: Callable[[], object], theirs: Callable[[], object], *, times: int = 5) -> tuple[float, float]:
    """Return the medians of two acts measured turn by turn, so that a busy moment of the machine hits both."""
    pairs = [(seconds_of(ours), seconds_of(theirs)) for _ in range(times)]
    return statistics.median(one for one, _ in pairs), statistics.median(other for _, other in pairs)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
