"""What a look for rows shows beside new ones: that it fails, and that the row of an open task is gone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from opsrunner.engine.alerts import Alerts
from opsrunner.engine.desk import Desk
from opsrunner.engine.task_texts import state_words
from opsrunner.engine.tasks import BY_CHECK, BY_SOURCE, OUTCOME_LENGTH
from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.model.routine import Routine
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus

STEP = "its rows"
"""What the follow-up stands under; no step's id has a space."""
MESSAGE_LENGTH = 2_000


class LookProblems:
    """At most one follow-up a routine for its looks: it counts, and closes when one succeeds. Call in a transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._alerts = Alerts(desk)

    def tell(self, routine: Routine, message: str, *, at: datetime) -> None:
        """Open the follow-up, which sends one mail, or count one more."""
        tasks, text = self._desk.books.tasks, clean_text(message)[:MESSAGE_LENGTH]
        found = tasks.open_about(routine.id, STEP, TaskKind.FOLLOW_UP, "")
        if found is not None:
            tasks.repeat(found.id, message=text, run=None)
            return
        task, _ = tasks.open(_follow_up(routine, text, at=at))
        self._alerts.follow_up_opened(task, at)

    def mended(self, routine: Routine, *, at: datetime) -> None:
        """Close the follow-up: a look has succeeded."""
        for task in self._desk.books.tasks.open_of_step(routine.id, STEP, TaskKind.FOLLOW_UP):
            times = "1 failure" if task.count == 1 else f"{task.count} failures"
            self._close(task, BY_CHECK, f"the rows were looked at again after {times}", at=at)

    def close_gone(self, routine: Routine, keys: Collection[str], *, at: datetime) -> None:
        """Close the tasks with `closes_when_gone` whose row the source shows no longer; `keys` are all it shows."""
        opened = self._desk.books.tasks.opened(routine=routine.id)
        waiting = [task for task in opened if task.closes_when_gone and task.kind is TaskKind.ROUTINE]
        if not waiting:
            return
        rows = self._desk.books.known_rows.keys_of({task.run for task in waiting if task.run is not None})
        for task in waiting:
            key = rows.get(task.run or 0)
            if key is not None and key not in keys:
                self._close(task, BY_SOURCE, f"no longer listed; last seen: {state_words(task.row)}", at=at)

    def _close(self, task: Task, by: str, outcome: str, *, at: datetime) -> None:
        evidence = Evidence(outcome=clean_line(outcome, length=OUTCOME_LENGTH))
        self._desk.books.tasks.close(task.id, status=TaskStatus.DONE, by=by, evidence=evidence, at=at)


def _follow_up(routine: Routine, message: str, *, at: datetime) -> NewTask:
    source = routine.on_rows.source if routine.on_rows is not None else ""
    how = (
        f"{routine.name} runs for each new row of `{source}`, and what it found there cannot be used: see above.\n\n"
        f"1. Put right the source `{source}` in `opsrunner.yaml`, what it reads, or `on_rows` in `{routine.file}`.\n"
        "2. Nothing is lost: what is new by the next look that succeeds gets its run then. "
        "This closes by itself with that look."
    )
    return NewTask(
        kind=TaskKind.FOLLOW_UP,
        run=None,
        routine=routine.id,
        step=STEP,
        item=STEP,
        key="",
        title=clean_line(f"Look at why {routine.name} cannot look for its rows"),
        how=how,
        role=routine.accountable,
        expires="never",
        message=message,
        opened_at=at,
        opened_by="opsrunner",
    )
