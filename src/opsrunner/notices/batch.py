"""Some occasions of a pass, judged beside what the ledger knows of them, and written in one commit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from opsrunner.ledger.notices import NoticeBatch, Telling
from opsrunner.model.notice import CANCELLED, MOVED, KnownOccasion, Occasion, Recipient, Suppression, Told, ToldStatus
from opsrunner.notices.desk import PassDesk
from opsrunner.notices.due import TOO_LATE, Judged, RungMoment, Verdict, is_settled, judge
from opsrunner.notices.editions import Heard, edition_of, has_passed, heard_by, is_moved
from opsrunner.notices.messages import NOT_SEEN, Message
from opsrunner.notices.silence import prolonged, why_silent

WENT_LATE = "went late"
OVER, GONE = "over", "gone"


class Batch:
    """One commit of a pass."""

    def __init__(self, desk: PassDesk, keys: Sequence[str]) -> None:
        """Look up what is known of the occasions `keys`."""
        self._desk, self._settings, self._now = desk, desk.settings, desk.now
        self.known = desk.notices.occasions(self._settings.notice, keys)
        self._told: dict[tuple[str, str], list[Told]] = defaultdict(list)
        for key, told in desk.notices.told(self._settings.notice, keys).items():
            for one in told:
                self._told[key, one.recipient].append(one)
        self._done: set[tuple[str, str]] = set()
        self._suppressed: Mapping[str, Sequence[Suppression]] = {}
        self._begun: list[KnownOccasion] = []
        self._grown: dict[str, KnownOccasion] = {}
        self._ended: list[KnownOccasion] = []
        self._tellings: list[Telling] = []
        self._went_late: list[Told] = []
        self._waiting = 0

    def take(self, occasions: Sequence[Occasion]) -> None:
        """Judge occasions; of one address that comes twice for an occasion, the first counts."""
        self._suppressed = self._desk.suppressed({one.address for each in occasions for one in each.recipients})
        editions = [self._edition(occasion) for occasion in occasions]
        if self._desk.watcher is not None:
            self._keep_proofs(occasions, editions)
        if self._settings.tells_moves and self._settings.remembers:
            self._prolong_strikes(occasions, editions)
        for occasion, edition in zip(occasions, editions, strict=True):
            for recipient in occasion.recipients:
                about = (occasion.key, recipient.address)
                if about not in self._done:
                    self._done.add(about)
                    self._take(occasion, recipient, edition)

    def cancel(self, known: KnownOccasion) -> None:
        """End an occasion; those who had heard are told, unless all of it has passed or the notice is quiet."""
        if known.ended_at is not None:
            return
        is_told = self._settings.tells_moves and not self._settings.holds and not has_passed(known, now=self._now)
        why = OVER if has_passed(known, now=self._now) else CANCELLED if is_told else GONE
        self._ended.append(known._replace(ended_at=self._now, why=why))
        if not is_told:
            return
        mine = [(key, address) for key, address in self._told if key == known.key]
        self._suppressed = self._desk.suppressed({address for _, address in mine})
        occasion = Occasion(notice=self._settings.notice, key=known.key, at=known.at, until=known.until)
        for key, address in mine:
            told = self._told[key, address]
            heard = heard_by(told, edition=known)
            has_heard = heard.before or any(one.status.reached for one in told if one.edition == known.edition)
            if CANCELLED not in heard.told and has_heard:
                recipient = Recipient(address=address, name=told[-1].name, row=known.rows.get(address, {}))
                message = Message(
                    occasion=occasion, recipient=recipient, rung=CANCELLED, due_at=self._now, change=CANCELLED
                )
                self._send(message, edition=known.edition)

    def write(self) -> None:
        """Write all of it in one commit."""
        self._desk.count(waiting=self._waiting)
        if self._went_late:
            self._desk.notices.settle(self._went_late, status=ToldStatus.WATCHED, why=WENT_LATE)
        if not (self._begun or self._grown or self._ended or self._tellings):
            return
        batch = NoticeBatch(
            notice=self._settings.notice,
            begun=self._begun,
            grown=list(self._grown.values()),
            ended=self._ended,
            tellings=self._tellings,
        )
        for told in self._desk.notices.write(batch, at=self._now):
            self._desk.count(**{told.status.value: 1})
            if told.why == TOO_LATE:
                self._desk.count(too_late=1)

    def _edition(self, occasion: Occasion) -> KnownOccasion:
        """Return the edition that holds; a new one is written with the batch, and who hears of a known one besides."""
        rows = {one.address: one.row for one in occasion.recipients} if self._settings.keeps_rows else {}
        known = self.known.get(occasion.key)
        edition = edition_of(occasion, known, now=self._now, rows=rows)
        if edition is not known and self._settings.remembers:
            self._begun.append(edition)
        elif not rows.keys() <= edition.rows.keys() and self._settings.remembers:
            edition = edition._replace(rows={**rows, **edition.rows})
            self._grown[occasion.key] = edition
        self.known[occasion.key] = edition
        return edition

    def _keep_proofs(self, occasions: Sequence[Occasion], editions: Sequence[KnownOccasion]) -> None:
        """Let no mail that has proven a rung prove another occasion's."""
        assert self._desk.watcher is not None  # noqa: S101  asked only where there is one
        for occasion, edition in zip(occasions, editions, strict=True):
            for recipient in occasion.recipients:
                for one in self._told.get((occasion.key, recipient.address), ()):
                    if one.edition == edition.edition and one.status is ToldStatus.WATCHED:
                        self._desk.watcher.keep(
                            Message(occasion=occasion, recipient=recipient, rung=one.rung, due_at=one.due_at)
                        )

    def _prolong_strikes(self, occasions: Sequence[Occasion], editions: Sequence[KnownOccasion]) -> None:
        """Let who was struck hear nothing either of what was moved."""
        longer: dict[str, list[Suppression]] = defaultdict(list)
        for occasion, edition in zip(occasions, editions, strict=True):
            if edition.was_at is None:
                continue
            for address in {one.address for one in occasion.recipients} & self._suppressed.keys():
                of, until = self._suppressed[address], self._desk.useful_until(occasion)
                longer[address] += prolonged(of, occasion, at=self._now, until=until)
        if longer:
            self._desk.prolong([one for each in longer.values() for one in each])
            self._suppressed = {
                address: [*longer.get(address, ()), *known] for address, known in self._suppressed.items()
            }

    def _take(self, occasion: Occasion, recipient: Recipient, edition: KnownOccasion) -> None:
        told = self._told.get((occasion.key, recipient.address), ())
        heard = heard_by(told, edition=edition)
        moments = self._desk.moments(occasion)
        if moments and moments[-1].due_at > self._now:
            self._waiting += 1
        if self._desk.watcher is not None:
            self._look_again(occasion, recipient, told, edition)
        if self._is_moved(edition, heard):
            message = Message(
                occasion=occasion,
                recipient=recipient,
                rung=MOVED,
                due_at=self._now,
                change=MOVED,
                was_at=edition.was_at,
            )
            self._send(message, edition=edition.edition)
            heard.told[MOVED] = self._now
        if is_settled(moments, now=self._now, since=edition.since, told=heard.told):
            if self._settings.holds:
                self._foresee(moments, occasion, recipient)
            return
        judged = judge(
            moments,
            now=self._now,
            since=edition.since,
            told=heard.told,
            heard=heard.before,
            late_seconds=self._settings.rules.late_seconds,
        )
        for one in judged:
            if one.verdict is not Verdict.WAIT:
                self._settle(one, occasion, recipient, edition=edition.edition)

    def _foresee(self, moments: Sequence[RungMoment], occasion: Occasion, recipient: Recipient) -> None:
        """List the next rung that is to come, for who approves before anything is due."""
        coming = next((one for one in moments if one.due_at > self._now), None)
        if coming is not None:
            self._desk.foresee(Message(occasion=occasion, recipient=recipient, rung=coming.name, due_at=coming.due_at))

    def _is_moved(self, edition: KnownOccasion, heard: Heard) -> bool:
        """Tell whether a recipient heard of an earlier edition and not yet of the change."""
        if not self._settings.tells_moves or self._settings.holds or self._desk.watcher is not None:
            return False
        return is_moved(edition, heard, now=self._now)

    def _settle(self, judged: Judged, occasion: Occasion, recipient: Recipient, *, edition: int) -> None:
        moment = judged.moment
        message = Message(occasion=occasion, recipient=recipient, rung=moment.name, due_at=moment.due_at)
        if self._desk.watcher is not None:
            self._watch(message, edition=edition)
        elif judged.verdict is Verdict.SEND:
            self._send(message, edition=edition)
        elif self._settings.remembers:
            self._put(message, edition=edition, status=ToldStatus.MISSED, why=judged.why)

    def _send(self, message: Message, *, edition: int) -> None:
        why = why_silent(self._suppressed.get(message.recipient.address, ()), message.occasion, at=self._now)
        if why is not None:
            if not self._settings.holds:
                self._put(message, edition=edition, status=ToldStatus.SUPPRESSED, why=why)
            return
        if self._settings.holds:
            self._desk.hold(message)
            return
        mail = self._desk.composed(message)
        if mail is not None:
            told = self._told_of(message, edition=edition, status=ToldStatus.SENT)
            self._tellings.append(Telling(told=told, mail=mail))

    def _watch(self, message: Message, *, edition: int) -> None:
        assert self._desk.watcher is not None  # noqa: S101  asked only where there is one
        went = self._desk.watcher.went(message, now=self._now)
        if went is None:
            return
        if went:
            self._put(message, edition=edition, status=ToldStatus.WATCHED)
            return
        self._put(message, edition=edition, status=ToldStatus.MISSED, why=NOT_SEEN)
        self._desk.lose(message, NOT_SEEN)

    def _look_again(
        self, occasion: Occasion, recipient: Recipient, told: Sequence[Told], edition: KnownOccasion
    ) -> None:
        """Look again for what did not go: it may have gone late, or is still to be chased."""
        assert self._desk.watcher is not None  # noqa: S101  asked only where there is one
        for one in told:
            if one.edition != edition.edition or one.status is not ToldStatus.MISSED or one.why != NOT_SEEN:
                continue
            message = Message(occasion=occasion, recipient=recipient, rung=one.rung, due_at=one.due_at)
            if self._desk.watcher.went(message, now=self._now):
                self._went_late.append(one)
            elif not has_passed(edition, now=self._now):
                self._desk.lose(message, NOT_SEEN)

    def _put(self, message: Message, *, edition: int, status: ToldStatus, why: str = "") -> None:
        self._tellings.append(Telling(told=self._told_of(message, edition=edition, status=status, why=why)))

    def _told_of(self, message: Message, *, edition: int, status: ToldStatus, why: str = "") -> Told:
        return Told(
            notice=self._settings.notice,
            key=message.occasion.key,
            edition=edition,
            rung=message.rung,
            recipient=message.recipient.address,
            name=message.recipient.name,
            status=status,
            due_at=message.due_at,
            at=self._now,
            why=why,
        )
