"""The source `csv`: a text file with a header line (RFC 4180, and what spreadsheets make of it)."""

from __future__ import annotations

import codecs
import csv
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opsrunner.errors import StepFailed
from opsrunner.model.site import Source
from opsrunner.sources.request import RawRow, RawTable, Request
from opsrunner.sources.site_files import find_file

LIMIT_BYTES = 50_000_000
_DELIMITERS = ",;\t"

logger = logging.getLogger(__name__)


@contextmanager
def open_csv(source: Source, request: Request) -> Iterator[RawTable]:
    """Read the file at `path`; `delimiter` and `encoding` are found out unless they are given."""
    name = str(source.where["path"])
    path = find_file(name, site_root=request.site_root, limit_bytes=LIMIT_BYTES)
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise StepFailed(f"{name}: {(exc.strerror or 'cannot be read').lower()}") from exc
    text = _decode(data, name=name, encoding=source.where.get("encoding"))
    if "\0" in text:
        raise StepFailed(f"{name}: has NUL characters; it is not a text file")
    delimiter = str(source.where.get("delimiter") or _find_delimiter(text))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records = _records(reader, name)
    header = _header(records, name)
    yield RawTable(name=name, columns=header, rows=_rows(records, header, name))


def _decode(data: bytes, *, name: str, encoding: str | None) -> str:
    if encoding:
        return _decode_as(data, encoding, name)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _decode_as(data, "utf-16", name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        logger.warning(
            "%s:%d: not UTF-8, read as Latin-1; give the source its encoding",
            name,
            line,
            extra={"action": "read_source", "file": name},
        )
        return data.decode("latin-1")


def _decode_as(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError as exc:
        raise StepFailed(f"{name}: there is no encoding {encoding!r}", permanent=True) from exc
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise StepFailed(f"{name}:{line}: is not {encoding} text") from exc


def _find_delimiter(text: str) -> str:
    """Return the sign that parts the header: the commonest outside quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)


def _records(reader: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    """Give each record with the number of the line that it begins on."""
    while True:
        line = reader.line_num + 1  # type: ignore[attr-defined]  # typeshed hides the reader's own class
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise StepFailed(f"{name}:{line}: {exc}") from exc
        if cells:
            yield line, cells


def _header(records: Iterator[tuple[int, list[str]]], name: str) -> tuple[str, ...]:
    line, cells = next(records, (0, []))
    if not cells:
        raise StepFailed(f"{name}: is empty; a header line is needed")
    header = tuple(cell.strip() for cell in cells)
    for position, column in enumerate(header, start=1):
        if not column:
            raise StepFailed(f"{name}:{line}: column {position} of the header has no name")
        if column in header[: position - 1]:
            raise StepFailed(f"{name}:{line}: the header has '{column}' twice")
    return header


def _rows(records: Iterator[tuple[int, list[str]]], header: Sequence[str], name: str) -> Iterator[RawRow]:
    for line, cells in records:
        if len(cells) != len(header):
            raise StepFailed(f"{name}:{line}: has {len(cells)} cells, the header {len(header)}")
        yield RawRow(place=f"{name}:{line}", values=dict(zip(header, cells, strict=True)))
