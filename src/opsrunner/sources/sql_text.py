"""SQL that people wrote: which values it asks for, and whether it only reads.

What is looked at is never what stands in a string, in quotes or in a comment. The database itself is told to
allow reading only; this is for what a database lets a reader do all the same (`SELECT … INTO OUTFILE`,
`FOR UPDATE`), and for a message that says so before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from opsrunner.errors import StepFailed
from opsrunner.model.database import Engine

_COMMON = r"""
    | (?P<value> (?<![:\w]):[A-Za-z_]\w*(?!:) )
    | (?P<word> [A-Za-z_][\w$]* )
    | (?P<other> . )
"""
_MYSQL = r"""
      (?P<quoted> '(?:[^'\\]|''|\\.)*' | "(?:[^"\\]|""|\\.)*" | `(?:[^`]|``)*` )
    | (?P<comment> --(?=[\x00-\x20]|\Z)[^\n]* | \#[^\n]* | /\*.*?\*/ )
"""
_POSTGRES = r"""
      (?P<quoted> \b[eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<comment> --[^\n\r]* | /\*.*?\*/ )
"""
_TOKENS: Mapping[Engine, re.Pattern[str]] = {
    "mysql": re.compile(_MYSQL + _COMMON, re.VERBOSE | re.DOTALL),
    "postgresql": re.compile(_POSTGRES + _COMMON, re.VERBOSE | re.DOTALL),
}
_WORD = re.compile(r"[A-Za-z_][\w$]*")
_READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_LOCKS: Mapping[Engine, frozenset[tuple[str, str]]] = {
    "mysql": frozenset({("FOR", "UPDATE"), ("FOR", "SHARE"), ("LOCK", "IN")}),
    "postgresql": frozenset({("FOR", "UPDATE"), ("FOR", "SHARE"), ("FOR", "NO"), ("FOR", "KEY")}),
}
_REACHES: Mapping[Engine, re.Pattern[str]] = {
    "mysql": re.compile(r"LOAD_FILE|GET_LOCK|SYS_EXEC|SYS_EVAL"),
    "postgresql": re.compile(
        r"PG_(?:(?:TRY_)?ADVISORY|READ|LS|STAT_FILE|FILE|TERMINATE|CANCEL|RELOAD|ROTATE|LOGICAL|CREATE|SWITCH|PROMOTE"
        r"|NOTIFY|REPLICATION|DROP|COPY)\w*|LO_\w+|DBLINK\w*"
    ),
}
"""Functions that a transaction which only reads keeps from nothing: files of the server, other sessions, other
servers."""
_DOES_MORE = "a source is only read, and this SQL does more"


class Token(NamedTuple):
    """A piece of SQL: `quoted`, `comment`, `value`, `word` or `other`."""

    kind: str
    text: str


def tokens(sql: str, engine: Engine) -> Iterator[Token]:
    """Give all pieces of `sql`, in order; together they are `sql` again."""
    for match in _TOKENS[engine].finditer(sql):
        yield Token(match.lastgroup or "other", match[0])


def require_reading(sql: str, engine: Engine, *, name: str) -> None:
    """Raise StepFailed (permanent) for SQL that is no query, writes files or tables, or locks rows."""
    pieces = list(tokens(sql, engine))
    _require_plain(pieces, engine, name=name)
    words = [text.upper() for kind, text in pieces if kind == "word"]
    if _is_ambiguous(pieces, engine):
        words += _WORD.findall(sql.upper())
    if not words or words[0] not in _READING:
        raise StepFailed(f"{name}: {_DOES_MORE}, or is none; a query starts with SELECT or WITH", permanent=True)
    if "INTO" in words:
        raise StepFailed(f"{name}: {_DOES_MORE}: INTO writes", permanent=True)
    locks = _LOCKS[engine].intersection(pairwise(words))
    if locks:
        raise StepFailed(f"{name}: {_DOES_MORE}: {' '.join(min(locks))} … locks rows for others", permanent=True)


def _require_plain(pieces: Sequence[Token], engine: Engine, *, name: str) -> None:
    """Raise StepFailed for a comment that is none, and for a call of what reaches past the tables."""
    called = ""
    for kind, text in pieces:
        if kind == "comment" and text.startswith(("/*!", "/*M!")):
            raise StepFailed(f"{name}: {_DOES_MORE} than a person can see: leave /*! out", permanent=True)
        if kind == "comment" and engine == "postgresql" and text.find("/*", 2) > 0:
            raise StepFailed(f"{name}: has a comment in a comment: leave it out", permanent=True)
        if text == "(" and _REACHES[engine].fullmatch(called):
            raise StepFailed(f"{name}: {_DOES_MORE}: {called.lower()}() reaches past its tables", permanent=True)
        if kind in ("word", "quoted"):
            called = text.strip('"`').upper()
        elif kind != "comment" and not text.isspace():
            called = ""


def _is_ambiguous(pieces: Sequence[Token], engine: Engine) -> bool:
    """Tell whether a text has a stroke before a quote: where it ends is then a setting of the server."""
    strokes = ("\\'", '\\"')
    return engine == "mysql" and any(kind == "quoted" and any(one in text for one in strokes) for kind, text in pieces)


def bound(sql: str, params: Mapping[str, Any], engine: Engine) -> tuple[str, dict[str, Any]]:
    """Return `sql` with placeholders of the drivers (`%(id)s` for `:id`), and the values for them.

    Raises StepFailed (permanent) for a value that is asked for and not given, and for one that is none.
    """
    pieces: list[str] = []
    values: dict[str, Any] = {}
    for kind, text in tokens(sql, engine):
        if kind != "value":
            pieces.append(text.replace("%", "%%"))
            continue
        wanted = text[1:]
        if wanted not in params:
            raise StepFailed(f"params: the SQL asks for :{wanted}, which is not given", permanent=True)
        values[wanted] = bindable(wanted, params[wanted])
        pieces.append(f"%({wanted})s")
    return "".join(pieces), values


def bindable(name: str, value: Any) -> Any:
    """Return a value that may go beside SQL. Raises StepFailed (permanent) for any other."""
    if value is not None and not isinstance(value, (str, int, float)):
        raise StepFailed(f"params: {name}: a value is a text, a number, true, false or null", permanent=True)
    return value
