"""Turns of those who are compared, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import percentile

ROOT = Path(__file__).parents[1]


def late_milliseconds(command: Sequence[Path | str]) -> list[float]:
    """Let one take its turn; return what it prints at last: how late each thing began, in milliseconds."""
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, cwd=ROOT)
    late: list[float] = json.loads(done.stdout.splitlines()[-1])
    return late


def middle(turns: Sequence[Sequence[float]], share: float) -> float:
    """Return the median over turns of what `share` (0 to 1) of each do not exceed."""
    return percentile([percentile(turn, share) for turn in turns], 0.5)
