"""Data that stands in Markdown, and is none."""

from __future__ import annotations

from opsrunner.mail.headers import clean_line
from opsrunner.templates.markdown import escape_markdown

LINE_LENGTH = 1_000


def plain_markdown(text: str) -> str:
    """Return data as one line in which no sign is Markdown."""
    return escape_markdown(clean_line(text, length=LINE_LENGTH))
