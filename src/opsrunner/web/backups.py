"""Backups: how the copies of each step stand, how they grew, and how they were proven. Nothing is restored here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from starlette.responses import Response

from opsrunner.engine.keep_words import keep_words, stay_words
from opsrunner.engine.standing_copies import Standing, damage_left_words, standings
from opsrunner.engine.standing_foreign import ForeignStanding, foreign_standings, tone_of
from opsrunner.engine.thinning import Thinning, go_next, thin
from opsrunner.model.backup import Copy, CopyState, Drill, Keep
from opsrunner.model.digest import Tone
from opsrunner.model.foreign import ForeignDrill, KnownForeign
from opsrunner.records import dataclass
from opsrunner.schedules.due import next_to_run
from opsrunner.web.visit import Nothing, Visit

MOST_SHOWN = 40
MOST_DRILLS = 10
_ORDER: tuple[Tone, ...] = ("failed", "look", "nothing", "live", "fine")
_TONES: dict[CopyState, Tone] = {CopyState.GOOD: "fine", CopyState.DOUBTFUL: "look", CopyState.DAMAGED: "failed"}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A copy's size, from 0 to 100, beside the largest."""

    copy: Copy
    height: int


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Which copies of a step stay in a store, for what, and which go next."""

    keeps: str
    stays: Mapping[int, str]
    """For what a copy stays now, by its number."""
    going: frozenset[int]
    """Those that go once the next copy has come."""
    next_at: datetime | None
    """When the next copy is due, None where no schedule asks for one."""
    doubts: tuple[str, ...]
    """Why nothing is removed at all."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the page shows of one step in one store."""

    standing: Standing
    tone: Tone
    word: str
    shown: tuple[Copy, ...]
    ladder: Ladder
    bars: tuple[Bar, ...]
    drills: tuple[tuple[Copy, Drill], ...]


@dataclass(frozen=True, kw_only=True)
class OthersLine:
    """What the page shows of one check of what other tools make."""

    standing: ForeignStanding
    tone: Tone
    word: str
    gaps: tuple[KnownForeign, ...]
    """The first of them."""
    restored: int
    """Of how many something was restored."""
    drills: tuple[ForeignDrill, ...]


async def all_of_them(visit: Visit) -> Response:
    """Show the copies of every backup step, those that want a look first."""
    visit.query(Nothing)
    lines, others = await visit.look_up(lambda: (_lines(visit), _others(visit)))
    counted = [line.tone for line in lines if line.standing.is_written_to]
    damage = damage_left_words(line.standing for line in lines)
    verdict = f"{_verdict(counted + [line.tone for line in others])}{damage}"
    return visit.page(
        "backups.html",
        title="Backups",
        verdict=verdict,
        lines=lines,
        others=others,
        tone_of_copy=_tone,
        tone_of_other=tone_of,
    )


def _lines(visit: Visit) -> list[Line]:
    lines = [_line(visit, standing) for standing in standings(visit.app.desk, at=visit.now)]
    return sorted(lines, key=lambda line: (_ORDER.index(line.tone), line.standing.routine.name))


def _line(visit: Visit, standing: Standing) -> Line:
    tone, word = standing.verdict(visit.now, visit.app.almanac)
    shown = standing.copies[:MOST_SHOWN]
    drills = [(copy, drill) for copy in shown for drill in visit.app.books.copies.drills(copy.id)]
    newest_first = sorted(drills, key=lambda one: one[1].at, reverse=True)
    return Line(
        standing=standing,
        tone=tone,
        word=word,
        shown=shown,
        ladder=_ladder(visit, standing),
        bars=_bars(shown),
        drills=tuple(newest_first[:MOST_DRILLS]),
    )


def _ladder(visit: Visit, standing: Standing) -> Ladder:
    thinnings = [] if standing.keep == Keep() else list(thin(standing, now=visit.now, zone=visit.zone))
    coming = next_to_run(standing.routine.schedule, after=visit.now, almanac=visit.app.almanac)
    next_at = coming.planned_at if coming else None
    coming_in = thinnings if standing.is_written_to else []
    gone = [copy for plan in coming_in for copy in go_next(plan, at=next_at or visit.now, zone=visit.zone)]
    return Ladder(
        keeps=keep_words(standing.keep),
        stays={number: words for plan in thinnings for number, words in _stays(plan)},
        going=frozenset(copy.id for copy in gone),
        next_at=next_at,
        doubts=tuple(plan.retention.doubt for plan in thinnings if plan.retention.doubt),
    )


def _stays(plan: Thinning) -> list[tuple[int, str]]:
    """Return for what each copy stays; where a clock is in doubt, all do for that, and it is said once."""
    if plan.retention.doubt:
        return []
    return [
        (number, stay_words(plan.copies[number], reasons, plan.keep)) for number, reasons in plan.retention.kept.items()
    ]


def _bars(newest_first: Sequence[Copy]) -> tuple[Bar, ...]:
    largest = max((copy.size_bytes for copy in newest_first), default=0) or 1
    return tuple(
        Bar(copy=copy, height=max(4, round(100 * copy.size_bytes / largest))) for copy in reversed(newest_first)
    )


def _tone(copy: Copy) -> Tone:
    return _TONES.get(copy.state, "nothing")


def _others(visit: Visit) -> list[OthersLine]:
    lines = [_others_line(visit, standing) for standing in foreign_standings(visit.app.desk)]
    return sorted(lines, key=lambda line: (_ORDER.index(line.tone), line.standing.routine.name))


def _others_line(visit: Visit, standing: ForeignStanding) -> OthersLine:
    tone, word = standing.verdict(visit.now, visit.app.almanac)
    return OthersLine(
        standing=standing,
        tone=tone,
        word=word,
        gaps=standing.gaps[:MOST_SHOWN],
        restored=sum(one.restored_at is not None for one in standing.backups),
        drills=tuple(visit.app.books.foreign.drills(standing.routine.id, standing.step, most=MOST_DRILLS)),
    )


def _verdict(tones: Sequence[Tone]) -> str:
    if not tones:
        return "Nothing is copied yet"
    noun = "backup is" if len(tones) == 1 else "backups are"
    return f"{tones.count('fine')} of {len(tones)} {noun} proven and fresh"
