"""Another's mail log, asked whether a mail went that it should have sent: the billing system's reminders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsrunner.errors import StepFailed
from opsrunner.model.notice import Ladder
from opsrunner.model.outcome import Row
from opsrunner.notices.messages import Message

_SHORTEST_LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class LogColumns:
    """Which columns of the log say what."""

    to: str = "to"
    subject: str = "subject"
    sent_at: str = "sent_at"


class MailLog:
    """The mails that went, by recipient. A mail counts for a rung that was due by then, or not much later."""

    def __init__(self, *, within: timedelta, words_of: Callable[[Message], str]) -> None:
        """`words_of` gives what the subject of a rung's mail has to hold; '' takes any subject."""
        self._within, self._words_of = within, words_of
        self._sent: dict[str, list[tuple[datetime, str]]] = defaultdict(list)

    def read(self, rows: Iterable[Row], columns: LogColumns) -> None:
        """Take over the rows of a log. Raises StepFailed where one does not say whom, what and when."""
        for row in rows:
            for column in (columns.to, columns.subject, columns.sent_at):
                if column not in row:
                    raise StepFailed(f"the log has no column '{column}'; there are: {', '.join(row)}", permanent=True)
            to, sent_at = row[columns.to], row[columns.sent_at]
            if not isinstance(sent_at, datetime):
                raise StepFailed(f"the log's {columns.sent_at} is no moment: declare it as one", permanent=True)
            if not isinstance(to, str):
                continue
            subject = str(row.get(columns.subject) or "").casefold()
            for address in to.lower().replace(";", ",").split(","):
                self._sent[_bare(address)].append((sent_at, subject))

    def went(self, message: Message, *, now: datetime) -> bool | None:
        """Tell whether the mail of a rung went; None while it still may."""
        words = self._words_of(message).casefold()
        earliest, latest = message.due_at - self._within, message.due_at + self._within
        for sent_at, subject in self._sent.get(message.recipient.address, ()):
            if sent_at >= earliest and words in subject:
                return True
        return None if now <= latest else False


def look_back(ladder: Ladder, *, within: timedelta) -> timedelta:
    """Return how far back a log has to go for the newest rung that may be due: the longest way between two rungs."""
    days = [abs(rung.offset_days) + abs(rung.offset_seconds) / 86400 for rung in ladder.rungs]
    return max(_SHORTEST_LOOK_BACK, timedelta(days=max(days, default=0) + 1)) + 2 * within


def _bare(address: str) -> str:
    text = address.strip()
    return text[text.rfind("<") + 1 : -1] if text.endswith(">") else text
