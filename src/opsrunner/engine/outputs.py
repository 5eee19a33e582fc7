"""Where the output of steps lies."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path

from opsrunner.steps.output import printable

TAIL_BYTES = 8_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def output_file(state: Path, run_id: int, step: str, key: str = "") -> Path:
    """Return where a step's output lies; a turn's key becomes part of the name, keys that differ never share one."""
    return Path(f"{state}/runs/{run_id}/{_name(step)}{f'.{_name(key)}' if key else ''}.log")


def _name(text: str) -> str:
    """Return `text` as part of a file name, with a checksum where it had to be changed."""
    name = _UNSAFE.sub("_", text)[:60]
    return name if name == text else f"{name}-{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def last_output(state: Path, run_id: int, step: str, key: str = "") -> str:
    """Return the end of a step's output with control characters escaped; nothing where there is none.

    It is the output of the turn with `key` where that has its own.
    """
    for path in (output_file(state, run_id, step, key), output_file(state, run_id, step)):
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                return printable(file.read(TAIL_BYTES).decode("utf-8", "replace"))
        except OSError:
            continue
    return ""
