"""What people do to routines and runs: run, run again, cancel, pause, resume, skip. Each with its record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.config.freezing import freeze
from opsrunner.engine.desk import Desk
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.mail.headers import clean_line
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run
from opsrunner.model.schedule import Occurrence
from opsrunner.schedules.due import upcoming

REASON_LENGTH = 500
LOOK_AHEAD = 500


class RoutineActs:
    """Every method writes the act and its record together. Raises NotFound, UsageError or Refused."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def ask_for_run(
        self, routine: str, *, actor: str, at: datetime, rerun_of: int | None = None, address: str = "cli"
    ) -> int:
        """Ask the daemon for a run now, or for another try of one; return the request's id."""
        if routine not in self._desk.site().routines:
            raise NotFound(f"there is no routine '{routine}' in force")
        detail = "now" if rerun_of is None else f"again for run {rerun_of}"
        with self._desk.books.transaction():
            asked = self._desk.books.requests.ask_for_run(routine, actor=actor, at=at, rerun_of=rerun_of)
            self._record("ask for a run", f"routine {routine}", detail, actor=actor, at=at, address=address)
        return asked

    def ask_hosts(self, question: Routine, *, actor: str, at: datetime, about: int, address: str = "cli") -> int:
        """Ask the daemon to put a question to hosts that stands in no file; return the request's id.

        `about` is the task that it came from.
        """
        frozen = freeze(question)
        with self._desk.books.transaction():
            asked = self._desk.books.requests.ask_for_run(question.id, actor=actor, at=at, frozen=frozen)
            self._record("ask the others", f"task {about}", question.name, actor=actor, at=at, address=address)
        return asked

    def ask_to_cancel(self, run: Run, *, actor: str, at: datetime, address: str = "cli") -> int:
        """Ask the daemon to stop a run; return the request's id."""
        if run.status.is_final:
            raise Refused(f"run {run.id} has ended already: {run.status.value}")
        with self._desk.books.transaction():
            asked = self._desk.books.requests.ask_to_cancel(run.id, actor=actor, at=at)
            self._record("cancel", f"run {run.id}", "", actor=actor, at=at, address=address)
        return asked

    def pause(
        self, routine: Routine, *, until: datetime, reason: str, actor: str, at: datetime, address: str = "cli"
    ) -> None:
        """Leave a routine out until a moment; it resumes by itself."""
        if until <= at:
            raise UsageError("a pause has to end in the future")
        said = checked_reason(reason)
        with self._desk.books.transaction():
            self._desk.books.holds.pause(routine.id, until=until, reason=said, actor=actor, at=at)
            detail = f"until {until.isoformat()}: {said}"
            self._record("pause", f"routine {routine.id}", detail, actor=actor, at=at, address=address)

    def resume(self, routine: Routine, *, actor: str, at: datetime, address: str = "cli") -> None:
        """End a pause now."""
        with self._desk.books.transaction():
            if not self._desk.books.holds.resume(routine.id, actor=actor, at=at):
                raise Refused(f"{routine.id} is not paused")
            self._record("resume", f"routine {routine.id}", "", actor=actor, at=at, address=address)

    def skip(
        self,
        routine: Routine,
        chosen: Sequence[Occurrence],
        *,
        reason: str,
        actor: str,
        at: datetime,
        address: str = "cli",
    ) -> None:
        """Leave out these due times."""
        said = checked_reason(reason)
        with self._desk.books.transaction():
            for occurrence in chosen:
                nominal_at = occurrence.nominal_at
                self._desk.books.holds.skip(routine.id, nominal_at=nominal_at, reason=said, actor=actor, at=at)
                detail = f"{nominal_at.isoformat()}: {said}"
                self._record("skip", f"routine {routine.id}", detail, actor=actor, at=at, address=address)

    def skip_next(
        self, routine: Routine, *, nominal_at: datetime, reason: str, actor: str, at: datetime, address: str = "cli"
    ) -> None:
        """Leave out the next due time, which somebody took to be this one. Raises Refused where it is another one."""
        with self._desk.books.transaction():
            chosen = self.to_skip(routine, at=at)[:1]
            if chosen[0].nominal_at != nominal_at:
                raise Refused(
                    "the time that this form named is not the next to be skipped any more: it has come, or is left out"
                    " already; load the page again"
                )
            self.skip(routine, chosen, reason=reason, actor=actor, at=at, address=address)

    def to_skip(self, routine: Routine, *, at: datetime) -> list[Occurrence]:
        """Return what is due after `at`, and left out neither by its schedule nor as asked, the next one first.

        Raises Refused where there is none.
        """
        coming = upcoming(routine.schedule, after=at, count=LOOK_AHEAD, almanac=self._desk.almanac())
        asked = {hold.nominal_at for hold in self._desk.books.holds.live(at) if hold.routine == routine.id}
        found = [
            occurrence for occurrence in coming if not occurrence.skip_reason and occurrence.nominal_at not in asked
        ]
        if not found:
            raise Refused(f"{routine.id} is not due again by itself: there is nothing to skip")
        return found

    def _record(self, action: str, subject: str, detail: str, *, actor: str, at: datetime, address: str) -> None:
        self._desk.books.audit.add(action, subject, actor=actor, at=at, detail=detail, address=address)


def checked_reason(text: str) -> str:
    """Return a reason as one line. Raises UsageError where there is none."""
    line = clean_line(text, length=REASON_LENGTH)
    if not line:
        raise UsageError("say why, in a few words: it stands in the history and the digest")
    return line
