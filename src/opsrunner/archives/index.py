"""The index of a copy: its frames and its members, a line of JSON each as they came, packed by zstd.

A line of a frame is `[plain begin, plain bytes, begin, bytes]`; one of a member is a mapping.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

import zstandard

from opsrunner.archives.frames import Frame, unpack
from opsrunner.archives.members import KINDS, Member, printable_path
from opsrunner.errors import ArchiveDamaged

_KEYS = {
    "path": "p",
    "kind": "k",
    "size_bytes": "s",
    "modified_at": "m",
    "begin": "b",
    "end": "e",
    "hash": "h",
    "target": "t",
    "holes": "o",
}
_LONGEST_LINE = 64 << 20
"""A sparse file of a million holes has a line of 30 MB."""


class IndexWriter:
    """Writes an index into a file, as its parts become known; memory does not grow with it. Safe among threads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._lock = threading.Lock()
        self._packed = zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(file, closefd=False)

    def add_frame(self, frame: Frame) -> None:
        """Write a frame."""
        self._write([frame.plain_begin, frame.plain_bytes, frame.begin, frame.bytes])

    def add_member(self, member: Member) -> None:
        """Write a member."""
        said = {key: getattr(member, name) for name, key in _KEYS.items()}
        self._write({key: value for key, value in said.items() if value not in ("", ())})

    def close(self) -> None:
        """Write what is still kept."""
        self._packed.flush(zstandard.FLUSH_FRAME)

    def _write(self, line: object) -> None:
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._packed.write(text)


def read_index(chunks: Iterable[bytes]) -> Iterator[Frame | Member]:
    """Yield the frames and members of an index in the order in which they were written. Raises ArchiveDamaged."""
    try:
        for line in _lines(unpack(chunks)):
            said = json.loads(line)
            yield _member(said) if isinstance(said, dict) else _frame(said)
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise ArchiveDamaged(f"the index of the copy does not read: {printable_path(str(exc))}") from exc


def _frame(said: list[Any]) -> Frame:
    plain_begin, plain_bytes, begin, size = (_count(number) for number in said)
    return Frame(plain_begin=plain_begin, plain_bytes=plain_bytes, begin=begin, bytes=size)


def _member(said: dict[str, Any]) -> Member:
    unknown = set(said) - set(_KEYS.values())
    if unknown or said["k"] not in KINDS:
        raise ValueError("a member is of a kind that is not known")
    return Member(
        path=_text(said["p"]),
        kind=said["k"],
        size_bytes=_count(said["s"]),
        modified_at=float(said["m"]),
        begin=_count(said["b"]),
        end=_count(said["e"]),
        hash=_text(said.get("h", "")),
        target=_text(said.get("t", "")),
        holes=tuple((_count(offset), _count(size)) for offset, size in said.get("o", ())),
    )


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a number is none")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is none")
    return value


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line has no end")
        yield from whole
    if rest:
        raise ValueError("it is cut short")
