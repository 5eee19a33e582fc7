"""Reads YAML by the core rules of YAML 1.2, and refuses what can harm or mislead.

Values are built straight from the parser's events: nothing recurses deeper than our own bound, no tag
ever makes an object, and `12:30`, `on`, `no`, `0755` and dates stay the text that they look like.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from opsrunner.config.yaml_hints import BRACES, QUOTE_BRACES, sentence_of
from opsrunner.config.yaml_scalars import BadYaml, at, scalar_of, text_of
from opsrunner.records import dataclass

__all__ = [
    "MAX_ALIASES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "BadYaml",
    "Document",
    "decode",
    "read_bytes",
    "read_document",
    "read_yaml",
]

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_ALIASES = 20
MAX_VALUES = 50_000
"""Keys and values of one file, each alias counted with all that it stands for."""

_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
"""Control characters, separators that some programs take for line ends, and marks that reorder text."""

_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_LINE_END = re.compile(r"\r\n|\r|\n")
_UNFINISHED = object()


@dataclass(frozen=True)
class _Anchored:
    value: Any
    size: int


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a plain file of at most MAX_BYTES. Raises BadYaml."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe is not waited for
        try:
            data = _bytes_of(file)
        finally:
            os.close(file)
    except OSError as exc:
        if exc.errno in _NOWHERE:
            raise BadYaml("there is no such file") from exc
        raise BadYaml(f"cannot be read ({exc.strerror or type(exc).__name__})") from exc
    if len(data) > MAX_BYTES:
        raise BadYaml(f"is larger than {MAX_BYTES // 1_000_000} MB")
    return data


def _bytes_of(file: int) -> bytes:
    """Return what an open file holds, one byte past MAX_BYTES at most. Raises BadYaml where it is not a plain file."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise BadYaml("is not a plain file")
    data = b""
    while more := os.read(file, MAX_BYTES + 1 - len(data)):
        data += more
    return data


def decode(data: bytes) -> str:
    """Return the text of a file: UTF-8 without characters that nobody sees. Raises BadYaml."""
    if len(data) > MAX_BYTES:
        raise BadYaml(f"is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line, column = _place(data[: exc.start].decode("utf-8", "replace"))
        raise BadYaml("is not UTF-8 text", line=line, column=column) from exc
    unseen = _UNSEEN.search(text)
    if unseen is None:
        return text
    line, column = _place(text[: unseen.start()])
    code = f"U+{ord(unseen.group()):04X}"
    raise BadYaml(f"the invisible character {code} is not allowed", line=line, column=column, hint="remove it")


@dataclass(frozen=True)
class Document:
    """What a file says."""

    value: Any
    """A dict, list, str, int, float, bool or None. Keys are always text."""
    lines: Mapping[int, list[int]]
    """By the identity of each list: the lines of its items, counted from 1."""

    def lines_of(self, items: list[Any]) -> list[int]:
        """Return the line of each item of a list that stands in `value`."""
        return self.lines[id(items)]


def read_document(
    text: str,
    *,
    scalar: Callable[[Any], Any] = scalar_of,
    key: Callable[[Any], str] = text_of,
    tags: Collection[str] = (),
) -> Document:
    """Return the one document of `text`. Raises BadYaml with the first thing that is wrong and where.

    `scalar` and `key` make values and keys of the parser's events, for files that follow other rules than ours;
    `tags` are those that may stand on a scalar.
    """
    try:
        builder = _Builder(CParser(text), scalar=scalar, key=key, tags=tags)
        return Document(builder.document(), builder.lines)
    except yaml.MarkedYAMLError as exc:
        raise _mistake_of(exc, text) from exc
    except yaml.YAMLError as exc:
        raise BadYaml("cannot be read as YAML") from exc


def read_yaml(text: str) -> Any:
    """Return what the one document of `text` says. Raises BadYaml."""
    return read_document(text).value


def _place(before: str) -> tuple[int, int]:
    *above, here = _LINE_END.split(before)
    return len(above) + 1, len(here) + 1


def _mistake_of(exc: yaml.MarkedYAMLError, text: str) -> BadYaml:
    mark = exc.problem_mark or exc.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = _LINE_END.split(text)
    here = lines[line - 1] if line <= len(lines) else ""
    message, hint = sentence_of(exc.problem or "", context=exc.context or "", here=here, column=column)
    return BadYaml(message, line=line, column=column, hint=hint)


class _Builder:
    """Builds values from events, one method a kind of node."""

    def __init__(
        self, parser: CParser, *, scalar: Callable[[Any], Any], key: Callable[[Any], str], tags: Collection[str]
    ) -> None:
        self._next = parser.get_event
        self._scalar = scalar
        self._key_text = key
        self._tags = tags
        self._anchors: dict[str, Any] = {}
        self._aliases = 0
        self._values = 0
        self.lines: dict[int, list[int]] = {}

    def document(self) -> Any:
        self._next()
        if type(self._next()) is StreamEndEvent:
            return None
        value = self._value(self._next(), 0)
        self._next()
        following = self._next()
        if type(following) is not StreamEndEvent:
            raise at(following, "a second document (---) begins", "one file holds one document")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        self._values += 1
        if self._values > MAX_VALUES:
            raise _too_many(event)
        if kind is ScalarEvent and event.tag is None and event.anchor is None:
            return self._scalar(event)
        if event.tag is not None and not (kind is ScalarEvent and event.tag in self._tags):
            raise at(event, f"the tag {_shown_tag(event.tag)} is not allowed", "write the plain value")
        if event.anchor is None:
            return self._bare(event, depth)
        before = self._values
        self._anchors[event.anchor] = _UNFINISHED
        value = self._bare(event, depth)
        self._anchors[event.anchor] = _Anchored(value, self._values - before + 1)
        return value

    def _bare(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        if depth >= MAX_DEPTH:
            raise at(event, f"is nested deeper than {MAX_DEPTH} levels")
        return self._mapping(depth) if kind is MappingStartEvent else self._sequence(depth)

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event)
            if key in mapping:
                raise at(event, f"the key '{key}' stands here twice", "keep one of them")
            mapping[key] = self._value(self._next(), depth + 1)
        return mapping

    def _sequence(self, depth: int) -> list[Any]:
        sequence: list[Any] = []
        lines: list[int] = []
        event: Any
        while type(event := self._next()) is not SequenceEndEvent:
            lines.append(event.start_mark.line + 1)
            sequence.append(self._value(event, depth + 1))
        self.lines[id(sequence)] = lines
        return sequence

    def _key(self, event: Any) -> str:
        if type(event) is MappingStartEvent:
            raise at(event, BRACES, QUOTE_BRACES, columns_back=1)
        if type(event) is not ScalarEvent:
            raise at(event, "a key must be plain text")
        if event.tag is not None or event.anchor is not None:
            raise at(event, "tags and anchors are not allowed on a key")
        self._values += 1
        if self._values > MAX_VALUES:
            raise _too_many(event)
        key = self._key_text(event)
        return sys.intern(key) if type(key) is str else key  # thousands of files have the same keys

    def _alias(self, event: Any) -> Any:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise at(event, f"*{event.anchor} refers to nothing above", "put quotes around a text that begins with *")
        if anchored is _UNFINISHED:
            raise at(event, f"*{event.anchor} stands inside itself")
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise at(event, f"more than {MAX_ALIASES} aliases (*name) are not allowed")
        self._values += anchored.size
        if self._values > MAX_VALUES:
            raise _too_many(event)
        return anchored.value


def _too_many(event: Any) -> BadYaml:
    return at(event, f"holds more than {MAX_VALUES} values")


def _shown_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!", 1)[:60]
