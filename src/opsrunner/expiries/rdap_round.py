"""Many names, asked of several registries at once, and each registry only as fast as it likes."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from opsrunner.clock import Clock
from opsrunner.expiries.rdap import Asker, Said
from opsrunner.model.expiry import DateAnswer, Resting
from opsrunner.model.fleet import Stopping
from opsrunner.records import dataclass

PATIENCE = timedelta(seconds=15)
"""A server that asks for no longer a rest is waited for."""
MOST_WAITS = 20
"""How often, in one round."""
MOST_FAULTS = 3
"""After so many failures in a row the server is left alone."""
FIRST_REST = timedelta(minutes=15)
LONGEST_REST = timedelta(hours=12)
LANES_A_SERVER = 4
NAMES_A_LANE = 10
"""With fewer names a server is asked by one lane less."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A name to ask for, whom, and what was known of it before."""

    name: str
    base: str
    known: DateAnswer | None = None

    @property
    def server(self) -> str:
        """Return who is asked, as rests are kept by: host and port."""
        return urlsplit(self.base).netloc


@dataclass
class _Server:
    """How a server does in this round."""

    known: Resting | None
    """What is known of it from earlier rounds; its rest is over."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    faults: int = 0
    waits: int = 0
    rests: Resting | None = None


class RdapRound:
    """Asks a list of questions; its answers come as they are there."""

    def __init__(
        self, ask: Asker, *, clock: Clock, stopping: Stopping, ends_at: float, resting: Mapping[str, Resting]
    ) -> None:
        """`ends_at` is when no further question begins, by the monotonic clock."""
        self._ask, self._clock, self._stopping, self._ends_at = ask, clock, stopping, ends_at
        self._resting = resting
        self._servers: dict[str, _Server] = {}
        self._answers: queue.SimpleQueue[DateAnswer | None] = queue.SimpleQueue()
        self.left: dict[str, str] = {}
        """The names that were not asked, each with why."""

    def run(self, questions: Sequence[Question], *, most_at_once: int) -> Iterator[DateAnswer]:
        """Give an answer for each name that was asked; the others stand in `left` afterwards."""
        lanes = self._lanes(questions)
        if not lanes:
            return
        with ThreadPoolExecutor(max_workers=min(most_at_once, len(lanes)), thread_name_prefix="rdap") as pool:
            works = [pool.submit(self._work, lane) for lane in lanes]
            for _ in lanes:
                while (answer := self._answers.get()) is not None:
                    yield answer
            for work in works:
                work.result()

    def rests(self) -> list[Resting]:
        """Return the servers that are to be left alone from now on."""
        return [server.rests for server in self._servers.values() if server.rests is not None]

    def recovered(self) -> list[str]:
        """Return the servers that had to be left alone before, and answer again."""
        return [name for name, one in self._servers.items() if one.known and not one.rests and not one.faults]

    def _lanes(self, questions: Sequence[Question]) -> list[list[Question]]:
        """Return the questions in lanes, the lanes of all servers by turns."""
        by_server: dict[str, list[Question]] = defaultdict(list)
        now = self._clock.now()
        for question in questions:
            resting = self._resting.get(question.server)
            if resting is not None and resting.until > now:
                self.left[question.name] = _rest_words(resting)
            else:
                by_server[question.server].append(question)
        lanes: list[list[Question]] = []
        for server, theirs in by_server.items():
            self._servers[server] = _Server(known=self._resting.get(server))
            count = max(1, min(LANES_A_SERVER, len(theirs) // NAMES_A_LANE))
            lanes += [theirs[start::count] for start in range(count)]
        return lanes

    def _work(self, lane: Sequence[Question]) -> None:
        try:
            for question in lane:
                self._one(question)
        finally:
            self._answers.put(None)

    def _one(self, question: Question) -> None:
        server = self._servers[question.server]
        while True:
            if why := self._why_not(server):
                self.left[question.name] = why
                return
            said = self._ask(question.name, question.base)
            if said.was_stopped:
                self.left[question.name] = "stopped"
                return
            if not self._waited(server, said):
                break
        self._note(server, said, question.server)
        self._answers.put(_answer(question, said, at=self._clock.now()))

    def _why_not(self, server: _Server) -> str:
        if self._stopping.is_set():
            return "stopped"
        if self._clock.monotonic() > self._ends_at:
            return "the step's time was over"
        return _rest_words(server.rests) if server.rests else ""

    def _waited(self, server: _Server, said: Said) -> bool:
        """Wait where the server asks for a short rest; tell whether to ask again."""
        if said.rest is None or said.rest > PATIENCE:
            return False
        with server.lock:
            server.waits += 1
            is_enough = server.waits > MOST_WAITS
        if is_enough or self._clock.monotonic() + said.rest.total_seconds() > self._ends_at:
            return False
        self._stopping.wait(max(0.2, said.rest.total_seconds()))
        return True

    def _note(self, server: _Server, said: Said, name: str) -> None:
        """Count what is the server's fault; let it rest where it asks for that, or fails and fails."""
        with server.lock:
            server.faults = server.faults + 1 if said.is_fault else 0
            if server.rests is not None or (said.rest is None and server.faults < MOST_FAULTS):
                return
            before = server.known.faults if server.known else 0
            own = min(FIRST_REST * 2 ** min(before, 6), LONGEST_REST)
            until = self._clock.now() + (own if said.rest is None else said.rest)
            server.rests = Resting(server=name, until=until, why=said.failure, faults=before + 1)


def _answer(question: Question, said: Said, *, at: datetime) -> DateAnswer:
    if said.answer is None:
        known = question.known or DateAnswer(place="rdap", name=question.name, tried_at=at)
        return known.after_failure(said.failure, at=at)
    return DateAnswer(
        place="rdap",
        name=question.name,
        answered_at=at,
        ends_at=said.answer.ends_at,
        by=said.by,
        about=said.answer.about,
        wrong=said.answer.wrong,
        tried_at=at,
    )


def _rest_words(resting: Resting) -> str:
    return f"{resting.why}; it is left alone until {resting.until:%Y-%m-%d %H:%M} UTC"
