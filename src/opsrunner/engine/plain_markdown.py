"""Data that stands in Markdown, and is none."""

from __future__ import annotations

import re

from opsrunner.mail.headers import clean_line

LINE_LENGTH = 1_000
_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def plain_markdown(text: str) -> str:
    """Return data as one line in which no sign is Markdown."""
    return _SIGNS.sub(r"\\\1", clean_line(text, length=LINE_LENGTH))
