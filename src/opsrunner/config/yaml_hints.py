"""What the YAML parser means, in words for people."""

from __future__ import annotations

BRACES = "the braces are read as YAML, not as a template"
QUOTE_BRACES = "put quotes around {{ }}"
_QUOTE_TEXT = "put quotes around the text"

_SENTENCES: tuple[tuple[str, str, str], ...] = (
    # (what the parser says, what we say, hint)
    ("alphabetic or numeric", "a bare * begins an alias", "put quotes around the value: '* * * * *'"),
    ("mapping values are not allowed", "a ':' is not expected here", f"{_QUOTE_TEXT}, or check the indentation"),
    ("block sequence entries", "a '- ' is not expected here", "begin the list on the next line"),
    ("did not find expected '-'", "a list item ('- ') is expected here", "check the indentation"),
    ("did not find expected key", "a key is expected here", "check the indentation and the quotes"),
    ("expected ',' or '}'", "the { … } is not closed", "close it with }, or put quotes around its texts"),
    ("expected ',' or ']'", "the [ … ] is not closed", "close it with ], or put quotes around its texts"),
    ("unexpected end of stream", "the quotes are not closed", "add the closing quote"),
    ("unknown escape", "the backslash is not understood", "use single quotes around a text with backslashes"),
    ("could not find expected ':'", "a ':' is missing after the key", "write 'key: value'"),
    ("expected <document start>", "the file must hold one mapping", "check the indentation"),
)


def sentence_of(problem: str, *, context: str, here: str, column: int) -> tuple[str, str]:
    """Return (message, hint) for what the parser said about `column` (from 1) of the line `here`."""
    if "{{" in here or "{%" in here:
        return BRACES, QUOTE_BRACES
    if "cannot start any token" in problem:
        return _wrong_start(here[column - 1 : column])
    for fragment, message, hint in _SENTENCES:
        if fragment in problem:
            return message, hint
    said = f"{context}, {problem}".strip(", ") or "cannot be read"
    return f"not YAML: {said}", ""


def _wrong_start(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab cannot indent", "use spaces"
    return f"a text cannot begin with {character or 'the end of a line'}", _QUOTE_TEXT
