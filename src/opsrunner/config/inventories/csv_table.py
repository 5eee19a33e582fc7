"""Reads hosts from a CSV file with a header line, as spreadsheets and other tools write it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opsrunner.config.fields import check_host
from opsrunner.config.inventories.found import MOST_HOSTS, Findings, FoundHost, Place
from opsrunner.config.inventories.keys import ColumnsKeys
from opsrunner.config.mistakes import did_you_mean

_DELIMITERS = ",;\t"
_BETWEEN_GROUPS = re.compile(r"[\s,;|]+")


def read_csv(text: str, *, file: str, columns: ColumnsKeys, findings: Findings) -> dict[str, FoundHost]:
    """Return the hosts of a file; what is wrong goes to `findings`."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    hosts: dict[str, FoundHost] = {}
    titles: dict[str, str] | None = None
    header: list[str] = []
    for place, cells in _records(reader, file, findings):
        if titles is None:
            header = [cell.strip() for cell in cells]
            titles = _titles(header, columns, place, findings)
            if not titles:
                return {}
            continue
        if len(cells) != len(header):
            findings.add(
                place, f"has {len(cells)} cells, the header {len(header)}", "put quotes around a cell with commas"
            )
            continue
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        _add(hosts, {key: row[title] for key, title in titles.items()}, place, findings)
    if titles is None:
        findings.add(Place(file=file), "is empty", "a header line is needed")
    return hosts


def _delimiter(text: str) -> str:
    """Return the sign that parts the header: the commonest outside quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)


def _records(reader: Iterator[list[str]], file: str, findings: Findings) -> Iterator[tuple[Place, list[str]]]:
    while True:
        place = Place(file=file, line=reader.line_num + 1)  # type: ignore[attr-defined]  # typeshed hides the reader's own class
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            findings.add(place, f"cannot be read as CSV ({exc})")
            return
        if any(cell.strip() for cell in cells):
            yield place, cells


def _titles(header: Sequence[str], columns: ColumnsKeys, place: Place, findings: Findings) -> dict[str, str]:
    """Return the columns that are there, by their keys; nothing where the names of hosts cannot be told."""
    twice = sorted({title for title in header if title and header.count(title) > 1})
    for title in twice:
        findings.add(place, f"the header has '{title[:60]}' twice", "keep one of them")
    wanted = {key: str(getattr(columns, key)) for key in ColumnsKeys.model_fields}
    needed = {"name", *columns.model_fields_set}
    for key, title in wanted.items():
        if key in needed and title not in header:
            hint = did_you_mean(title, header) or f"say which it is: columns: {{{key}: TITLE}}"
            findings.add(place, f"there is no column '{title[:60]}' for {key}", hint)
    if twice or wanted["name"] not in header:
        return {}
    return {key: title for key, title in wanted.items() if title in header}


def _add(hosts: dict[str, FoundHost], row: Mapping[str, str], place: Place, findings: Findings) -> None:
    name = row["name"]
    try:
        check_host(name)
    except ValueError as exc:
        findings.add(place, str(exc) if name else "the host has no name", "use ASCII letters, digits, '.', '_' and '-'")
        return
    if name in hosts:
        findings.add(place, f"'{name}' stands here twice, first in line {hosts[name].place.line}", "keep one of them")
    elif len(hosts) == MOST_HOSTS:
        findings.add(place, f"there are more than {MOST_HOSTS} hosts")
    else:
        hosts[name] = FoundHost(name=name, place=place, keys=_keys(row))


def _keys(row: Mapping[str, str]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for key, value in row.items():
        if key == "name" or not value:
            continue
        if key == "port" and value.isascii() and value.isdecimal() and len(value) < 10:
            keys[key] = int(value)
        else:
            keys[key] = [one for one in _BETWEEN_GROUPS.split(value) if one] if key == "groups" else value
    return keys
