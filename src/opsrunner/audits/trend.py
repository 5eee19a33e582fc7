"""In how many days a file system is full: a fit that neither a wild day nor one cleanup turns round."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import combinations, pairwise
from statistics import median

Sample = tuple[datetime, int, int]
"""When, used bytes, size in bytes."""
LEAST_SAMPLES, LEAST_DAYS, MOST_DAYS = 5, 3, 60
MOST_SAMPLES = 200
RISING_SHARE = 0.75
"""How many of all pairs of samples must rise before we say that it grows; noise alone has half of them."""
FAR_DAYS = 3650.0
_STEP_SHARE = 0.02
_DAY_SECONDS = 86400.0


def days_until_full(samples: Sequence[Sample], now: datetime) -> float | None:
    """Return the days from `now` until a file system is full, 0 where it is; None where it does not grow.

    The slope is the median over all pairs of samples (Theil and Sen), of the last 60 days. It takes 5 samples over
    3 days. One leap down (a cleanup) and one leap up (a restored copy) are taken out first; several leaps of a kind
    are its way of life and stay in. What would take more than ten years counts as not growing.
    """
    taken = _usable(samples, now)
    if len(taken) < LEAST_SAMPLES or _days(taken[-1][0], taken[0][0]) < LEAST_DAYS:
        return None
    at, used, size = taken[-1]
    points = [(_days(moment, taken[0][0]), float(value)) for moment, value, _ in taken]
    slope = _slope(_without_leaps(points, size))
    if slope <= 0:
        return None
    days = max(0.0, (size - used) / slope - _days(now, at))
    return days if days <= FAR_DAYS else None


def _usable(samples: Sequence[Sample], now: datetime) -> list[Sample]:
    """Return the samples of the last 60 days, one a moment, in their order; more than enough are thinned out."""
    by_moment = {sample[0]: sample for sample in samples if 0 <= _days(now, sample[0]) <= MOST_DAYS and sample[2] > 0}
    ordered = [by_moment[moment] for moment in sorted(by_moment)]
    every = -(-len(ordered) // MOST_SAMPLES) or 1
    return ordered[::-1][::every][::-1]


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Return bytes a day, 0 where too few pairs rise."""
    slopes = [(late[1] - early[1]) / (late[0] - early[0]) for early, late in combinations(points, 2)]
    rising = sum(slope > 0 for slope in slopes)
    return median(slopes) if rising >= RISING_SHARE * len(slopes) else 0.0


def _without_leaps(points: Sequence[tuple[float, float]], size: int) -> list[tuple[float, float]]:
    """Return the points with a single leap down and a single leap up undone.

    A leap is what differs from the usual pace by over 2 % of the disk, and by six times what is usual.
    """
    paces = [(late[1] - early[1]) / (late[0] - early[0]) for early, late in pairwise(points)]
    usual = median(paces)
    odds = [(late[1] - early[1]) - usual * (late[0] - early[0]) for early, late in pairwise(points)]
    least = max(_STEP_SHARE * size, 6 * median(abs(odd) for odd in odds))
    downs = [odd for odd in odds if odd < -least]
    ups = [odd for odd in odds if odd > least]
    undone = {*(downs if len(downs) == 1 else ()), *(ups if len(ups) == 1 else ())}
    shift, level = 0.0, [points[0]]
    for (day, value), odd in zip(points[1:], odds, strict=True):
        shift += odd if odd in undone else 0.0
        level.append((day, value - shift))
    return level


def _days(late: datetime, early: datetime) -> float:
    return (late - early).total_seconds() / _DAY_SECONDS
