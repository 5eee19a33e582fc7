"""Tells whether the clock can be believed: a wrong one would make routines run, expire and be forgotten for nothing.

The wall clock is judged by the steady one that counts suspends (CLOCK_BOOTTIME). A step of more than a day that the
steady clock does not confirm, or a look back of more than a day, is *in doubt* until the clock has stood by it for
ten minutes; while it is, the daemon does nothing that depends on time. Smaller steps are believed at once.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from opsrunner.clock import EARLIEST, Clock
from opsrunner.ledger.books import Books
from opsrunner.ledger.codec import optional_moment, to_moment, to_text
from opsrunner.ledger.service import CLOCK_DOUBT, Gap
from opsrunner.ledger.setting_back import set_back
from opsrunner.records import dataclass

LOGGER = logging.getLogger("opsrunner")
LARGEST_STEP = timedelta(days=1)
LONGEST_OFF = timedelta(days=30)
"""A machine that was off for longer than this is asked about, as if its clock had stepped."""
BELIEVED_AFTER_SECONDS = 600.0
STANDS_BY = timedelta(minutes=1)
"""A clock in doubt that moves by more than this against the steady one begins its ten minutes again."""
_READING, _BORN = "clock", "born"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Both clocks at one moment. `boot` names the start of the machine that `steady_seconds` counts from."""

    wall: datetime
    steady_seconds: float
    boot: str

    @classmethod
    def of(cls, clock: Clock) -> Reading:
        """Read a clock."""
        return cls(wall=clock.now(), steady_seconds=clock.boottime(), boot=clock.boot_id())

    def seconds_since(self, earlier: Reading) -> float | None:
        """Return how much steady time lies between two readings; None where the machine was started in between."""
        return self.steady_seconds - earlier.steady_seconds if self.boot and self.boot == earlier.boot else None


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A clock that is not believed yet, or never will be."""

    since: Reading
    why: str
    can_end: bool
    """Tells whether standing by it for ten minutes is enough."""

    def __str__(self) -> str:
        until = f"until it is set right or, at {_said(self.believed_at)}, has stood by that for ten minutes"
        return f"{self.why}: nothing is planned or reported {until if self.can_end else 'until it is set right'}"

    @property
    def believed_at(self) -> datetime:
        """The moment, by the clock in doubt itself, at which it is believed."""
        return self.since.wall + timedelta(seconds=BELIEVED_AFTER_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What is known of the clock: `last` was believed, `born` is when the ledger began."""

    last: Reading | None = None
    born: datetime | None = None
    doubt: Doubt | None = None


def judge(trust: Trust, reading: Reading) -> Trust:
    """Return what is known after a reading: believed where there is no doubt then. Pure."""
    doubt = _objection(trust, reading)
    if doubt is not None and trust.doubt is not None and _stands_by(trust.doubt, reading):
        doubt = trust.doubt
        if doubt.can_end and (reading.seconds_since(doubt.since) or 0.0) >= BELIEVED_AFTER_SECONDS:
            doubt = None
    if doubt is not None:
        return replace(trust, doubt=doubt)
    return Trust(last=reading, born=reading.wall if trust.born is None else min(trust.born, reading.wall))


def _objection(trust: Trust, reading: Reading) -> Doubt | None:
    """Return what speaks against a reading."""
    said = f"the clock says {_said(reading.wall)}"
    if reading.wall < EARLIEST:
        return Doubt(since=reading, why=f"{said}, before this program was", can_end=False)
    if trust.last is None:
        return None
    return _too_early(trust.last, trust.born, reading, said) or _too_late(trust.last, reading, said)


def _too_early(last: Reading, born: datetime | None, reading: Reading, said: str) -> Doubt | None:
    # A ledger that has lived for less than a day may itself have begun under a clock that was ahead.
    if born is not None and last.wall - born > LARGEST_STEP and born - reading.wall > LARGEST_STEP:
        return Doubt(since=reading, why=f"{said}, but the ledger began at {_said(born)}", can_end=False)
    if reading.wall < last.wall - LARGEST_STEP:
        return Doubt(since=reading, why=f"{said}, but the last pass was at {_said(last.wall)}", can_end=True)
    return None


def _too_late(last: Reading, reading: Reading, said: str) -> Doubt | None:
    passed = reading.seconds_since(last)
    if passed is None:
        unheard = reading.wall - last.wall > LONGEST_OFF
        why = f"{said} after a start of the machine, but the last pass was at {_said(last.wall)}"
        return Doubt(since=reading, why=why, can_end=True) if unheard else None
    expected = last.wall + timedelta(seconds=passed)
    if reading.wall - expected > LARGEST_STEP:
        why = f"{said}, but by the steady clock it is {_said(expected)}"
        return Doubt(since=reading, why=why, can_end=True)
    return None


def _stands_by(doubt: Doubt, reading: Reading) -> bool:
    passed = reading.seconds_since(doubt.since)
    return passed is not None and abs(reading.wall - doubt.since.wall - timedelta(seconds=passed)) <= STANDS_BY


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


class ClockGuard:
    """Asked before every pass of the daemon. What it knows outlives the process: it lies in the ledger."""

    def __init__(self, books: Books, clock: Clock) -> None:
        self._books, self._clock = books, clock
        self._trust: Trust | None = None

    def look(self) -> datetime | None:
        """Return the present moment, or None while the clock is in doubt.

        What a clock that was ahead has written of times that have not come is taken back, a doubt that ends is
        noted as a gap, and one that begins is logged once.
        """
        reading = Reading.of(self._clock)
        before = self._trust or self._recalled(reading)
        after = judge(before, reading)
        if after.doubt is not None:
            if after.doubt != before.doubt:
                self._hold(after.doubt)
        else:
            self._believe(before, reading)
        self._trust = after
        return reading.wall if after.doubt is None else None

    def is_believed(self) -> bool:
        """Tell whether the clock can be believed now, from any thread; nothing is written."""
        trust = self._trust
        return trust is not None and judge(trust, Reading.of(self._clock)).doubt is None

    def keep(self) -> None:
        """Keep the last believed reading, in the transaction of the pass that it stands for."""
        trust = self._trust
        if trust is not None and trust.last is not None and trust.born is not None:
            last = trust.last
            self._books.service.remember(_READING, f"{to_text(last.wall)} {last.steady_seconds:.3f} {last.boot}")
            if self._books.service.recall(_BORN) != to_text(trust.born):
                self._books.service.remember(_BORN, to_text(trust.born))

    def _recalled(self, reading: Reading) -> Trust:
        """Return what the ledger knows from the passes before this process."""
        service = self._books.service
        known = [routine.first_seen_at for routine in self._books.routines.all().values()]
        born = optional_moment(service.recall(_BORN)) or min(known, default=None)
        last = _parsed(service.recall(_READING))
        planned_at = service.planned_at()
        if planned_at is not None and (
            last is None or abs(last.wall - planned_at) > STANDS_BY
        ):  # an older program planned
            last = Reading(wall=planned_at, steady_seconds=0.0, boot="")
        said = service.recall(CLOCK_DOUBT)
        doubt = Doubt(since=replace(reading, boot=""), why=said, can_end=False) if said else None
        return Trust(last=last, born=born, doubt=doubt)

    def _hold(self, doubt: Doubt) -> None:
        self._books.service.remember(CLOCK_DOUBT, str(doubt))
        LOGGER.error("%s", doubt, extra={"action": "clock_in_doubt"})

    def _believe(self, before: Trust, reading: Reading) -> None:
        last, now = before.last, reading.wall
        if last is not None and now < last.wall:
            undone = set_back(self._books.ledger, now=now)
            LOGGER.log(
                logging.WARNING if last.wall - now > STANDS_BY else logging.INFO,
                "the clock was set back from %s to %s; occurrences in between that had not run are due again: %d",
                _said(last.wall),
                _said(now),
                undone,
                extra={"action": "clock_set_back"},
            )
        if before.doubt is not None:
            self._end(before, reading)

    def _end(self, before: Trust, reading: Reading) -> None:
        """Note a doubt that is over as a time in which nothing was planned."""
        last, now = before.last, reading.wall
        held = (reading.seconds_since(last) or 0.0) if last is not None else 0.0
        start = now - timedelta(seconds=held) if last is None or last.wall > now else last.wall
        with self._books.transaction():
            self._books.service.note_gap(Gap(from_=start, until=now, reason="clock"))
            self._books.service.forget(CLOCK_DOUBT)
        LOGGER.warning(
            "the clock is believed again: it says %s; nothing was planned since %s",
            _said(now),
            _said(start),
            extra={"action": "clock_believed"},
        )


def _parsed(text: str | None) -> Reading | None:
    """Return the reading that `keep` kept."""
    words = (text or "").split(" ", 2)
    if len(words) != 3:
        return None
    return Reading(wall=to_moment(words[0]), steady_seconds=float(words[1]), boot=words[2])
