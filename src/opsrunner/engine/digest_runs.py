"""Routines whose newest run was not a success, in a digest's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_names import Names
from opsrunner.engine.digest_said import MOST_NAMED, listed, outcome_words, sentence, shortened
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.ledger.ends import Tally
from opsrunner.model.digest import OpenItem, Tone
from opsrunner.model.outcome import StepStatus
from opsrunner.model.run import Run, RunStatus, StepRecord
from opsrunner.model.task import Task, TaskStatus

LEFT_OUT = (RunStatus.SKIPPED, RunStatus.CANCELLED)
COALESCED = "coalesced"
"""The reason of an occurrence that a later one stands for."""
OVERLAP = "overlap"
"""The reason of one that was due while the run before it went on."""
_WORDS: Mapping[RunStatus, tuple[Tone, str]] = {
    RunStatus.WARNING: ("look", "Look"),
    RunStatus.FAILED: ("failed", "Failed"),
    RunStatus.INTERRUPTED: ("failed", "Cut off"),
    RunStatus.MISSED: ("failed", "Missed"),
}
_WHY_MISSED = {"window": "when opsrunner was back it was too late to catch up", "policy": "it is not caught up"}
_WHY_CUT_OFF = {
    "crash": "opsrunner or the machine stopped while it ran",
    "fault": "opsrunner itself could not go on with it",
    "shutdown": "it was ended at a shutdown",
}


def that_ran(ends: Sequence[Tally]) -> list[Tally]:
    """Return the ends that say how a routine is: neither left out on purpose nor stood for by a later one."""
    return [one for one in ends if one.status not in LEFT_OUT and one.reason != COALESCED]


def stands_alone(task: Task) -> bool:
    """Tell whether a task could not be done and no run's end says so: it stands in a digest by itself."""
    return task.status is TaskStatus.COULD_NOT and not task.holds_run


def count_runs(ends: Sequence[Tally]) -> int:
    """Return how many runs ended."""
    return sum(one.runs for one in ends)


class RunWords:
    """Says of troubled routines what a reader must know: what was found, how often, what was the last good one."""

    def __init__(self, desk: Desk, names: Names, *, until: datetime) -> None:
        self._desk, self._names, self._until = desk, names, until
        self._zone = ZoneInfo(desk.site().timezone)

    def item(self, ran: Sequence[Tally], *, opened: Sequence[Task]) -> OpenItem:
        """Return the item of a routine: `ran` are all its ends of the period that ran, `opened` its open tasks."""
        newest = self._desk.books.runs.get(ran[-1].last)
        tone, word = _WORDS[newest.status]
        title, facts = self._told(newest, ran, opened)
        good = self._desk.books.ends.good(newest.routine)
        age_days = self._age_days(newest)
        last_good = self._last_good(good) if good or age_days or count_runs(ran) > 1 else ""
        return OpenItem(
            tone=tone,
            word=word,
            title=title,
            facts=" ".join(part for part in (*facts, last_good) if part),
            with_whom=self._with_whom(newest, opened),
            age_days=age_days,
            task=opened[0].id if len(opened) == 1 else None,
            run=newest.id,
            command="opsrunner tasks" if len(opened) > 1 else "",
            short=shortened(self._names.routine(newest.routine)),
        )

    def _told(self, run: Run, ran: Sequence[Tally], opened: Sequence[Task]) -> tuple[str, list[str]]:
        """Return the title and what was found."""
        name = self._names.routine(run.routine)
        if run.status is RunStatus.MISSED:
            return name, [self._missed(run, [one for one in ran if one.status is RunStatus.MISSED])]
        often = self._often(run, ran)
        record = self._decisive(run)
        if record is None or record.outcome is None:
            return name, [self._left_undone(run), often]
        title = self._names.step(run.routine, record.id)
        if run.status is RunStatus.WARNING and opened:
            return name, [self._tasks(opened), often]
        if run.status is RunStatus.INTERRUPTED:
            return title, [sentence(_WHY_CUT_OFF.get(run.reason, run.reason or "it was cut off")), often]
        rule = self._names.rule(run.routine, record.id)
        return title, [sentence(outcome_words(record.outcome, rule=rule)), often]

    def _decisive(self, run: Run) -> StepRecord | None:
        """Return the step that made the run what it is: the first of the worst."""
        records = [record for record in self._desk.books.steps.of_run(run.id) if record.outcome is not None]
        bad = [one for one in records if one.outcome is not None and one.outcome.ended_badly]
        warned = [one for one in records if one.status is StepStatus.WARNING]
        return next(iter(bad or warned), None)

    def _left_undone(self, run: Run) -> str:
        """Return which tasks of a run nobody did: `2 of 13 tasks were not done: …`."""
        tasks = [task for task in self._desk.books.tasks.of_run(run.id) if not stands_alone(task)]
        left = [task for task in tasks if task.status in (TaskStatus.MISSED, TaskStatus.COULD_NOT)]
        if not left:
            return sentence(run.reason or run.status.value)
        named = [
            f"{task.title.rstrip('.')}{_could_not(task) if task.status is TaskStatus.COULD_NOT else ''}"
            for task in left[:MOST_NAMED]
        ]
        verb = "was" if len(left) == 1 else "were"
        count = f"{count_words(len(left))} of {plural(len(tasks), 'task')} {verb} not done"
        return sentence(f"{count}: {listed(named, total=len(left), apart='; ')}")

    def _tasks(self, opened: Sequence[Task]) -> str:
        first, more = opened[0], len(opened) - 1
        due = f"; due {self._names.moment(first.due_at)}" if first.due_at is not None else ""
        rest = f", and {count_words(more)} more" if more else ""
        return sentence(f"{first.title.rstrip('.')}{rest}{due}")

    def _often(self, run: Run, ran: Sequence[Tally]) -> str:
        alike, total = count_runs([one for one in ran if one.status is run.status]), count_runs(ran)
        if alike == total:
            return f"So in all {plural(alike, 'run')}." if alike > 2 else ""
        return f"So in {count_words(alike)} of {plural(total, 'run')}."

    def _missed(self, newest: Run, missed: Sequence[Tally]) -> str:
        """Return `Did not run, due Sat 02:30 and Sun 02:30: …`."""
        oldest = self._desk.books.runs.get(min(one.first for one in missed))
        first, last = (self._names.moment(run.nominal_at or run.created_at) for run in (oldest, newest))
        count = count_runs(missed)
        when = {1: f"due {first}", 2: f"due {first} and {last}"}.get(
            count, f"{count_words(count)} times from {first} to {last}"
        )
        return f"Did not run, {when}: {_WHY_MISSED.get(newest.reason, newest.reason)}."

    def _last_good(self, good: datetime | None) -> str:
        return "It has not been fine yet." if good is None else f"Last fine {self._names.moment(good)}."

    def _with_whom(self, run: Run, opened: Sequence[Task]) -> str:
        return self._names.with_whom(opened[0]) if opened else self._names.accountable(run.routine)

    def _age_days(self, run: Run) -> int:
        """Return for how many days the routine has not been fine."""
        since = self._desk.books.ends.trouble_since_good(run.routine)
        began = (since or run.created_at).astimezone(self._zone).date()
        return max(0, (self._until.astimezone(self._zone).date() - began).days)


def _could_not(task: Task) -> str:
    return f" (could not: {task.evidence.note})" if task.evidence.note else " (could not be done)"
