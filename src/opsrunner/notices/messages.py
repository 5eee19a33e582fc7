"""What passes of notices work with: how one is told, what a mail is made from, and what somebody has to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from opsrunner.model.mail import NewMail
from opsrunner.model.notice import Occasion, Recipient
from opsrunner.notices.due import Rules
from opsrunner.records import dataclass

NOT_SEEN = "did not go"
"""Why a rung is `missed` that another should have sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a mail of a notice is made from."""

    occasion: Occasion
    recipient: Recipient
    rung: str
    due_at: datetime
    change: str = ""
    """`moved` or `cancelled`; '' for a rung of the ladder."""
    was_at: datetime | None = None
    """The moment before it moved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A mail that would go now."""

    message: Message
    mail: NewMail
    useful_until: datetime | None = None
    """When the last rung of its occasion is of no use any more; None: it goes on until its row comes no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeProblem:
    """A row or a rung that somebody has to look at."""

    key: str
    to: str
    problem: str
    rung: str = ""
    due_at: datetime | None = None


Compose: TypeAlias = Callable[[Message], NewMail]
"""Makes a mail; raises ExpressionError or MailFailed where it cannot."""


class Watcher(Protocol):
    """Looks for the mails that another sends."""

    def keep(self, message: Message) -> None:
        """Take note of a rung that was proven before: what proves it proves nothing of another occasion."""

    def went(self, message: Message, *, now: datetime) -> bool | None:
        """Tell whether the mail of a rung went; None while it still may."""


@dataclass(frozen=True, kw_only=True)
class NoticeSettings:
    """How one notice is told."""

    notice: str
    """`ROUTINE.STEP`, or what stands for it."""
    rules: Rules
    contractual: bool = False
    """Who left by the link of a mail gets it all the same."""
    tells_moves: bool = False
    """Those who had heard are told of a moment that moved or was cancelled."""
    holds: bool = False
    """What would go is listed, and nothing goes."""
    has_rows_elsewhere: bool = False
    """What a mail says stands in no row: none is kept for who is told of what is cancelled."""
    remembers: bool = True
    """Occasions and what is missed are written down; not so while a notice is not live."""

    @property
    def keeps_rows(self) -> bool:
        """Tell whether rows are kept, as those who had heard are told of what comes no more."""
        return self.tells_moves and not self.has_rows_elsewhere
