"""Rows of customers' data, read as occasions: what it is about, when it is, and who hears of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from opsrunner.errors import MailFailed
from opsrunner.mail.headers import clean_line, parse_address
from opsrunner.model.notice import Occasion, Recipient
from opsrunner.model.outcome import Row
from opsrunner.notices.due import day_start
from opsrunner.notices.messages import NoticeProblem
from opsrunner.records import dataclass

KEY_LENGTH = 200
NAME_LENGTH = 100
FIRST_YEAR, LAST_YEAR = 1970, 8900
MOST_ADDRESSES = 20
"""Of one cell: more is a mailing list, or a mistake of whoever made the table."""
MOST_REMEMBERED = 10_000
_BETWEEN = re.compile(r"[,;\n]+")
_PLAIN = re.compile(
    r"(?=[^@]{1,64}@.{3,189}\Z)[a-z0-9]+(?:[._+-][a-z0-9]+)*@[a-z0-9]+(?:-+[a-z0-9]+)*(?:\.[a-z0-9]+(?:-+[a-z0-9]+)*)+"
)
"""What most addresses look like; it is read in no time."""


@dataclass(frozen=True, kw_only=True)
class NoticeColumns:
    """Which columns of the rows say what."""

    key: str
    at: str
    until: str = ""
    to: tuple[str, ...]
    name: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """The columns that a row has to have."""
        return tuple(dict.fromkeys(name for name in (self.key, self.at, self.until, *self.to, self.name) if name))


class RowReader:
    """Reads rows, one after the other. Dates and addresses that come again are read once."""

    def __init__(self, columns: NoticeColumns, *, notice: str, zone: ZoneInfo) -> None:
        self._columns, self._notice, self._zone = columns, notice, zone
        self._days: dict[date, datetime] = {}
        self._plain: set[str] = set()

    def read(self, row: Row) -> tuple[str, Occasion | None, list[NoticeProblem]]:
        """Return the key that a row says, its occasion where it says all, and what is wrong with it."""
        columns = self._columns
        key = row.get(columns.key)
        if not (type(key) is str and key.isascii() and key.isprintable() and 0 < len(key) <= KEY_LENGTH):
            key = _text(key, length=KEY_LENGTH + 1)
        to, wrong = self._recipients(row)
        first = to[0].address if to else ""
        if not 0 < len(key) <= KEY_LENGTH:
            problem = (
                f"the row says no {columns.key}" if not key else f"{columns.key} is longer than {KEY_LENGTH} signs"
            )
            return "", None, [NoticeProblem(key=clean_line(key, length=KEY_LENGTH), to=first, problem=problem)]
        problems = [NoticeProblem(key=key, to=address, problem=why) for address, why in wrong]
        at, why = self._moment(row.get(columns.at), columns.at)
        until, why_until = None, ""
        if columns.until and row.get(columns.until) not in (None, ""):
            until, why_until = self._moment(row.get(columns.until), columns.until)
        if at is not None and until is not None and until < at:
            why_until = f"{columns.until} is before {columns.at}"
        problems += [NoticeProblem(key=key, to=first, problem=said) for said in (why, why_until) if said]
        if at is None or why_until:
            return key, None, problems
        if not to and not wrong:
            problems.append(NoticeProblem(key=key, to="", problem="the row says no mail address"))
        occasion = Occasion(notice=self._notice, key=key, at=at, until=until, recipients=to)
        return key, occasion, problems

    def _recipients(self, row: Row) -> tuple[tuple[Recipient, ...], list[tuple[str, str]]]:
        """Return whom a row names, each once, and what of it hears nothing, with the reason."""
        name = _text(row.get(self._columns.name), length=NAME_LENGTH) if self._columns.name else ""
        found: dict[str, Recipient] = {}
        wrong: list[tuple[str, str]] = []
        for column in self._columns.to:
            cell = row.get(column)
            if self._is_plain(cell):
                found.setdefault(cell, Recipient(address=cell, name=name, row=row))
                continue
            texts = list(_addresses(cell))
            if len(texts) > MOST_ADDRESSES:
                why = f"{column} has {len(texts)} addresses, and {MOST_ADDRESSES} of a row are told at the most"
                wrong.append((clean_line(texts[MOST_ADDRESSES], length=80), why))
            for text in texts[:MOST_ADDRESSES]:
                try:
                    address = parse_address(text).address.lower()
                except MailFailed:
                    wrong.append((clean_line(text, length=80), "no mail address"))
                else:
                    found.setdefault(address, Recipient(address=address, name=name, row=row))
        return tuple(found.values()), wrong

    def _is_plain(self, cell: Any) -> TypeGuard[str]:
        """Tell whether a cell is an address as it stands, and remember it: customers have many domains."""
        if not isinstance(cell, str):
            return False
        if cell in self._plain:
            return True
        if not _PLAIN.fullmatch(cell):
            return False
        if len(self._plain) > MOST_REMEMBERED:
            self._plain.clear()
        self._plain.add(cell)
        return True

    def _moment(self, value: Any, column: str) -> tuple[datetime | None, str]:
        """Return what a cell says as a moment, or why it says none."""
        if value is None or value == "":
            return None, f"the row says no {column}"
        if isinstance(value, str):
            try:
                value = _from_text(value.strip())
            except ValueError:
                return None, f"{column} is no date or moment: {clean_line(value, length=40)!r}"
        if not isinstance(value, date) or not FIRST_YEAR <= value.year < LAST_YEAR:
            return None, f"{column} is no date or moment: {clean_line(str(value), length=40)!r}"
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=self._zone)).astimezone(UTC), ""
        found = self._days.get(value)
        if found is None:
            found = self._days[value] = day_start(value, self._zone)
        return found, ""


def _from_text(text: str) -> date:
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)


def _text(value: Any, *, length: int) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, datetime):
        value = value.isoformat()
    text = value if isinstance(value, str) else str(value)
    return text if text.isascii() and text.isprintable() and len(text) <= length else clean_line(text, length=length)


def _addresses(cell: Any) -> Iterator[str]:
    """Yield the addresses of a cell: several may stand in it, and a list is as good."""
    if cell is None:
        return
    texts = cell if isinstance(cell, list | tuple) else _BETWEEN.split(str(cell))
    wanted = [text for text in (str(one).strip() for one in texts) if text]
    for text in wanted:
        spaced = text.split()
        yield from spaced if len(spaced) > 1 and "<" not in text and all("@" in one for one in spaced) else (text,)
