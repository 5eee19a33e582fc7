"""Another's mail log, asked whether a mail went that it should have sent: the billing system's reminders."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from opsrunner.errors import StepFailed
from opsrunner.model.notice import Ladder
from opsrunner.model.outcome import Row
from opsrunner.notices.due import Rules, moments_of
from opsrunner.notices.messages import Message
from opsrunner.records import dataclass

_SHORTEST_LOOK_BACK = timedelta(days=7)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class LogColumns:
    """Which columns of the log say what."""

    to: str = "to"
    subject: str = "subject"
    sent_at: str = "sent_at"


class MailLog:
    """The mails that went, by recipient. Each proves one rung of an occasion at most.

    What it proves of one occasion it does not prove of another that is looked for by the same words: two reminders
    that say the same are two mails.
    """

    def __init__(
        self, *, within: timedelta, words_of: Callable[[Message], str], rules: Rules, has_own_words: bool = False
    ) -> None:
        """`words_of` gives what the subject of a rung's mail has to hold; where it gives no word, nothing is proven.

        With `has_own_words` no two occasions are looked for by the same ones.
        """
        self._within, self._words_of, self._rules = within, words_of, rules
        self._has_own_words = has_own_words
        self._sent: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        self._taken: dict[tuple[str, int, str], str] = {}
        """Recipient, place in `_sent` and words of a mail that proves something → the key of the occasion."""

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

    def keep(self, message: Message) -> None:
        """Keep the mail of a rung that was proven before, so that it proves nothing of another occasion."""
        if not self._has_own_words:
            self._proves(message, *self._span(message))

    def went(self, message: Message, *, now: datetime) -> bool | None:
        """Tell whether the mail of a rung went; None while it still may."""
        earliest, latest, end = self._span(message)
        if self._proves(message, earliest, latest, end):
            return True
        return None if now <= latest else False

    def _proves(self, message: Message, earliest: datetime, _latest: datetime, end: datetime) -> bool:
        """Tell whether a mail of the log is that of a rung, and take it for its occasion."""
        address, key = message.recipient.address, message.occasion.key
        words = self._words_of(message).strip().casefold()
        holds = whole_words(words)
        fits = [
            (address, place, words)
            for place, (at, subject) in enumerate(self._sent.get(address, ()))
            if earliest <= at < end and holds(subject)
        ]
        free = [mail for mail in fits if self._taken.get(mail, key) == key]
        if free and not self._has_own_words:
            near = min(
                free, key=lambda mail: (mail not in self._taken, abs(self._sent[address][mail[1]][0] - message.due_at))
            )
            self._taken[near] = key
        return bool(free)

    def _span(self, message: Message) -> tuple[datetime, datetime, datetime]:
        """Return from when on a mail counts for a rung, when it is missed, and from when on it counts no more.

        Rungs beside each other share no moment: what goes late for the one is not what goes early for the next. The
        last one counts as long as it is of use: what goes much later is about something else.
        """
        due_at, occasion = message.due_at, message.occasion
        moments = [
            moment
            for at in (due_at - _INSTANT, due_at)  # of a rung that comes again and again, the one before and the next
            for moment in moments_of(self._rules, at=occasion.at, until=occasion.until, now=at)
        ]
        all_due = {moment.due_at for moment in moments}
        before = max((one for one in all_due if one < due_at), default=None)
        after = min((one for one in all_due if one > due_at), default=None)
        early = self._within if before is None else min(self._within, (due_at - before) / 2)
        if after is None:
            useful = max((one.useful_until for one in moments if one.due_at == due_at), default=due_at)
            return due_at - early, due_at + self._within, max(due_at + self._within, useful) + _INSTANT
        late = min(self._within, (after - due_at) / 2)
        return due_at - early, due_at + late, after - late


def has_words(text: str) -> bool:
    """Tell whether a text says anything that a subject could be asked for."""
    return any(sign.isalnum() for sign in text)


def whole_words(text: str) -> Callable[[str], bool]:
    """Return what tells whether a subject, in small letters, holds a text as whole words.

    12 is not in 1234, and neither a.example nor example.com in a.example.com; a full stop behind it ends a sentence.
    """
    if not has_words(text):
        return lambda _subject: False
    found = re.compile(rf"(?<!\w)(?<![\w-][.-]){re.escape(text.strip().casefold())}(?!\w)(?![.-]+\w)")
    return lambda subject: found.search(subject) is not None


def look_back(ladder: Ladder, *, within: timedelta) -> timedelta:
    """Return how far back a log has to go for the newest rung that may be due: the longest way between two rungs."""
    days = [abs(rung.offset_days) + abs(rung.offset_seconds) / 86400 for rung in ladder.rungs]
    return max(_SHORTEST_LOOK_BACK, timedelta(days=max(days, default=0) + 1)) + 2 * within


def _bare(address: str) -> str:
    text = address.strip()
    return text[text.rfind("<") + 1 : -1] if text.endswith(">") else text
