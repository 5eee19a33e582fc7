"""Other people's texts, made harmless for a terminal."""

from __future__ import annotations

import re

# What steers a terminal or reorders a line: controls, separators, bidirectional marks, lone surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"\s*[\r\n\t]\s*")


def printable(text: str) -> str:
    """Return `text` on one line, with what could steer a terminal written out (`\\x1b`)."""
    return printable_lines(_BREAKS.sub(" ", text.strip()))


def printable_lines(text: str) -> str:
    """Return `text` with its lines kept, and with what could steer a terminal written out."""
    return _UNSAFE.sub(_written_out, text.replace("\r\n", "\n"))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
