"""Where the output of steps lies."""

from __future__ import annotations

import os
import re
import zlib
from codecs import getincrementaldecoder
from pathlib import Path

from opsrunner.records import dataclass
from opsrunner.steps.output import printable

TAIL_BYTES = 8_000
PIECE_BYTES = 32_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def output_file(state: Path, run_id: int, step: str, key: str = "") -> Path:
    """Return where a step's output lies; a turn's key becomes part of the name, keys that differ never share one."""
    return Path(f"{state}/runs/{run_id}/{_name(step)}{f'.{_name(key)}' if key else ''}.log")


def _name(text: str) -> str:
    """Return `text` as part of a file name, with a checksum where it had to be changed."""
    name = _UNSAFE.sub("_", text)[:60]
    return name if name == text else f"{name}-{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some of a step's output, with control characters escaped; `end` is where the file goes on, in bytes."""

    text: str
    end: int


def last_output(state: Path, run_id: int, step: str, key: str = "") -> Piece:
    """Return the end of a step's output; nothing where there is none.

    It is the output of the turn with `key` where that has its own.
    """
    for path in (output_file(state, run_id, step, key), output_file(state, run_id, step)):
        try:
            with path.open("rb") as file:
                begin = max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES)
                file.seek(begin)
                body = file.read(TAIL_BYTES)
                return Piece(text=printable(body.decode("utf-8", "replace")), end=begin + len(body))
        except OSError:
            continue
    return Piece(text="", end=0)


def output_since(state: Path, run_id: int, step: str, *, from_: int, whole_lines: bool) -> Piece:
    """Return what has come after the first `from_` bytes of a step's output, at most PIECE_BYTES of it.

    With `whole_lines` it ends with a line; without, never within a character.
    """
    try:
        with output_file(state, run_id, step).open("rb") as file:
            file.seek(from_)
            body = file.read(PIECE_BYTES)
    except (OSError, OverflowError):
        return Piece(text="", end=from_)
    if whole_lines and len(body) < PIECE_BYTES:
        body = body[: body.rfind(b"\n") + 1]
    decoder = getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(body)
    held_back = len(decoder.getstate()[0])
    return Piece(text=printable(text), end=from_ + len(body) - held_back)
