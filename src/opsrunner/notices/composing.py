"""A notice's mails out of its templates, which are compiled once for a pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import ExpressionError
from opsrunner.mail.headers import clean_line
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import CANCELLED, MOVED, Ladder
from opsrunner.notices.messages import Message
from opsrunner.records import dataclass
from opsrunner.secrets import Vault
from opsrunner.templates.mail_pages import MailPage, open_mail_page

SHOWN_WORD = "only-in-the-mail"
"""What stands for the word of a recipient's link wherever a mail is looked at: whoever has the word can use it."""


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """How a recipient leaves: what stands in the header, and the page's address where there is a page."""

    header: str
    url: str = ""

    @property
    def shown(self) -> Leaving:
        """The same for who looks at the mail and is not its reader: a link that leads nowhere."""
        if not self.url:
            return self
        url = f"{self.url.rpartition('/')[0]}/{SHOWN_WORD}"
        return Leaving(header=url, url=url)


@dataclass(frozen=True, kw_only=True)
class Letterhead:
    """What all mails of one notice have in common."""

    notice: str
    site: str
    zone: ZoneInfo
    now: datetime
    reply_to: str = ""
    per_minute: int | None = None


class Composer:
    """Makes the mails of one notice."""

    def __init__(
        self,
        template: str,
        *,
        folders: Sequence[Path],
        head: Letterhead,
        vault: Vault,
        leave: Callable[[str], Leaving] | None,
    ) -> None:
        """Without `leave` nobody leaves: the notice is contractual. Raises NotFound, ExpressionError."""
        self._head, self._vault, self._leave = head, vault, leave
        self._page = open_mail_page(template, folders=folders)
        self._changed: dict[str, MailPage] = {
            change: page
            for change in (MOVED, CANCELLED)
            if (page := open_mail_page(f"{template}-{change}", folders=folders, missing_ok=True)) is not None
        }

    @property
    def sources(self) -> list[str]:
        """The texts of the templates: who changes one has the list approved again."""
        pages = [self._page, *(self._changed[change] for change in sorted(self._changed))]
        return [source for page in pages for source in page.sources]

    def compose(self, message: Message) -> NewMail:
        """Return the mail of a message, to send it now; it holds the word by which its reader leaves.

        Raises ExpressionError where the template or the row does not do.
        """
        return self._mail(message, self._leaving(message), at=self._head.now)

    def show(self, message: Message, *, at: datetime | None = None) -> NewMail:
        """Return the mail of a message as it goes at `at`, by default now, to look at: nobody leaves by it.

        Raises ExpressionError where the template or the row does not do.
        """
        leaving = self._leaving(message)
        return self._mail(message, leaving.shown if leaving else None, at=at or self._head.now)

    def _leaving(self, message: Message) -> Leaving | None:
        return self._leave(message.recipient.address) if self._leave else None

    def _mail(self, message: Message, leaving: Leaving | None, *, at: datetime) -> NewMail:
        page = self._changed.get(message.change, self._page)
        subject, text, html = page.render(self._context(message, leaving, at=at))
        subject = clean_line(self._vault.mask(subject))
        if not subject:
            raise ExpressionError("the subject is empty")
        return NewMail(
            to=message.recipient.address,
            subject=subject,
            text=self._vault.mask(text),
            html=self._vault.mask(html),
            about=f"notice {self._head.notice}",
            bulk=True,
            series=self._head.notice,
            per_minute=self._head.per_minute,
            reply_to=self._head.reply_to,
            list_unsubscribe=leaving.header if leaving else "",
        )

    def _context(self, message: Message, leaving: Leaving | None, *, at: datetime) -> dict[str, Any]:
        head, occasion = self._head, message.occasion
        begins, now = occasion.at.astimezone(head.zone), at.astimezone(head.zone)
        return {
            "row": message.recipient.row,
            "to": message.recipient.address,
            "name": message.recipient.name,
            "key": occasion.key,
            "at": begins,
            "until": occasion.until.astimezone(head.zone) if occasion.until else None,
            "days": (begins.date() - now.date()).days,
            "rung": message.rung,
            "change": message.change,
            "was_at": message.was_at.astimezone(head.zone) if message.was_at else None,
            "site": {"name": head.site, "timezone": head.zone.key},
            "now": now,
            "today": now.date(),
            "unsubscribe_url": leaving.url if leaving else "",
        }


def fingerprint(*, templates: Sequence[str], ladder: Ladder, audience: object) -> str:
    """Return a word for what an approval is about; it changes with a template, the ladder, or who is meant."""
    said = json.dumps([list(templates), ladder.words, audience], sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
