"""What a server answered, and whether that is what was expected."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from opsrunner.records import dataclass
from opsrunner.steps.fields import Seconds, one_or_many
from opsrunner.steps.kind import StepOptions
from opsrunner.steps.output import cut, printable
from opsrunner.steps.rows import ROWS_LIMIT_BYTES

BODY_LIMIT_BYTES = ROWS_LIMIT_BYTES
"""How much of a body is read."""
SECONDS_A_DAY = 86_400
_OF_NAMES = frozenset({"idna", "punycode"})
"""Encodings of single names: a long text in one would take hours."""


StatusCode = Annotated[int, Field(ge=100, le=599, strict=True)]
StatusCodes = Annotated[
    tuple[StatusCode, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]


class Expect(StepOptions):
    """What the answer must be like; what is left out is not looked at."""

    status: StatusCodes = ()
    """One status or a list; without it any of 200 to 299."""
    within: Seconds | None = None
    """From the first byte sent to the last byte read."""
    contains: str = ""
    not_contains: str = ""
    certificate_days: Annotated[int, Field(ge=0, strict=True)] | None = None
    """The server's certificate must be valid for at least so many days."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. `body` is cut at BODY_LIMIT_BYTES, which `truncated` tells."""

    status: int
    phrase: str
    url: str
    location: str
    charset: str
    body: bytes
    truncated: bool
    certificate: bytes | None
    """The server's certificate in DER form, where the connection was TLS."""

    def text(self) -> str:
        """Return the body as text; what does not decode is replaced, and without a charset of texts it is UTF-8."""
        with suppress(LookupError, ValueError):  # there is none of that name, or it decodes nothing
            if codecs.lookup(self.charset).name not in _OF_NAMES:
                return self.body.decode(self.charset, errors="replace")
        return self.body.decode("utf-8", errors="replace")

    def certificate_days(self, now: datetime) -> int | None:
        """Return the whole days that the server's certificate is still valid.

        None without TLS, and for one that cannot be read: where `verify: false` lets it pass, it may be anything.
        """
        if self.certificate is None:
            return None
        from cryptography import x509  # noqa: PLC0415 - heavy, and only https needs it

        try:
            end = x509.load_der_x509_certificate(self.certificate).not_valid_after_utc
        except ValueError:
            return None
        return int((end - now).total_seconds() // SECONDS_A_DAY)


def differences(answer: Answer, expect: Expect, *, seconds: float, days: int | None) -> Iterator[str]:
    """Yield what is not as expected, each in a few words."""
    if not _is_expected_status(answer.status, expect):
        wanted = ", ".join(map(str, expect.status)) or "2xx"
        yield f"status {answer.status} {answer.phrase}".rstrip() + f", not {wanted}"
    if expect.within is not None and seconds > expect.within:
        yield f"took {seconds:.1f} s, more than {expect.within} s"
    yield from _text_differences(answer, expect)
    if expect.certificate_days is not None:
        if days is None:
            is_https = answer.certificate is not None
            yield "the certificate cannot be read" if is_https else "there is no certificate, the address is not https"
        elif days < expect.certificate_days:
            yield f"the certificate ends in {days} days, fewer than {expect.certificate_days}"


def _text_differences(answer: Answer, expect: Expect) -> Iterator[str]:
    if not expect.contains and not expect.not_contains:
        return
    text = answer.text()
    if expect.contains and expect.contains not in text:
        yield f"the text {_shown(expect.contains)} is not in the answer"
    if expect.not_contains and expect.not_contains in text:
        yield f"the text {_shown(expect.not_contains)} is in the answer"
    if expect.not_contains and answer.truncated:
        yield f"the answer is longer than the {BODY_LIMIT_BYTES:,} bytes that are looked through"


def _is_expected_status(status: int, expect: Expect) -> bool:
    return status in expect.status if expect.status else 200 <= status < 300


def _shown(text: str) -> str:
    return repr(cut(printable(text), 60))
