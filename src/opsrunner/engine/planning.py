"""One planner pass over the ledger: every decision and the watermark in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from opsrunner.config.freezing import freeze
from opsrunner.engine.held import World
from opsrunner.engine.planner import Decision, Verdict, Watch, accounted_until, plan_ahead, plan_these
from opsrunner.engine.renaming import carry_over, may_be_renamed
from opsrunner.engine.stranded import Reckoning, stranded, waiting
from opsrunner.engine.workers import Work
from opsrunner.ledger.books import Books
from opsrunner.ledger.holds import Hold
from opsrunner.ledger.runs import NewRun
from opsrunner.ledger.service import Gap
from opsrunner.ledger.standing import Standing
from opsrunner.model.routine import Routine
from opsrunner.model.run import QUEUED, Run, RunStatus
from opsrunner.model.schedule import OffsetRule, Schedule
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.window_rules import windows_of

LONGEST_PASS = timedelta(minutes=5)
"""More than this between two passes is a gap that the digest names."""

Prepare = Callable[[Run, Routine], Work]

NONE = Standing()
WRITTEN_AT_ONCE = 1000
_STATUS = {
    Verdict.START: RunStatus.RUNNING,
    Verdict.QUEUE: RunStatus.WAITING,
    Verdict.SKIPPED: RunStatus.SKIPPED,
    Verdict.MISSED: RunStatus.MISSED,
}


@dataclass(kw_only=True)
class LeftOut:
    """What does not run now of one routine for one reason."""

    routine: str
    verdict: Verdict
    reason: str
    count: int = 0
    last_at: datetime
    """When the last of them was planned."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one planner pass did: the runs to enter now, and when to look again at the latest."""

    started: tuple[Work, ...]
    left_out: tuple[LeftOut, ...]
    next_at: datetime | None


class Planning:
    """Plans the routines in force. One instance lives as long as the daemon."""

    def __init__(self, books: Books, *, keep_time: Callable[[], object]) -> None:
        """`keep_time` keeps what is known of the clock, in the transaction of each pass."""
        self._books = books
        self._keep_time = keep_time
        self._routines: dict[str, Routine] = {}
        self._frozen: dict[str, str] = {}
        self._marks: dict[str, datetime] = {}
        """Since when each routine is watched; every pass accounts for all of them."""
        self._world: World | None = None
        """What they are reckoned by. All of this is what was last written: it is taken over after a commit."""
        self._next: dict[str, datetime | None] = {}

    def put_in_force(
        self,
        routines: Mapping[str, Routine],
        *,
        world: World,
        at: datetime,
        broken: Collection[str] = (),
        beside: Callable[[], object] = lambda: None,
    ) -> list[Routine]:
        """Take over the routines of the site, all at once; each that was not in force as it is, is frozen.

        When each is due next is found out anew only where that may have changed; what was due and waited is then
        accounted for by the schedule as it is now. `broken` are those with a mistake in their files: where one of them
        is not in force, what waits of it is left for when that is mended. So is what waits of all that is gone while
        one of them is new: it may be one of those by another name. `beside` writes what belongs to it, in the same
        transaction. Where that fails, all stays as it was; so this must be the outermost one.

        Return those that begin without a history though they name one.
        """
        almanac = world.almanac
        with self._books.transaction(alone=True):
            renamed = carry_over(self._books.routines, routines.values())
            self._books.routines.see({routine.id: routine.name for routine in routines.values()}, at=at)
            names = {routine.id: self._kept(routine) for routine in routines.values()}
            marks = {routine_id: known.watermark_at for routine_id, known in self._books.routines.all().items()}
            same = {name for name in self._routines if self._is_due_as_before(name, routines, almanac)}
            changed = [routine for routine in routines.values() if routine.id not in same]
            gone = self._gone(
                {*routines, *renamed.former.values(), *broken}, is_sure=not may_be_renamed(self._books.routines, broken)
            )
            before = self._routines | {
                new: self._routines[old] for new, old in renamed.former.items() if old in self._routines
            }
            frozen = self._frozen | names
            self._account_for_waiting([*changed, *gone], before, frozen, marks, almanac=almanac, at=at)
            beside()
        self._next = {name: at for name, at in self._next.items() if name in same}
        self._routines, self._frozen, self._marks, self._world = dict(routines), names, marks, world
        return renamed.without

    def _gone(self, there: Collection[str], *, is_sure: bool) -> list[Routine]:
        """Return, without a schedule, what was in force and is not `there` any more; nothing where it may be."""
        gone = [routine for routine in self._routines.values() if is_sure and routine.id not in there]
        return [replace(routine, schedule=Schedule()) for routine in gone]

    def _account_for_waiting(
        self,
        changed: Sequence[Routine],
        before: Mapping[str, Routine],
        frozen: Mapping[str, str],
        marks: Mapping[str, datetime],
        *,
        almanac: Almanac,
        at: datetime,
    ) -> None:
        """Account for what was due under the schedules before and waited, where these here never come to it.

        `changed` has what is gone without a schedule, `before` what was in force, by the names as they are now, and
        `frozen` the texts of all.
        """
        if self._world is None:
            return
        runs, planned_at = self._books.runs, self._books.service.planned_at()
        for routine in changed:
            was = before.get(routine.id)
            left = waiting(Reckoning(schedule=was.schedule, almanac=self._world.almanac), at=at) if was else []
            known = runs.recorded([(routine.id, one.nominal_at) for one in left]) if left else frozenset()
            left = [one for one in left if (routine.id, one.nominal_at) not in known]
            if left:
                mark = accounted_until(marks[routine.id], planned_at)
                found = stranded(left, Reckoning(schedule=routine.schedule, almanac=almanac), mark=mark)
                (watch,) = self._watches([routine], planned_at, marks)
                for decision in plan_these(watch, found, world=World(almanac=almanac), now=at):
                    runs.claim(_kept(decision, frozen=frozen[routine.id]), at=at)

    def _is_due_as_before(self, name: str, routines: Mapping[str, Routine], almanac: Almanac) -> bool:
        """Tell whether a routine is there still, with the same schedule and all that this is reckoned by."""
        if name not in routines or name not in self._routines or self._world is None:
            return False
        before = self._world.almanac
        schedule = routines[name].schedule
        if schedule != self._routines[name].schedule or almanac.calendars != before.calendars:
            return False
        if windows_of(schedule) and almanac.windows != before.windows:
            return False
        refers = any(isinstance(rule, OffsetRule) for rule in schedule.rules)
        return not refers or almanac.schedules == before.schedules

    def _kept(self, routine: Routine) -> str:
        """Freeze a routine, where it is not the one that is in force already; return the name of its text."""
        if self._routines.get(routine.id) is routine:
            return self._frozen[routine.id]
        name = self._books.runs.freeze(freeze(routine))
        self._books.routines.keep(routine.id, frozen=name)
        return name

    def look_again(self) -> None:
        """Find out anew since when each routine is watched and when it is due next: the clock was set back."""
        self._marks = {routine_id: known.watermark_at for routine_id, known in self._books.routines.all().items()}
        self._next = {}

    def due_at(self, moment: datetime) -> int:
        """Return how many routines are due at `moment`, as the last pass saw it."""
        return sum(at == moment for at in self._next.values())

    def run(self, *, now: datetime, prepare: Prepare, until_due: Callable[[], object] = lambda: None) -> Pass:
        """Plan everything that is due, claim it, and move the watermark to `now`, all at once.

        It goes by what was last put in force, whatever the files of the site have become since.
        `prepare` makes each run that starts ready to be entered, in the same transaction. A pass may begin a little
        before `now`: `until_due` waits for it before the commit.
        """
        with self._books.transaction(alone=True):
            planned_at = self._books.service.planned_at()
            self._note_gap(planned_at, now)
            decisions, coming = self._decide(planned_at, now=now)
            started, left_out = self._account_for(decisions, at=now)
            works = [prepare(run, self._routines[run.routine]) for run in started]
            if planned_at is None or now > planned_at:
                self._books.service.note_planned(now)
            self._keep_time()
            until_due()
        self._next.update(coming)  # not before the commit: a pass that failed has accounted for nothing
        soonest = min((at for at in self._next.values() if at is not None), default=None)
        return Pass(started=tuple(works), left_out=tuple(left_out), next_at=soonest)

    def _note_gap(self, planned_at: datetime | None, now: datetime) -> None:
        """Note that nothing was planned for long, unless it is known already why."""
        service = self._books.service
        if planned_at is not None and now - planned_at > LONGEST_PASS and not service.has_gap_until(now):
            service.note_gap(Gap(from_=planned_at, until=now, reason="not running"))

    def _decide(
        self, planned_at: datetime | None, *, now: datetime
    ) -> tuple[Iterator[Decision], dict[str, datetime | None]]:
        """Return the decisions, and when each routine that was looked at is due next."""
        due = [
            routine
            for routine in self._routines.values()
            if routine.id not in self._next or ((at := self._next[routine.id]) is not None and at <= now)
        ]
        if not due or self._world is None:
            return iter(()), {}
        decisions: list[Iterator[Decision]] = []
        coming: dict[str, datetime | None] = {}
        for watch in self._watches(due, planned_at, self._marks):
            decided, coming[watch.routine.id] = plan_ahead(watch, world=self._world, now=now)
            decisions.append(decided)
        return chain.from_iterable(decisions), coming

    def _watches(
        self, due: Sequence[Routine], planned_at: datetime | None, since: Mapping[str, datetime]
    ) -> list[Watch]:
        active = self._books.active_runs.by_routine()
        marks = {routine.id: accounted_until(since[routine.id], planned_at) for routine in due}
        holds: dict[str, list[Hold]] = defaultdict(list)
        for hold in self._books.holds.since(min(marks.values())):
            holds[hold.routine].append(hold)
        return [
            Watch(
                routine=routine,
                watermark=marks[routine.id],
                is_running=active.get(routine.id, NONE).running > 0,
                queued=active.get(routine.id, NONE).queued,
                holds=tuple(holds[routine.id]),
            )
            for routine in due
        ]

    def _account_for(self, decisions: Iterator[Decision], *, at: datetime) -> tuple[list[Run], list[LeftOut]]:
        """Write every decision; return the runs that start, and what does not, each kind of it once."""
        runs, started = self._books.runs, []
        left_out: dict[tuple[str, Verdict, str], LeftOut] = {}
        ended: list[NewRun] = []
        for decision in decisions:
            new = _new_run(decision, frozen=self._frozen.get(decision.routine))
            if decision.verdict is not Verdict.START:
                _note(left_out, decision)
            if new.status.is_final:
                ended.append(new)
            if ended and (len(ended) == WRITTEN_AT_ONCE or not new.status.is_final):
                runs.claim_ended(ended, at=at)
                ended.clear()
            if not new.status.is_final and (run := runs.claim(new, at=at)) and decision.verdict is Verdict.START:
                started.append(run)
        if ended:
            runs.claim_ended(ended, at=at)
        return started, list(left_out.values())


def _new_run(decision: Decision, *, frozen: str | None) -> NewRun:
    return NewRun(
        routine=decision.routine,
        trigger=decision.trigger,
        status=_STATUS[decision.verdict],
        reason=decision.reason,
        nominal_at=decision.occurrence.nominal_at,
        planned_at=decision.occurrence.planned_at,
        frozen=frozen,
    )


def _kept(decision: Decision, *, frozen: str) -> NewRun:
    """Return the run of a decision that is made between two passes: what starts is queued, and soon its turn."""
    is_start = decision.verdict is Verdict.START
    return _new_run(replace(decision, verdict=Verdict.QUEUE, reason=QUEUED) if is_start else decision, frozen=frozen)


def _note(left_out: dict[tuple[str, Verdict, str], LeftOut], decision: Decision) -> None:
    kind, at = (decision.routine, decision.verdict, decision.reason), decision.occurrence.planned_at
    if kind not in left_out:
        left_out[kind] = LeftOut(routine=kind[0], verdict=kind[1], reason=kind[2], last_at=at)
    left_out[kind].count += 1
    left_out[kind].last_at = at
