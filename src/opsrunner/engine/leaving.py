"""How recipients leave a notice: a word that only we can have written names the notice and the address."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from opsrunner.engine.desk import Desk
from opsrunner.errors import NotFound
from opsrunner.mail.headers import parse_address
from opsrunner.model.notice import RECIPIENT, Suppression
from opsrunner.notices.composing import Leaving

LEFT = "left by the link of a mail"
LONGEST_WORD = 1_200
_MAC_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Leaver:
    """Who leaves what."""

    notice: str
    address: str


class Leave:
    """Makes the words, reads them, and lets recipients leave."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._key = b""

    def by(self, notice: str, address: str) -> Leaving:
        """Return how an address leaves a notice: on the page where the site has one by HTTPS, else by mail."""
        site = self._desk.site()
        if site.web.url.startswith("https://"):
            url = f"{site.web.url.rstrip('/')}/leave/{self.word(Leaver(notice=notice, address=address))}"
            return Leaving(header=url, url=url)
        sender = parse_address(site.mail.from_).address
        return Leaving(header=f"mailto:{quote(sender, safe='@')}?subject={quote(f'unsubscribe {notice}')}")

    def word(self, leaver: Leaver) -> str:
        """Return the word of a link; it stays good."""
        said = f"{leaver.notice}\n{leaver.address}".encode()
        return _text(self._mac(said) + said)

    def read(self, word: str) -> Leaver:
        """Return who leaves what by a word. Raises NotFound for any other than ours."""
        try:
            data = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as exc:
            raise NotFound("this link is not one of ours") from exc
        mac, said = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if len(word) > LONGEST_WORD or not hmac.compare_digest(mac, self._mac(said)):
            raise NotFound("this link is not one of ours")
        notice, _, address = said.decode().partition("\n")
        return Leaver(notice=notice, address=address)

    def leave(self, leaver: Leaver, *, at: datetime, address: str) -> None:
        """Let a recipient leave, and take back what has not left; a second time changes nothing.

        `address` is where the request came from.
        """
        gone = Suppression(address=leaver.address, notice=leaver.notice, why=LEFT, by=RECIPIENT, at=at)
        with self._desk.books.transaction():
            self._desk.books.notices.take_back(gone, contractual=False)
            if self._desk.books.suppressions.add([gone]):
                detail = f"{leaver.address} left by the link of a mail"
                subject = f"notice {leaver.notice}"
                self._desk.books.audit.add(
                    "leave notice", subject, actor=RECIPIENT, at=at, detail=detail, address=address
                )

    def _mac(self, said: bytes) -> bytes:
        if not self._key:
            self._key = bytes.fromhex(self._desk.books.suppressions.leave_key())
        return hmac.digest(self._key, said, "sha256")[:_MAC_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
