"""Whom an `expiries` step asks by itself: servers for their certificates, registries for the dates of domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from opsrunner.errors import NoAnswer, StepFailed
from opsrunner.expiries.asking import Turns
from opsrunner.expiries.bootstrap import MOST_BYTES, PACKAGED_OF, base_for, packaged, read_bootstrap
from opsrunner.expiries.collecting import Collected, Entry
from opsrunner.expiries.handshake import shown_by
from opsrunner.expiries.judging import Judge, age_words
from opsrunner.expiries.rdap import RdapClient
from opsrunner.expiries.rdap_round import Question, RdapRound
from opsrunner.expiries.targets import Target
from opsrunner.model.expiry import DateAnswer, KeptText
from opsrunner.steps.base import Means
from opsrunner.steps.expiries import Options, RdapNames
from opsrunner.steps.output import printable
from opsrunner.steps.step_time import StepTime

BOOTSTRAP = "rdap bootstrap"
BOOTSTRAP_FRESH = timedelta(days=7)
BOOTSTRAP_AGAIN = timedelta(hours=6)
"""After a try that failed."""
NAMES_AT_ONCE = 2_000
"""Names of which the known answers are looked up together."""
KEPT_AT_ONCE = 200
"""Answers that are written together."""
SHARE_OF_TIME = 0.8
"""Of the step's time that is left, what goes into questions: what was learned has to be judged and told."""


class AskServers:
    """Shakes hands with servers, several at a time."""

    def __init__(self, means: Means, time: StepTime, *, most_at_once: int) -> None:
        self._means, self._most = means, most_at_once
        self._ends_at = means.clock.monotonic() + time.left_seconds * SHARE_OF_TIME
        self._tried = self._failed = 0
        self.left: dict[str, str] = {}
        """The servers that were not asked, each with why."""

    def run(self, targets: Mapping[str, Target]) -> Iterator[DateAnswer]:
        """Give the answer of each server that was asked, and what the others said before; keep what is new."""
        if not targets:
            return
        known = self._means.dates.answers("tls", list(targets))
        fresh: list[DateAnswer] = []
        with ThreadPoolExecutor(max_workers=min(self._most, len(targets)), thread_name_prefix="tls") as pool:
            looks = pool.map(lambda name: self._look(name, targets[name], known.get(name)), targets)
            for name, answer in zip(targets, looks, strict=True):
                if answer is not None:
                    fresh.append(answer)
                    self._tried += 1
                    self._failed += bool(answer.failure)
                    yield answer
                elif name in known:
                    yield known[name]
                if len(fresh) >= KEPT_AT_ONCE:
                    self._means.dates.keep(fresh)
                    fresh = []
        self._means.dates.keep(fresh)

    def facts(self) -> Mapping[str, Any]:
        """Return how many were asked, how many of them did not answer, and how many were not asked."""
        return {"asked": self._tried, "failed": self._failed, "not_asked": len(self.left)}

    def _look(self, name: str, target: Target, known: DateAnswer | None) -> DateAnswer | None:
        if self._means.stopping.is_set() or self._means.clock.monotonic() > self._ends_at:
            self.left[name] = "it was not asked: the step's time was over"
            return None
        try:
            shown = shown_by(target, clock=self._means.clock, stopping=self._means.stopping)
        except NoAnswer as exc:
            at = self._means.clock.now()
            before = known or DateAnswer(place="tls", name=name, tried_at=at)
            return before.after_failure(f"{name}: {printable(exc.message)}", at=at)
        at = self._means.clock.now()
        return DateAnswer(
            place="tls",
            name=name,
            answered_at=at,
            ends_at=shown.ends_at,
            by="handshake",
            about=printable(shown.about),
            wrong=printable(shown.wrong),
            tried_at=at,
        )


class AskRegistries:
    """Asks registries for domains, as many as one run may."""

    def __init__(self, means: Means, time: StepTime, *, collected: Collected, judge: Judge) -> None:
        self._means, self._time, self._collected, self._judge = means, time, collected, judge
        self._client = RdapClient(clock=means.clock, stopping=means.stopping)
        self.facts: dict[str, Any] = {}

    def run(self, entries: Mapping[str, Entry], wanted: RdapNames, options: Options) -> None:
        """Put what registries say into the entries: what they said before, and what they say today."""
        trust_for = timedelta(seconds=options.trust_for)
        turns = Turns(judge=self._judge, refresh=timedelta(seconds=wanted.refresh), most=wanted.most)
        for names in _pieces(entries, NAMES_AT_ONCE):
            known = self._means.dates.answers("rdap", names)
            for name in names:
                if (answer := known.get(name)) is not None:
                    self._collected.answer(entries[name], answer, is_trusted=self._is_young(answer, trust_for))
                turns.offer(name, entries[name], answer)
        turn = turns.names()
        asked = RdapRound(
            self._client.ask,
            clock=self._means.clock,
            stopping=self._means.stopping,
            ends_at=self._means.clock.monotonic() + self._time.left_seconds * SHARE_OF_TIME,
            resting=self._means.dates.resting(),
        )
        tried, failed = self._ask(asked, self._questions(turn, entries), entries, options)
        for name, why in asked.left.items():
            self._collected.fail(entries[name], why)
        self._means.dates.rest(asked.rests(), recovered=asked.recovered())
        self.facts |= {"asked": tried, "failed": failed, "not_asked": turns.left + len(asked.left)}

    def _ask(
        self,
        asked: RdapRound,
        questions: Sequence[Question],
        entries: Mapping[str, Entry],
        options: Options,
    ) -> tuple[int, int]:
        """Ask, keep the answers as they come; return how many names were asked for, and how many in vain."""
        tried = failed = 0
        trust_for = timedelta(seconds=options.trust_for)
        before = {one.name: one.known for one in questions}
        fresh: list[DateAnswer] = []
        for answer in asked.run(questions, most_at_once=options.max_parallel):
            tried += 1
            failed += bool(answer.failure)
            entry = entries[answer.name]
            if (known := before[answer.name]) is not None:
                self._collected.forget(entry, known)
            self._collected.answer(entry, answer, is_trusted=self._is_young(answer, trust_for))
            fresh.append(answer)
            if len(fresh) >= KEPT_AT_ONCE:
                self._means.dates.keep(fresh)
                fresh = []
        self._means.dates.keep(fresh)
        return tried, failed

    def _is_young(self, answer: DateAnswer, trust_for: timedelta) -> bool:
        return answer.answered_at is not None and self._judge.now - answer.answered_at <= trust_for

    def _questions(self, turn: Mapping[str, DateAnswer | None], entries: Mapping[str, Entry]) -> list[Question]:
        """Return the questions to ask; a name whose registry is not known is noted as such."""
        if not turn:
            return []
        bases = self._bases(turn)
        questions: list[Question] = []
        for name, known in turn.items():
            try:
                base = base_for(name, bases)
            except KeyError as exc:
                hint = "name one under `rdap.bases`, or keep the date in your own data"
                self._collected.fail(entries[name], f"no RDAP server is known for .{exc.args[0]}: {hint}")
                continue
            if base is None:
                self._collected.fail(entries[name], "`rdap.bases` says that its registry is not asked")
                continue
            questions.append(Question(name=name, base=base, known=known))
        return questions

    def _bases(self, names: Iterable[str]) -> Mapping[str, str | None]:
        """Return the addresses of registries: the site's own before all lists."""
        own = self._means.rdap.bases
        if all(_has_base(name, own) for name in names):
            return own
        return {**self._listed(), **own}

    def _listed(self) -> Mapping[str, str]:
        """Return IANA's list: fetched, as it was kept, or the packaged part of it."""
        now, kept = self._means.clock.now(), self._means.dates.text(BOOTSTRAP)
        if self._means.rdap.bootstrap and (kept is None or _is_due(kept, now=now)):
            kept = self._fetched(kept)
            self._means.dates.keep_text(BOOTSTRAP, kept)
        if kept is None or kept.fetched_at is None:
            self.facts["rdap_list"] = f"packaged, of {PACKAGED_OF}"
            return packaged()
        age = age_words(kept.fetched_at, now=now)
        self.facts["rdap_list"] = f"IANA's, {age or 'fetched just now'}"
        return read_bootstrap(kept.text)

    def _fetched(self, kept: KeptText | None) -> KeptText:
        now = self._means.clock.now()
        try:
            text = self._client.fetch(self._means.rdap.bootstrap, most_bytes=MOST_BYTES)
            read_bootstrap(text)
        except (NoAnswer, StepFailed) as exc:
            self.facts["rdap_list_problem"] = printable(exc.message)
            none = KeptText(text="", fetched_at=None, tried_at=now)
            return replace(kept, tried_at=now) if kept else none
        return KeptText(text=text, fetched_at=now, tried_at=now)


def _is_due(kept: KeptText, *, now: datetime) -> bool:
    is_old = kept.fetched_at is None or now - kept.fetched_at > BOOTSTRAP_FRESH
    return is_old and now - kept.tried_at > BOOTSTRAP_AGAIN


def _has_base(name: str, bases: Mapping[str, str | None]) -> bool:
    try:
        base_for(name, bases)
    except KeyError:
        return False
    return True


def _pieces(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the names in lists of that size; the last may be shorter."""
    left = iter(names)
    while piece := list(islice(left, size)):
        yield piece
