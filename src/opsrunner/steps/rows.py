"""Output that becomes rows: JSON, CSV with a header, or plain lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row

ROWS_LIMIT_BYTES = 8_000_000
"""Longest output that is read as rows."""
TOO_LONG = f"the output is longer than the {ROWS_LIMIT_BYTES:,} bytes that may become rows"
MOST_ROWS = 100_000
MOST_DEPTH = 100
"""Of lists and objects in one another: what is made of rows further on goes through them by calls of calls."""


def parse_rows(data: bytes, kind: str) -> tuple[Row, ...]:
    """Return the rows of an output; `kind` is `json`, `csv` or `lines`.

    JSON is a list of objects or one object; CSV has a header and as many cells in each line; lines give
    ``{"line": …}`` each, empty ones left out. Raises StepFailed that names line and column.
    """
    if len(data) > ROWS_LIMIT_BYTES:
        raise StepFailed(TOO_LONG)
    if kind == "lines":
        text = data.decode("utf-8", errors="replace").replace("\0", "\ufffd")
        rows: list[Row] = [{"line": line.rstrip("\r")} for line in text.split("\n") if line.strip()]
    else:
        rows = _from_json(_text(data)) if kind == "json" else list(_from_csv(_text(data)))
    if len(rows) > MOST_ROWS:
        raise StepFailed(f"the output has {len(rows):,} rows; {MOST_ROWS:,} are the most")
    return tuple(rows)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise StepFailed(f"line {line} of the output is not UTF-8 text (byte {exc.start + 1})") from exc


def _from_json(text: str) -> list[Row]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise StepFailed(f"the output is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    except RecursionError as exc:
        raise StepFailed("the output is not usable JSON: it is nested too deeply") from exc
    except ValueError as exc:
        raise StepFailed(f"the output is not usable JSON: {exc}") from exc
    if _depth(value) > MOST_DEPTH:
        raise StepFailed("the output is not usable JSON: it is nested too deeply")
    values: list[Any] = value if isinstance(value, list) else [value]
    for position, row in enumerate(values, start=1):
        if not isinstance(row, dict):
            raise StepFailed(f"row {position} of the JSON output is not an object but {json.dumps(row)[:60]}")
    return values


def _depth(value: Any) -> int:
    """Return how many lists and objects stand in one another at the most, MOST_DEPTH and one at the most."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, (list, dict))]:
        depth += 1
        if depth > MOST_DEPTH:
            break
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _from_csv(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise StepFailed("the output is not CSV: there is no header line")
        _check_header(header)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise StepFailed(
                    f"line {reader.line_num} of the CSV output has {len(cells)} cells, the header {len(header)}"
                )
            yield dict(zip(header, cells, strict=True))
    except csv.Error as exc:
        raise StepFailed(f"line {reader.line_num} of the CSV output: {exc}") from exc


def _check_header(header: list[str]) -> None:
    for column, name in enumerate(header, start=1):
        if not name.strip():
            raise StepFailed(f"column {column} of the CSV header has no name")
        if name in header[: column - 1]:
            raise StepFailed(f"column {column} of the CSV header: {name!r} stands there twice")
