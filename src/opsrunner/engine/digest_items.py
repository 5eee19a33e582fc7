"""The open items of a digest: what its readers must act on, and what others have in hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk, routine_names
from opsrunner.engine.digest_tasks import TaskWords
from opsrunner.engine.digest_words import count_words, day_words, plural
from opsrunner.engine.people import People
from opsrunner.model.digest import OpenItem
from opsrunner.model.outcome import StepStatus
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import Task, TaskKind

MOST_ALIKE = 3
"""More tasks than this that one step of one routine opened stand as one item."""
_TROUBLE = (RunStatus.WARNING, RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.MISSED)


@dataclass(frozen=True, kw_only=True)
class Open:
    """What is open. `routines` are those that an item stands for."""

    needs_you: tuple[OpenItem, ...]
    in_hand: tuple[OpenItem, ...]
    routines: frozenset[str]


def open_items(desk: Desk, runs: Sequence[Run], *, until: datetime, loaded: Loaded) -> Open:
    """Return everything open at `until`, the most pressing first; `runs` are those the digest tells of."""
    return _Collector(desk, until).collect(runs, loaded)


class _Collector:
    def __init__(self, desk: Desk, until: datetime) -> None:
        self._desk, self._until = desk, until
        self._people = People(desk)
        self._zone = ZoneInfo(desk.site().timezone)
        self._names = routine_names(desk)
        self._words = TaskWords(desk, self._people, until=until, names=self._names)
        self._readers = {
            person.id: person for name in desk.site().digest.to for person in self._people.persons(name, at=until)
        }

    def collect(self, runs: Sequence[Run], loaded: Loaded) -> Open:
        tasks = self._desk.books.tasks.opened()
        mine, others = self._from_tasks(tasks)
        told = {task.routine for task in tasks if task.kind is TaskKind.FOLLOW_UP}
        in_trouble = self._from_runs(runs, told=told)
        needs = [*mine, *self._from_mails()]
        hand = [*others, *in_trouble.values(), *self._from_files(loaded)]
        late = {task.routine for task in tasks if task.is_late(self._until)}
        routines = {name for name in (*told, *in_trouble, *late) if name}
        return Open(needs_you=_ranked(needs), in_hand=_ranked(hand), routines=frozenset(routines))

    def _from_tasks(self, tasks: Sequence[Task]) -> tuple[list[OpenItem], list[OpenItem]]:
        mine: list[OpenItem] = []
        others: list[OpenItem] = []
        for is_mine, alike in self._grouped(tasks):
            items = self._words.items(alike, together=len(alike) > MOST_ALIKE)
            (mine if is_mine else others).extend(items)
        return mine, others

    def _grouped(self, tasks: Sequence[Task]) -> list[tuple[bool, list[Task]]]:
        """Group tasks that read alike: what is plainly due of one checklist, or of one step's rows."""
        groups: dict[tuple[object, ...], list[Task]] = defaultdict(list)
        for task in tasks:
            is_mine = self._needs_a_reader(task)
            late = task.is_late(self._until)
            if not is_mine and not late and not self._is_news(task):
                continue
            if task.kind is not TaskKind.ROUTINE or task.approve_by:
                groups[(is_mine, task.id)].append(task)
            else:
                groups[(is_mine, late, task.routine, late and task.step)].append(task)
        return [(bool(key[0]), alike) for key, alike in groups.items()]

    def _needs_a_reader(self, task: Task) -> bool:
        """Tell whether a task is a reader's own, or escalated to one; standing in for nobody counts once it is late."""
        for reader in self._readers.values():
            owner = self._people.of_task(task, at=self._until)
            if (owner is not None and owner.id == reader.id) or task.role in reader.roles:
                return True
            if self._people.is_escalated_to(task, reader, at=self._until):
                return True
            if task.is_late(self._until) and self._people.is_for(task, reader, at=self._until):
                return True
        return False

    def _is_news(self, task: Task) -> bool:
        """Tell whether others' task is worth a line before it is late: a failure, or one that has lain for a day."""
        if task.kind is TaskKind.FOLLOW_UP:
            return True
        return task.key is not None and self._until - task.opened_at >= timedelta(days=1)

    def _from_runs(self, runs: Sequence[Run], *, told: set[str | None]) -> dict[str, OpenItem]:
        """Return an item for each routine whose newest run was not a success and that no follow-up stands for."""
        newest: dict[str, Run] = {}
        for run in runs:
            if run.status not in (RunStatus.SKIPPED, RunStatus.CANCELLED) and run.reason != "coalesced":
                newest[run.routine] = run
        return {
            routine: self._trouble(run, runs)
            for routine, run in newest.items()
            if run.status in _TROUBLE and routine not in told
        }

    def _trouble(self, run: Run, runs: Sequence[Run]) -> OpenItem:
        name = self._names.get(run.routine, run.routine)
        tone, word = {
            RunStatus.WARNING: ("look", "Look"),
            RunStatus.MISSED: ("failed", "Missed"),
        }.get(run.status, ("failed", "Failed"))
        return OpenItem(
            tone="look" if tone == "look" else "failed",
            word=word,
            title=name,
            facts=self._why(run, runs),
            with_whom=self._tasks_of(run) or self._accountable(run.routine),
            run=run.id,
            short=name.lower(),
        )

    def _why(self, run: Run, runs: Sequence[Run]) -> str:
        alike = [other for other in runs if other.routine == run.routine and other.status is run.status]
        often = f" {count_words(len(alike))} times." if len(alike) > 1 else ""
        if run.status is RunStatus.MISSED:
            due = run.nominal_at.astimezone(self._zone) if run.nominal_at else None
            when = f" at {day_words(due.date())} {due:%H:%M}" if due else ""
            why = {"window": "it was too late to catch up", "policy": "it does not catch up"}.get(
                run.reason, run.reason
            )
            return f"Was due{when} and did not run: {why}.{often}"
        said = self._step_words(run)
        good = self._desk.books.runs.last(run.routine, RunStatus.SUCCEEDED)
        last = ""
        if good is not None and good.finished_at is not None:
            moment = good.finished_at.astimezone(self._zone)
            last = f" Last fine {day_words(moment.date())} {moment:%H:%M}."
        return f"{said}.{often}{last}"

    def _step_words(self, run: Run) -> str:
        for record in self._desk.books.steps.of_run(run.id):
            bad = record.status.is_bad or record.status in (StepStatus.WARNING, StepStatus.INTERRUPTED)
            if bad and record.outcome is not None:
                return f"{record.id}: {record.outcome.message}".rstrip(".")
        return run.reason or run.status.value

    def _tasks_of(self, run: Run) -> str:
        """Return who has the tasks that a run opened: `2 tasks with sysadmin`."""
        opened = [task for task in self._desk.books.tasks.of_run(run.id) if task.is_open]
        if not opened:
            return ""
        owner = self._people.of_task(opened[0], at=self._until)
        return f"{plural(len(opened), 'task')} with {owner.name if owner else opened[0].role}"

    def _accountable(self, routine: str) -> str:
        found = self._desk.site().routines.get(routine)
        if found is None:
            return ""
        persons = self._people.persons(found.accountable, at=self._until)
        names = persons[0].name if len(persons) == 1 else found.accountable
        return names if names == found.accountable else f"{names} ({found.accountable})"

    def _from_mails(self) -> list[OpenItem]:
        lost = self._desk.books.outbox.given_up(since=self._until - timedelta(days=1))
        return [
            OpenItem(
                tone="failed",
                word="Undelivered",
                title=f"A mail to {mail.to} could not be delivered",
                facts=f"{mail.subject}: {mail.error}",
                with_whom="",
                short="a lost mail",
            )
            for mail in lost
        ]

    def _from_files(self, loaded: Loaded) -> list[OpenItem]:
        return [
            OpenItem(
                tone="look",
                word="Broken",
                title=f"routines/{routine}.yaml has a mistake",
                facts=f"{problems[0]}. Its last good version stays in force."
                if routine in self._desk.site().routines
                else f"{problems[0]}. It does not run until that is mended.",
                with_whom="",
                short=f"{routine}.yaml",
            )
            for routine, problems in _broken(loaded).items()
        ]


def _broken(loaded: Loaded) -> Mapping[str, Sequence[object]]:
    return {routine: problems for routine, problems in loaded.broken.items() if problems}


def _ranked(items: Sequence[OpenItem]) -> tuple[OpenItem, ...]:
    """Order by tone, then by age: failed before look, the oldest first."""
    order = ("failed", "look", "live", "nothing", "fine")
    return tuple(sorted(items, key=lambda item: (order.index(item.tone), -item.age_days)))
