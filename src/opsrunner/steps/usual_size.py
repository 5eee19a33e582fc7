"""When a backup is suspiciously small, whoever made it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

COMPARED_WITH = 5
SMALL_SHARE = 0.5


def usual_size(newest_first: Sequence[int]) -> int:
    """Return the median of the last COMPARED_WITH sizes, 0 where there is none."""
    return round(median(newest_first[:COMPARED_WITH])) if newest_first else 0


def is_small(size_bytes: int, usual_bytes: int) -> bool:
    """Tell whether a size is less than SMALL_SHARE of the usual one."""
    return size_bytes < usual_bytes * SMALL_SHARE
