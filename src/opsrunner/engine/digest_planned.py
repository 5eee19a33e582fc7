"""What went as planned: one line a routine, what has recovered first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_names import Names
from opsrunner.engine.digest_runs import COALESCED, OVERLAP, count_runs, that_ran
from opsrunner.engine.digest_said import sentence
from opsrunner.engine.digest_words import count_words, plural, times_words
from opsrunner.ledger.ends import Tally
from opsrunner.ledger.tasks import ClosedTasks
from opsrunner.model.digest import Planned, Tone
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Task, TaskKind, TaskStatus

MOST_PLANNED = 40
DONE = (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE)
_SEVERITY: tuple[Tone, ...] = ("failed", "look", "live", "fine", "nothing")
_WHY_LEFT_OUT = {
    OVERLAP: "the one before still ran",
    "asked": "as asked",
    COALESCED: "a later one stood for it",
}


def is_fine(runs: Sequence[Tally]) -> bool:
    """Tell whether something ran, the newest of it was a success, and none was in its own way."""
    ran = that_ran(runs)
    return bool(ran) and ran[-1].status is RunStatus.SUCCEEDED and not ran_partly(runs)


def ran_partly(runs: Sequence[Tally]) -> bool:
    """Tell whether a routine was in its own way: nobody meant to skip it, and nothing was checked."""
    return any(one.status is RunStatus.SKIPPED and one.reason == OVERLAP for one in runs)


class PlannedWords:
    """Says of routines that are fine now what their runs came to."""

    def __init__(self, desk: Desk, *, until: datetime, opened: Sequence[Task], closed: ClosedTasks) -> None:
        """Take the tasks that are open, and those that were closed in the period."""
        self._desk, self._names = desk, Names(desk, until=until)
        self._open = {task.routine for task in opened if task.kind is TaskKind.ROUTINE}
        self._total = Counter(task.routine for task in opened if task.kind is TaskKind.ROUTINE)
        self._done, self._mended = Counter[str | None](), closed.mended
        for (routine, status), count in closed.of_routines.items():
            self._total[routine] += count
            self._done[routine] += count if status in DONE else 0

    def lines(self, by_routine: Mapping[str, Sequence[Tally]]) -> tuple[Planned, ...]:
        """Return the first lines, at most MOST_PLANNED, in the order that a reader wants them."""
        ranked = sorted(by_routine.items(), key=lambda item: self._rank(*item))
        return tuple(
            Planned(name=self._names.routine(routine), text=self._text(routine, runs), tone=self._tone(routine, runs))
            for routine, runs in ranked[:MOST_PLANNED]
        )

    def _rank(self, routine: str, runs: Sequence[Tally]) -> tuple[int, bool, str]:
        had_trouble = routine in self._mended or bool(_troubled(runs))
        return _SEVERITY.index(self._tone(routine, runs)), not had_trouble, self._names.routine(routine).lower()

    def is_done(self, routine: str, runs: Sequence[Tally]) -> bool:
        """Tell whether a routine is fine and nobody has work left of it."""
        return is_fine(runs) and routine not in self._open

    def _tone(self, routine: str, runs: Sequence[Tally]) -> Tone:
        if is_fine(runs):
            return "live" if routine in self._open else "fine"
        return "look" if that_ran(runs) or ran_partly(runs) else "nothing"

    def _text(self, routine: str, runs: Sequence[Tally]) -> str:
        ran = that_ran(runs)
        words = [self._recovery(routine, ran) or self._said(ran)]
        if count_runs(ran) > 1 and not _troubled(runs):
            words.append(plural(count_runs(ran), "run"))
        if self._total[routine]:
            words.append(f"{count_words(self._done[routine])} of {plural(self._total[routine], 'task')} done")
        words += self._left_out(runs)
        told = ", ".join(word for word in words if word)
        return told or (f"fine {self._moment(ran[-1].last)}" if ran else "")

    def _moment(self, run_id: int) -> str:
        """Return when a run ended."""
        run = self._desk.books.runs.get(run_id)
        return self._names.moment(run.finished_at or run.created_at)

    def _recovery(self, routine: str, ran: Sequence[Tally]) -> str:
        """Return `failed 2 of 96 runs, fine since today 04:10`, where something had been wrong."""
        troubled, count = _troubled(ran), self._mended.get(routine, 0)
        if not ran or not (troubled or count):
            return ""
        runs = self._desk.books.runs
        good = runs.good_after(troubled[-1].last) if troubled else runs.get(min(one.first for one in ran))
        since = f", fine since {self._names.moment(good.finished_at)}" if good and good.finished_at else ""
        if not troubled:
            return f"failed {times_words(count)} before{since}"
        warned = all(one.status is RunStatus.WARNING for one in troubled)
        verb = "something to look at in" if warned else "failed"
        return f"{verb} {count_words(count_runs(troubled))} of {plural(count_runs(ran), 'run')}{since}"

    def _said(self, ran: Sequence[Tally]) -> str:
        """Return what the newest run's automated steps said, where that is more than a count of rows."""
        if not ran:
            return ""
        records = self._desk.books.steps.of_run(ran[-1].last)
        said = [
            one.outcome.message for one in records if one.outcome and one.kind not in ("task", "checklist", "query")
        ]
        message = next((message for message in reversed(said) if message), "")
        return sentence(message).rstrip(".") if message else ""

    def _left_out(self, runs: Sequence[Tally]) -> list[str]:
        """Return what did not run and why, counted: `skipped 48 times (the one before still ran)`."""
        missed = count_runs([one for one in runs if one.status is RunStatus.MISSED and one.reason == COALESCED])
        words = [f"{count_words(missed)} older {'one' if missed == 1 else 'ones'} missed"] if missed else []
        cancelled = count_runs([one for one in runs if one.status is RunStatus.CANCELLED])
        reasons: dict[str, int] = defaultdict(int)
        for one in runs:
            if one.status is RunStatus.SKIPPED:
                reasons[_WHY_LEFT_OUT.get(one.reason, one.reason)] += one.runs
        words += [f"skipped {times_words(count)} ({why})" for why, count in reasons.items()]
        return [*words, f"ended {times_words(cancelled)} by hand"] if cancelled else words


def _troubled(runs: Sequence[Tally]) -> list[Tally]:
    return [one for one in that_ran(runs) if one.status is not RunStatus.SUCCEEDED]
