"""Follow-ups: the task that opens because a step failed, counts the repeats and closes at the next success."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from opsrunner.engine.alerts import INTERRUPTED_KEY, Alerts
from opsrunner.engine.asking import again_words, below_words, is_asked
from opsrunner.engine.desk import Desk
from opsrunner.engine.earlier_questions import MESSAGE_LENGTH, with_earlier
from opsrunner.engine.tasks import BY_CHECK, BY_SOURCE, OUTCOME_LENGTH
from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.model.outcome import Part
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus

CUT_OFF = "opsrunner or the machine stopped while it ran; nobody knows how far it came"


class FollowUps:
    """At most one open for a routine's step and what it failed for (a host, a row, or the step as a whole)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._alerts = Alerts(desk)

    def failed(
        self, run: Run, routine: Routine, plan: StepPlan, *, key: str, message: str, at: datetime
    ) -> tuple[Task, bool]:
        """Open the follow-up of a failure, or count one more on the open one; tell whether it is new.

        `key` is '' for the step as a whole. Only an opening sends a mail.
        """
        return self.failed_for(run, routine, plan, bad=[(key, message)], at=at)[0]

    def failed_for(
        self, run: Run, routine: Routine, plan: StepPlan, *, bad: Sequence[tuple[str, str]], at: datetime
    ) -> list[tuple[Task, bool]]:
        """Do as `failed` for each (key, message) of one end of a step, with one mail for all that are new.

        What is said of one key more than once is one failure of it, and its message says all of it.
        An urgent step's mail is sent apart (`Alerts.urgent_failure`), not twice.
        """
        with self._desk.books.transaction():
            if (row := self._row(run, routine)) is not None:
                bad = [(row, "; ".join(f"{key}: {message}" if key else message for key, message in bad))]
            said = _by_key(bad).items()
            news = [_look_at(run, routine, plan, key=key, message=message, at=at) for key, message in said]
            ends = [self._count(new, run, acts_once=plan.acts_once) for new in news]
            if not plan.urgent:
                self._alerts.follow_ups_opened([task for task, is_new in ends if is_new], at)
        return ends

    def succeeded(
        self, run: Run, routine: Routine, plan: StepPlan, *, keys: Collection[str], at: datetime
    ) -> list[Task]:
        """Close the open follow-ups about `keys`, and return them with their evidence.

        The key '' says that the step as a whole succeeded: then all that is open about it closes, also for
        hosts and rows that are no longer there.
        """
        row = self._row(run, routine)
        if not keys or (row is not None and "" not in keys):
            return []
        mended = set(keys) if row is None else {row}
        closed: list[Task] = []
        for task in self._open(routine, plan):
            if "" not in mended and task.key not in mended:
                continue
            times = "1 failure" if task.count == 1 else f"{task.count} failures"
            if task.key == INTERRUPTED_KEY:
                times = "it was cut off"
            evidence = Evidence(outcome=f"succeeded again in run {run.id} after {times}")
            if self._desk.books.tasks.close(task.id, status=TaskStatus.DONE, by=BY_CHECK, evidence=evidence, at=at):
                closed.append(self._desk.books.tasks.get(task.id))
        return closed

    def unlisted(
        self, run: Run, routine: Routine, plan: StepPlan, *, listed: Collection[str], at: datetime
    ) -> list[Task]:
        """Close what is open for hosts and rows that a step no longer comes to, and return it.

        `listed` are all that it came to now: what is gone can never succeed again, and a cause that nothing
        has would stand open until every other one is mended.
        """
        gone: list[Task] = []
        if self._row(run, routine) is not None:
            return gone
        kept = {"", INTERRUPTED_KEY, *listed}
        for task in self._open(routine, plan):
            if task.key in kept:
                continue
            said = f"no longer listed in run {run.id}; failed last: {task.message}"
            evidence = Evidence(outcome=clean_line(said, length=OUTCOME_LENGTH))
            if self._desk.books.tasks.close(task.id, status=TaskStatus.DONE, by=BY_SOURCE, evidence=evidence, at=at):
                gone.append(self._desk.books.tasks.get(task.id))
        return gone

    def interrupted(
        self,
        run: Run,
        routine: Routine,
        plan: StepPlan,
        *,
        parts: Sequence[Part] = (),
        message: str = CUT_OFF,
        at: datetime,
    ) -> tuple[Task, bool]:
        """Ask a person about a step that was cut off, and tell whether the question is new.

        `parts` are those of the step; the question names the ones that were cut off.
        """
        named = ", ".join(part.key for part in parts if part.was_cut_off)
        message = f"{named}: {message}" if named else message
        with self._desk.books.transaction():
            key = self._row(run, routine) or INTERRUPTED_KEY
            cut_off = _cut_off(run, routine, plan, key=key, message=message, at=at)
            task, is_new = self._count(cut_off, run, acts_once=plan.acts_once)
            if is_new:
                self._alerts.follow_up_opened(task, at)
        return task, is_new

    def is_for_row(self, run: Run, routine: Routine) -> bool:
        """Tell whether a run is for one row; a routine that runs for rows may have a schedule, too."""
        return self._row(run, routine) is not None

    def _row(self, run: Run, routine: Routine) -> str | None:
        """Return the key of the row that a run is for: its follow-ups are about that row, and no other run closes them.

        None where it is for none.
        """
        if routine.on_rows is None:
            return None
        return self._desk.books.known_rows.keys_of([run.id]).get(run.id)

    def _open(self, routine: Routine, plan: StepPlan) -> list[Task]:
        return self._desk.books.tasks.open_of_step(routine.id, plan.id, TaskKind.FOLLOW_UP)

    def _count(self, new: NewTask, run: Run, *, acts_once: bool) -> tuple[Task, bool]:
        """Open, or count one more; a run that is told of twice (after a crash) counts once.

        About an act that is never repeated, what was said before stays: no later run answers that.
        """
        tasks = self._desk.books.tasks
        found = tasks.open_about(new.routine, new.item, new.kind, new.key)
        if found is None:
            return tasks.open(new)
        if found.run != run.id:
            said = with_earlier(new.message, before=found.message, run=found.run) if acts_once else new.message
            tasks.repeat(found.id, message=said, run=run.id, how=new.how)
        return tasks.get(found.id), False


def _by_key(bad: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return each key once, with all that is said of it, nothing twice."""
    said: dict[str, dict[str, None]] = {}
    for key, message in bad:
        said.setdefault(key, {})[message] = None
    return {key: "; ".join(messages) for key, messages in said.items()}


def _look_at(run: Run, routine: Routine, plan: StepPlan, *, key: str, message: str, at: datetime) -> NewTask:
    place = clean_line(key, length=60)
    how = _once_how(run, plan, below_words(routine)) or (
        f"1. See what happened: `opsrunner show {run.id}` and `opsrunner logs {run.id} {plan.id}`.\n"
        "2. Put the cause right.\n"
        f"3. {again_words(routine, run_it='Run it again')} This closes by itself when the step succeeds."
        f"{below_words(routine)}"
    )
    title = f"Look at why {_what(routine, plan)} failed{f' for {place}' if place else ''}"
    return _follow_up(run, routine, plan, key=key, title=title, how=how, message=message, at=at)


def _cut_off(run: Run, routine: Routine, plan: StepPlan, *, key: str, message: str, at: datetime) -> NewTask:
    closes = "" if plan.is_human else " This closes by itself when the step succeeds."
    how = _once_how(run, plan, below_words(routine)) or (
        f"1. See how far it came: `opsrunner logs {run.id} {plan.id}`, and look at what it works on.\n"
        "2. Put right what is half done.\n"
        f"3. {again_words(routine, run_it='Run it again if it is safe')}{closes}{below_words(routine)}"
    )
    place = "" if key == INTERRUPTED_KEY else f" for {clean_line(key, length=60)}"
    title = f"See how far {_what(routine, plan)} came{place} before it was cut off"
    return _follow_up(run, routine, plan, key=key, title=title, how=how, message=message, at=at)


def _once_how(run: Run, plan: StepPlan, below: str) -> str:
    """Return what to do about an act that is never repeated; nothing for any other step."""
    if not plan.acts_once:
        return ""
    return (
        f"1. See whether it happened after all: `opsrunner logs {run.id} {plan.id}`, and look there where it acts.\n"
        "2. Do by hand what is missing: it is an act that must not happen twice, so no run does it again.\n"
        f"3. Tick this. No later success closes it: that would say nothing about this one.{below}"
    )


def _what(routine: Routine, plan: StepPlan) -> str:
    return f"'{routine.name}'" if is_asked(routine) else f"{plan.name or plan.id} of {routine.name}"


def _follow_up(
    run: Run, routine: Routine, plan: StepPlan, *, key: str, title: str, how: str, message: str, at: datetime
) -> NewTask:
    return NewTask(
        kind=TaskKind.FOLLOW_UP,
        run=run.id,
        routine=routine.id,
        step=plan.id,
        item=plan.id,
        key=key,
        title=clean_line(title),
        how=how,
        role=routine.accountable,
        expires="never",
        message=clean_text(message)[:MESSAGE_LENGTH],
        opened_at=at,
        opened_by="opsrunner",
    )
