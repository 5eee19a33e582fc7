"""What went as planned: one line a routine, what has recovered first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_names import Names
from opsrunner.engine.digest_runs import COALESCED, LEFT_OUT, that_ran
from opsrunner.engine.digest_said import sentence
from opsrunner.engine.digest_words import count_words, plural, times_words
from opsrunner.model.digest import Planned, Tone
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import Task, TaskKind, TaskStatus

MOST_PLANNED = 40
_SEVERITY: tuple[Tone, ...] = ("failed", "look", "live", "fine", "nothing")
_WHY_LEFT_OUT = {
    "overlap": "the one before still ran",
    "asked": "as asked",
    COALESCED: "a later one stood for them",
}


def is_fine(runs: Sequence[Run]) -> bool:
    """Tell whether something ran, and the newest of it was a success."""
    ran = that_ran(runs)
    return bool(ran) and ran[-1].status is RunStatus.SUCCEEDED


class PlannedWords:
    """Says of routines that are fine now what their runs came to."""

    def __init__(self, desk: Desk, *, until: datetime, opened: Sequence[Task], closed: Sequence[Task]) -> None:
        """Take the tasks that are open, and those that were closed in the period."""
        self._desk, self._names = desk, Names(desk, until=until)
        self._total, self._done, self._mended = Counter[str](), Counter[str](), dict[str, Task]()
        self._open = {task.routine for task in opened if task.kind is TaskKind.ROUTINE}
        for task in (*opened, *closed):
            if task.kind is TaskKind.ROUTINE and task.routine is not None:
                self._total[task.routine] += 1
                self._done[task.routine] += task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE)
        for task in closed:
            if task.kind is TaskKind.FOLLOW_UP and task.routine is not None:
                self._mended[task.routine] = task

    def lines(self, by_routine: Mapping[str, Sequence[Run]]) -> tuple[Planned, ...]:
        """Return the first lines, at most MOST_PLANNED, in the order that a reader wants them."""
        ranked = sorted(by_routine.items(), key=lambda item: self._rank(*item))
        return tuple(
            Planned(name=self._names.routine(routine), text=self._text(routine, runs), tone=self._tone(routine, runs))
            for routine, runs in ranked[:MOST_PLANNED]
        )

    def _rank(self, routine: str, runs: Sequence[Run]) -> tuple[int, bool, str]:
        had_trouble = routine in self._mended or bool(_troubled(runs))
        return _SEVERITY.index(self._tone(routine, runs)), not had_trouble, self._names.routine(routine).lower()

    def is_done(self, routine: str, runs: Sequence[Run]) -> bool:
        """Tell whether a routine is fine and nobody has work left of it."""
        return is_fine(runs) and routine not in self._open

    def _tone(self, routine: str, runs: Sequence[Run]) -> Tone:
        if is_fine(runs):
            return "live" if routine in self._open else "fine"
        return "look" if that_ran(runs) else "nothing"

    def _text(self, routine: str, runs: Sequence[Run]) -> str:
        ran = that_ran(runs)
        words = [self._recovery(routine, ran) or self._said(ran)]
        if len(ran) > 1 and not _troubled(runs):
            words.append(plural(len(ran), "run"))
        if self._total[routine]:
            words.append(f"{count_words(self._done[routine])} of {plural(self._total[routine], 'task')} done")
        words += self._left_out(runs)
        told = ", ".join(word for word in words if word)
        return told or (f"fine {self._names.moment(ran[-1].finished_at)}" if ran and ran[-1].finished_at else "")

    def _recovery(self, routine: str, ran: Sequence[Run]) -> str:
        """Return `failed 2 of 96 runs, fine since today 04:10`, where something had been wrong."""
        troubled, mended = _troubled(ran), self._mended.get(routine)
        if not ran or not (troubled or mended):
            return ""
        after = [run for run in ran if not troubled or run.id > troubled[-1].id]
        first = after[0].finished_at if after else None
        since = f", fine since {self._names.moment(first)}" if first is not None else ""
        if not troubled:
            count = mended.count if mended else 1
            return f"failed {times_words(count)} before{since}"
        warned = all(run.status is RunStatus.WARNING for run in troubled)
        verb = "something to look at in" if warned else "failed"
        return f"{verb} {count_words(len(troubled))} of {plural(len(ran), 'run')}{since}"

    def _said(self, ran: Sequence[Run]) -> str:
        """Return what the newest run's automated steps said, where that is more than a count of rows."""
        if not ran:
            return ""
        records = self._desk.books.steps.of_run(ran[-1].id)
        said = [
            one.outcome.message for one in records if one.outcome and one.kind not in ("task", "checklist", "query")
        ]
        message = next((message for message in reversed(said) if message), "")
        return sentence(message).rstrip(".") if message else ""

    def _left_out(self, runs: Sequence[Run]) -> list[str]:
        """Return what did not run and why, counted: `3 left out (paused)`."""
        missed = sum(run.status is RunStatus.MISSED and run.reason == COALESCED for run in runs)
        words = [f"{count_words(missed)} older {'one' if missed == 1 else 'ones'} missed"] if missed else []
        reasons: dict[str, int] = defaultdict(int)
        for run in runs:
            if run.status in LEFT_OUT:
                why = _WHY_LEFT_OUT.get(run.reason, run.reason)
                reasons["ended by hand" if run.status is RunStatus.CANCELLED else f"left out ({why})"] += 1
        return words + [f"{count_words(count)} {reason}" for reason, count in reasons.items()]


def _troubled(runs: Sequence[Run]) -> list[Run]:
    return [run for run in that_ran(runs) if run.status is not RunStatus.SUCCEEDED]
