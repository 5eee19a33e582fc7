"""Where the output of steps lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

TAIL_BYTES = 8_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def output_file(state: Path, run_id: int, step: str, key: str = "") -> Path:
    """Return where a step's output lies; a turn's key becomes part of the name."""
    suffix = f".{_UNSAFE.sub('_', key)[:60]}" if key else ""
    return state / "runs" / str(run_id) / f"{_UNSAFE.sub('_', step)}{suffix}.log"


def last_output(state: Path, run_id: int, step: str, key: str = "") -> str:
    """Return the end of a step's output, of the turn with `key` where it has its own; nothing where there is none."""
    for path in (output_file(state, run_id, step, key), output_file(state, run_id, step)):
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                return file.read(TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
    return ""
