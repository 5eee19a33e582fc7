"""How recipients leave a notice: a word that only we can have written names the notice and the address."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from opsrunner.engine.desk import Desk
from opsrunner.errors import NotFound
from opsrunner.mail.headers import parse_address
from opsrunner.model.notice import EVERYWHERE, RECIPIENT, Suppression
from opsrunner.notices.composing import Leaving
from opsrunner.records import dataclass
from opsrunner.steps.notice_name import notice_name

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
        books = self._desk.books
        with books.transaction():
            for notice in self._meant(leaver.notice):
                gone = Suppression(address=leaver.address, notice=notice, why=LEFT, by=RECIPIENT, at=at)
                books.notices.take_back(gone, contractual=False)
                if books.suppressions.add([gone]):
                    subject, detail = f"notice {notice or leaver.notice}", f"{leaver.address} {LEFT}"
                    detail += "" if notice else "; it is no longer known, so that all notices are meant"
                    books.audit.add("leave notice", subject, actor=RECIPIENT, at=at, detail=detail, address=address)

    def _meant(self, notice: str) -> Sequence[str]:
        """Return which notices a link leaves: routines may be called otherwise by now.

        All of them, where none is known: whoever leaves does not hear the same under another name.
        """
        routines = self._desk.site().routines.values()
        known = {notice_name(one.id, plan.id) for one in routines for plan in one.steps if plan.kind == "notice"}
        names = (notice, self._desk.books.notices.renamed(notice))
        return [name for name in names if name in known and name is not None] or [EVERYWHERE]

    def _mac(self, said: bytes) -> bytes:
        if not self._key:
            self._key = bytes.fromhex(self._desk.books.suppressions.leave_key())
        return hmac.digest(self._key, said, "sha256")[:_MAC_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
