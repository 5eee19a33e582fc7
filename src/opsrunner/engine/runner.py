"""Sets runs on their way: what is claimed just now, what is taken up again, and what a person asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from opsrunner.engine.course import Course, CourseTools, Pause
from opsrunner.engine.events import RunEvent, ignore
from opsrunner.engine.frozen import frozen_routine
from opsrunner.engine.stopping import StopWord
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus

Walk = Iterator[Pause]
BY_HAND_PATIENCE_SECONDS = 10.0
"""How long a person waits for a state that cannot be written."""


class Runner:
    """Makes the walks of runs."""

    def __init__(self, tools: CourseTools) -> None:
        self._tools = tools
        self.marks = tools.marks

    def fresh(self, run: Run, routine: Routine, stop: StopWord) -> Walk:
        """Return the walk of a run that was claimed just now under `routine` as it is in force."""
        return Course(self._tools, run, routine, records={}, stop=stop).walk()

    def again(
        self,
        run_id: int,
        stop: StopWord,
        tell: Callable[[RunEvent], None] = ignore,
        *,
        patience_seconds: float | None = None,
    ) -> Walk:
        """Return the walk of any run that is `running`, from where it stands, under the routine frozen with it."""
        books = self._tools.books
        run = books.runs.get(run_id)
        routine = frozen_routine(books, run)
        records = {record.id: record for record in books.steps.of_run(run_id)}
        course = Course(
            self._tools, run, routine, records=records, stop=stop, tell=tell, patience_seconds=patience_seconds
        )
        yield from course.walk()

    def execute(self, run_id: int, stop: StopWord, tell: Callable[[RunEvent], None]) -> Run:
        """Take a run that is `running` as far as it goes, and return it as it then stands."""
        for _ in self.again(run_id, stop, tell, patience_seconds=BY_HAND_PATIENCE_SECONDS):
            pass
        return self.left(run_id, stop)

    def left(self, run_id: int, stop: StopWord) -> Run:
        """Return a run as its walk left it; one that was cancelled just as it came to wait is ended now."""
        runs = self._tools.books.runs
        run = runs.get(run_id)
        if stop.reason == "asked" and run.status is RunStatus.WAITING:
            runs.finish(run_id, status=RunStatus.CANCELLED, reason="asked", at=self._tools.clock.now())
            return runs.get(run_id)
        return run
