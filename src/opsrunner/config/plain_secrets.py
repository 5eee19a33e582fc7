"""Finds passwords that stand in a file of the site in so many words, where a reference to a secret should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from opsrunner.config.positions import Path
from opsrunner.config.report import Report

_HEADERS = frozenset({"authorization", "proxy-authorization"})
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:(?P<word>[^\s/@'\"]+)@", re.IGNORECASE)
_HEADER = re.compile(
    r"\b(?:proxy-)?authorization:\s*(?:(?:basic|bearer|digest|token|apikey)\s+)?(?P<word>[^\s'\"]+)", re.IGNORECASE
)
_FROM_ELSEWHERE = ("$", "{{", "<", "%", "`", "*", "…")
"""How a value begins that is filled in later: a variable, a template, a placeholder in a text for people."""
_IN_URL = "a password stands in this address, for everybody who reads the file"
_IN_HEADER = "what signs in stands in this header, for everybody who reads the file"
_ADVICE = (
    # (keys on the way to the text, what to write instead)
    ({"heartbeat"}, "put the whole address into a file with mode 0600 and write {file: secrets/NAME}"),
    ({"headers"}, "put all of it, such as 'Bearer …', into a file with mode 0600 and write {file: secrets/NAME}"),
    ({"http", "http_json"}, "sign in with headers: {Authorization: {file: secrets/NAME}}"),
    ({"sql"}, "put the whole address into a file with mode 0600 and write url: {file: secrets/NAME}"),
    ({"run", "command"}, "hand it over with env: {PASSWORD: {file: secrets/NAME}}, and write $PASSWORD here"),
)
_FOR_PEOPLE = "write where it is kept instead"


def note_plain_secrets(data: Any, *, text: str, doubts: Report) -> None:
    """Note the passwords in addresses and the headers that sign in, of a file's `data`; `text` is all of it."""
    if "://" not in text and "authorization" not in text.lower():
        return
    for path, value in _texts(data, ()):
        header = f"authorization: {value}" if str(path[-1]).lower() in _HEADERS else value
        if _is_written_out(_HEADER, header, hint="authorization:"):
            doubts.add(path, _IN_HEADER, _advice(path))
        if _is_written_out(_URL, value, hint="://"):
            doubts.add(path, _IN_URL, _advice(path))


def _is_written_out(pattern: re.Pattern[str], text: str, *, hint: str) -> bool:
    """Tell whether a pattern finds something that is filled in already; `hint` stands in all that it can find."""
    if hint not in text.lower():
        return False
    return any(not found["word"].startswith(_FROM_ELSEWHERE) for found in pattern.finditer(text))


def _advice(path: Path) -> str:
    keys = {part for part in path if isinstance(part, str)}
    return next((advice for places, advice in _ADVICE if places & keys), _FOR_PEOPLE)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every text in mappings and lists, with its path."""
    if isinstance(value, str) and path:
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _texts(item, (*path, position))
