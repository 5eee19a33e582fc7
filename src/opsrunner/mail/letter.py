"""A message that is written out as it was made.

The mail library parses every header that it is given, folds it anew, and looks through all of the text for a
boundary: two milliseconds a mail, more than handing it over takes. What is made here is checked already, so each part
is written down once. It still reads as any message of the library does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP, Policy
from typing import Any

from opsrunner.mail.headers import WholeLine

_LINE_LENGTH = 78


class Letter(EmailMessage):
    """One message, or one part of it: headers that are made already, and ASCII text or further parts."""

    def __init__(self, *, boundary: str = "") -> None:
        super().__init__(policy=SMTP)
        self._between = boundary

    def add_line(self, name: str, value: str) -> None:
        """Add a header that needs no folding: checked ASCII without line breaks."""
        self.set_raw(name, WholeLine(name, value))

    def add_encoded(self, name: str, value: object) -> None:
        """Add a header that the mail library has to encode."""
        self.set_raw(name, SMTP.header_factory(name, value))

    def take(self, part: Letter) -> None:
        """Become a part: its headers go below one's own, and its content is one's own."""
        for name, value in part.raw_items():
            self.set_raw(name, value)
        self.set_payload(part.get_payload())
        self._between = part._between

    def as_bytes(self, unixfrom: bool = False, policy: Policy[Any] | None = None) -> bytes:
        """Return it as it goes over the wire, with the line ends of `policy`."""
        del unixfrom  # no mailbox of ours has such lines
        return self._written((policy or self.policy).linesep, policy or self.policy).encode("ascii")

    def _written(self, end: str, policy: Policy[Any]) -> str:
        head = "".join(value.fold(policy=policy) for _, value in self.raw_items())
        payload: Any = self.get_payload()
        if isinstance(payload, str):
            return f"{head}{end}{payload if end == chr(10) else payload.replace(chr(10), end)}"
        parts = "".join(f"--{self._between}{end}{part._written(end, policy)}{end}" for part in payload)
        return f"{head}{end}{parts}--{self._between}--{end}"


def text_part(text: str, *, subtype: str) -> Letter:
    """Return a part with a text: readable on the wire where that is short, base64 where quoting would triple it."""
    body = text if text.endswith("\n") else text + "\n"
    part = Letter()
    part.add_line("Content-Type", f'text/{subtype}; charset="utf-8"')
    encoding, payload = _encoded(body)
    part.add_line("Content-Transfer-Encoding", encoding)
    part.set_payload(payload)
    return part


def file_part(data: bytes, *, content_type: str, name: str) -> Letter:
    """Return a part with a file; type and name are checked already."""
    part = Letter()
    part.add_line("Content-Type", content_type)
    part.add_line("Content-Transfer-Encoding", "base64")
    part.add_line("Content-Disposition", f'attachment; filename="{name}"')
    part.set_payload(base64.encodebytes(data).decode("ascii"))
    return part


def parts_together(parts: Sequence[Letter], *, subtype: str, boundary: str) -> Letter:
    """Return a part that holds others; `boundary` is a word that stands in none of them."""
    together = Letter(boundary=boundary)
    together.add_line("Content-Type", f'multipart/{subtype}; boundary="{boundary}"')
    together.set_payload(list(parts))
    return together


def _encoded(body: str) -> tuple[str, str]:
    """Return how a body is encoded, and the body so."""
    is_ascii = body.isascii()
    if is_ascii and max(map(len, body.split("\n"))) <= _LINE_LENGTH:
        return "7bit", body
    data = body.encode("utf-8")
    foreign = len(body) - len(body.encode("ascii", "ignore"))
    if foreign * 4 > len(body):
        return "base64", base64.encodebytes(data).decode("ascii")
    return "quoted-printable", binascii.b2a_qp(data, quotetabs=False, istext=True).decode("ascii")
