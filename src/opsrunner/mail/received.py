"""Takes mails from anybody apart, within bounds.

Python's mail library holds each line of a mail against the boundary of every multipart that is open around it, and
looks at a long header again and again: a mail of a few hundred kilobytes made for the purpose takes it minutes, in
which nothing else of the process goes on.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import Compat32

MOST_COMPARISONS = 3_000_000
"""Of lines with boundaries, which take half a second. A mail of 3,000 lines may have a thousand boundaries."""
HEADER_LENGTH = 4_000
_BOUNDARY = re.compile(rb"boundary[*0-9\s]*=", re.IGNORECASE)


class _ShortHeaders(Compat32):
    """Leaves away what stands in a header behind its first HEADER_LENGTH characters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER_LENGTH]


_POLICY = _ShortHeaders()


def parse_received(data: bytes) -> Message:
    """Return a mail with its parts; with its headers alone where taking it apart would take too long."""
    lines = data.count(b"\n") + data.count(b"\r")
    if sum(1 for _ in _BOUNDARY.finditer(data)) * lines > MOST_COMPARISONS:
        return parse_headers(data)
    try:
        return message_from_bytes(data, policy=_POLICY)
    except RecursionError:  # a thousand mails in one another
        return parse_headers(data)


def parse_headers(data: bytes) -> Message:
    """Return a mail whose text is left as it is."""
    return BytesHeaderParser(policy=_POLICY).parsebytes(data)
