"""What one pass keeps in hand: its figures and lists, the moments of occasions, the pace of its mails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from opsrunner.errors import ExpressionError, MailFailed
from opsrunner.ledger.notices import Notices
from opsrunner.ledger.suppressions import Suppressions
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import NoticeTally, Occasion, Recipient, Suppression
from opsrunner.notices.due import RungMoment, moments_of
from opsrunner.notices.messages import Compose, Held, Message, NoticeProblem, NoticeSettings, Watcher
from opsrunner.notices.silence import silenced

MOST_LISTED = 200
"""So many held mails and problems are named; the others are counted."""
MOST_COMING = 20
FORESIGHT = timedelta(days=30)
"""How far ahead what comes is shown with what waits for approval."""
MOST_CACHED = 4_096


class PassDesk:
    """The desk of one pass."""

    def __init__(
        self,
        settings: NoticeSettings,
        *,
        notices: Notices,
        suppressions: Suppressions,
        compose: Compose,
        show: Compose | None = None,
        now: datetime,
        watcher: Watcher | None = None,
    ) -> None:
        """`show` makes what is listed and not sent, by default as `compose`; without `watcher` the notice sends."""
        self.settings, self.notices, self.now, self.watcher = settings, notices, now, watcher
        self._figures: Counter[str] = Counter()
        self.held: list[Held] = []
        self.coming: list[Held] = []
        self.problems: list[NoticeProblem] = []
        self.lost: list[NoticeProblem] = []
        self._suppressions, self._compose, self._show = suppressions, compose, show or compose
        self._seen: dict[str, tuple[datetime, datetime | None]] = {}
        self._kept: set[str] = set()
        self._listed: set[tuple[str, str]] = set()
        self._moments: dict[tuple[datetime, datetime | None], tuple[RungMoment, ...]] = {}

    def fits(self, occasion: Occasion) -> bool:
        """Remember an occasion; False, and a problem, where its key came before with other moments."""
        moments = (occasion.at, occasion.until)
        if self._seen.setdefault(occasion.key, moments) == moments:
            return True
        first = next(iter(occasion.recipients), Recipient(address=""))
        self.unknown(NoticeProblem(key=occasion.key, to=first.address, problem="two rows give it different moments"))
        return False

    def has_seen(self, key: str) -> bool:
        """Tell whether an occasion came in this pass."""
        return key in self._seen or key in self._kept

    def keep(self, key: str) -> None:
        """Keep an occasion whose row came, but says no moment: it did not vanish."""
        self._kept.add(key)

    def moments(self, occasion: Occasion) -> tuple[RungMoment, ...]:
        """Return the moments of an occasion's rungs."""
        of = (occasion.at, occasion.until)
        found = self._moments.get(of)
        if found is None:
            if len(self._moments) > MOST_CACHED:
                self._moments.clear()
            found = moments_of(self.settings.rules, at=occasion.at, until=occasion.until, now=self.now)
            self._moments[of] = found
        return found

    def useful_until(self, occasion: Occasion) -> datetime | None:
        """Return when no rung of an occasion is of use any more; None where one comes again and again."""
        if occasion.until is None and any(rung.every_seconds for rung in self.settings.rules.ladder.rungs):
            return None
        return max([occasion.until or occasion.at, *(one.useful_until for one in self.moments(occasion))])

    def count(self, **figures: int) -> None:
        """Add to the figures of the pass."""
        self._figures.update(figures)

    @property
    def tally(self) -> NoticeTally:
        """The figures of the pass so far."""
        return NoticeTally(**self._figures)

    def unknown(self, problem: NoticeProblem) -> None:
        """Count a row of which nobody can be told."""
        self.count(unknown=1)
        if len(self.problems) < MOST_LISTED:
            self.problems.append(problem)

    def lose(self, message: Message, problem: str) -> None:
        """Count and list a mail that another should have sent."""
        self.count(lost=1)
        if len(self.lost) < MOST_LISTED:
            self.lost.append(problem_of(message, problem))

    def suppressed(self, addresses: Collection[str]) -> Mapping[str, Sequence[Suppression]]:
        """Return what holds back mails of this notice, by address."""
        of, contractual = self.settings.notice, self.settings.contractual
        return silenced(self._suppressions, addresses, notice=of, contractual=contractual)

    def prolong(self, suppressions: Sequence[Suppression]) -> None:
        """Let strikes of an occasion that was moved last as long as it is told of."""
        self._suppressions.add(suppressions)

    def composed(self, message: Message) -> NewMail | None:
        """Return the mail of a message, to send it; None where it cannot be made, which is a problem."""
        return self._made(message, self._compose)

    def _made(self, message: Message, make: Compose) -> NewMail | None:
        try:
            return make(message)
        except (ExpressionError, MailFailed) as exc:
            self.unknown(problem_of(message, exc.message))
            return None

    def hold(self, message: Message) -> None:
        """Count a mail that would go, and list it with its text, each recipient of an occasion once."""
        about = (message.occasion.key, message.recipient.address)
        if about in self._listed:
            return
        self._listed.add(about)
        if len(self.held) >= MOST_LISTED:
            self.count(held=1)
        elif mail := self._made(message, self._show):
            self.count(held=1)
            self.held.append(Held(message=message, mail=mail, useful_until=self.useful_until(message.occasion)))

    def foresee(self, message: Message) -> None:
        """List what would go next, with its text."""
        if message.due_at <= self.now + FORESIGHT and len(self.coming) < MOST_COMING:
            mail = self._made(message, self._show)
            if mail is not None:
                self.coming.append(Held(message=message, mail=mail, useful_until=self.useful_until(message.occasion)))


def problem_of(message: Message, problem: str) -> NoticeProblem:
    """Return what somebody has to look at about one rung for one recipient."""
    return NoticeProblem(
        key=message.occasion.key,
        to=message.recipient.address,
        problem=problem,
        rung=message.rung,
        due_at=message.due_at,
    )
