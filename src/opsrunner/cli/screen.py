"""Answers for people: tables, lines and signs; rich on a terminal, plain aligned text elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, TypeAlias

from opsrunner.cli.escapes import printable, printable_lines
from opsrunner.model.digest import Tone
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from rich.console import Console

SIGNS: dict[Tone, str] = {"failed": "✕", "look": "!", "fine": "✓", "live": "●", "nothing": "○"}
GROWS_FROM = 20
"""A column that wraps has so many signs at the least."""
_COLOURS: dict[Tone, str] = {"failed": "red", "look": "yellow", "fine": "green", "live": "cyan", "nothing": "dim"}
WIDE = 100


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A text with its tone."""

    text: str
    tone: Tone | None = None
    dim: bool = False


CellLike: TypeAlias = Cell | str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its title, where its text stands, and whether it gives way (wraps) where room is short."""

    title: str = ""
    right: bool = False
    grows: bool = False
    wide_only: bool = False
    """Left out on a terminal that is narrower than WIDE."""


class Screen:
    """Standard output. All that is written is cleaned of what could steer a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        self._console: Console | None = None
        self._is_at_start = True

    @property
    def console(self) -> Console:
        """Rich's console, made when it is needed."""
        if self._console is None:
            from rich.console import Console  # takes 60 ms, and pipes need none

            self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
        return self._console

    def line(self, text: str = "", *, tone: Tone | None = None, sign: bool = False, dim: bool = False) -> None:
        """Print one line, in the colour of its tone and after its sign where asked."""
        text = printable(text) if not text.startswith(" ") else f"{text[: -len(text.lstrip())]}{printable(text)}"
        self._put(f"{SIGNS[tone]} {text}" if sign and tone else text, tone=tone, dim=dim)

    def block(self, text: str) -> None:
        """Print a text of many lines as it is."""
        self.write(printable_lines(text).rstrip("\n") + "\n")

    def prose(self, text: str, *, indent: int = 0) -> None:
        """Print a text of many lines, indented; on a terminal its long lines are wrapped."""
        margin = " " * indent
        for line in printable_lines(text.strip()).splitlines():
            inner = margin + line[: len(line) - len(line.lstrip())]
            if self.is_terminal:
                width = max(40, self.console.width)
                print("\n".join(wrap(line.strip(), width, initial_indent=inner, subsequent_indent=inner)))
            else:
                print(f"{margin}{line}".rstrip())

    def write(self, text: str) -> None:
        """Print a piece of a text, without a line's end of its own."""
        if text:
            sys.stdout.write(printable_lines(text))
            sys.stdout.flush()
            self._is_at_start = text.endswith("\n")

    def end_line(self) -> None:
        """End the line that `write` has left open."""
        if not self._is_at_start:
            self.write("\n")

    def heading(self, text: str, note: str = "") -> None:
        """Print a heading, with a note beside it."""
        if not self.is_terminal:
            print(f"{printable(text)}{'  ' + printable(note) if note else ''}")
            return
        from rich.text import Text

        self.console.print(Text.assemble((printable(text), "bold"), ("  " + printable(note) if note else "", "dim")))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[CellLike]], *, indent: int = 0) -> None:
        """Print rows under their columns' titles; columns that are empty all the way are left out."""
        cells = [[_cell(cell) for cell in row] for row in rows]
        kept = [index for index in range(len(columns)) if any(row[index].text for row in cells)]
        if self.is_terminal and self.console.width < WIDE:
            kept = [index for index in kept if not columns[index].wide_only]
        columns = [columns[index] for index in kept]
        cells = [[row[index] for index in kept] for row in cells]
        if self.is_terminal and _least_width(columns, cells) + indent > self.console.width:
            self._stacked(columns, cells, indent)
        elif self.is_terminal:
            self._rich_table(columns, cells, indent)
        else:
            _plain_table(columns, cells, indent)

    @contextmanager
    def working(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something goes on, on a terminal only; what is yielded says how far it is."""
        if not self.is_terminal:
            yield lambda _: None
            return
        with self.console.status(_plain(text), spinner="dots") as status:
            yield lambda further: status.update(_plain(further))

    def _put(self, text: str, *, tone: Tone | None, dim: bool) -> None:
        if not self.is_terminal or (tone is None and not dim):
            print(text)
            return
        from rich.text import Text

        self.console.print(Text(text, style=_style(tone, dim)), soft_wrap=True)

    def _stacked(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], indent: int) -> None:
        """Print each row over several lines, where the terminal is too narrow to tell its columns apart."""
        from rich.padding import Padding
        from rich.text import Text

        for row in rows:
            first, *rest = row
            self.console.print(Padding(Text(first.text, style=_style(first.tone, first.dim)), (0, 0, 0, indent)))
            for column, cell in zip(columns[1:], rest, strict=True):
                if cell.text:
                    title = (f"{column.title} ", "dim") if column.title else ""
                    text = Text.assemble(title, (cell.text, _style(cell.tone, cell.dim)))
                    self.console.print(Padding(text, (0, 0, 0, indent + 2)))

    def _rich_table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], indent: int) -> None:
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(column.title for column in columns)
        )
        for column in columns:
            table.add_column(
                column.title,
                header_style="dim",
                justify="right" if column.right else "left",
                no_wrap=not column.grows,
                overflow="fold",
                ratio=None,
            )
        for row in rows:
            table.add_row(*(Text(cell.text, style=_style(cell.tone, cell.dim)) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, indent)))


def _plain(text: str) -> str:
    """Return a text that rich shows as it is."""
    return printable(text).replace("[", r"\[")


def _cell(cell: CellLike) -> Cell:
    if isinstance(cell, str):
        return Cell(text=printable(cell))
    return Cell(text=printable(cell.text), tone=cell.tone, dim=cell.dim)


def _style(tone: Tone | None, dim: bool) -> str:
    if tone is not None:
        return _COLOURS[tone]
    return "dim" if dim else ""


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    """Return the width that a table needs to be read: all of what does not wrap, and room for a word of what does."""
    from rich.cells import cell_len

    widths = [
        max(cell_len(column.title), *(cell_len(row[index].text) for row in rows)) if rows else 0
        for index, column in enumerate(columns)
    ]
    least = [min(width, GROWS_FROM) if column.grows else width for column, width in zip(columns, widths, strict=True)]
    return sum(least) + 2 * (len(columns) - 1)


def _plain_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], indent: int) -> None:
    from rich.cells import cell_len  # how wide a terminal shows a text

    lines = [[column.title for column in columns]] if any(column.title for column in columns) else []
    lines += [[cell.text for cell in row] for row in rows]
    widths = [max(map(cell_len, texts)) for texts in zip_longest(*lines, fillvalue="")]
    for line in lines:
        parts = [
            " " * (width - cell_len(text)) + text if column.right else text + " " * (width - cell_len(text))
            for text, width, column in zip(line, widths, columns, strict=True)
        ]
        print(f"{' ' * indent}{'  '.join(parts)}".rstrip())
