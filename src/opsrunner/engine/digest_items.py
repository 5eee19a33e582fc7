"""The open items of a digest: what its readers must act on, and what others have in hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from opsrunner.config.folder import ENDINGS
from opsrunner.config.loader import Loaded
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_copies import copy_items
from opsrunner.engine.digest_downtimes import downtime_items
from opsrunner.engine.digest_names import Names
from opsrunner.engine.digest_runs import RunWords, that_ran
from opsrunner.engine.digest_said import MOST_NAMED, listed, sentence
from opsrunner.engine.digest_tasks import TaskWords
from opsrunner.engine.digest_words import plural
from opsrunner.engine.escalations import heard_of
from opsrunner.engine.finding_words import is_about_findings
from opsrunner.engine.meanwhile import holds_meanwhile
from opsrunner.engine.people import People
from opsrunner.ledger.ends import TROUBLE, Tally
from opsrunner.model.digest import OpenItem
from opsrunner.model.finding import Severity
from opsrunner.model.mail import QueuedMail
from opsrunner.model.run import RunStatus
from opsrunner.model.site import Problem
from opsrunner.model.task import Task, TaskKind
from opsrunner.records import dataclass

MOST_ALIKE = 3
"""More rows or hosts of one step than this stand as one item; what is due of one checklist always does."""
SOON = timedelta(days=1)
"""A reader's own task is news when it is due before the next digest; until then it is something that comes."""


class Stand(Enum):
    """How a task stands to the readers."""

    NEEDS_YOU = 0
    IN_HAND = 1
    COMES = 2
    NO_NEWS = 3


@dataclass(frozen=True, kw_only=True)
class Open:
    """What is open. `routines` are those that an item stands for; `coming` are readers' own tasks of later days."""

    needs_you: tuple[OpenItem, ...]
    in_hand: tuple[OpenItem, ...]
    routines: frozenset[str]
    coming: tuple[Task, ...] = ()


def open_items(
    desk: Desk,
    ended: Mapping[str, Sequence[Tally]],
    *,
    opened: Sequence[Task],
    undone: Sequence[Task],
    from_: datetime,
    until: datetime,
    loaded: Loaded,
) -> Open:
    """Return everything open at `until`, the most pressing first, and what could not be done.

    `ended` are the ends that the digest tells of, by routine; `opened` are the open tasks, `undone` those that were
    closed since they could not be done.
    """
    return _Collector(desk, from_=from_, until=until).collect(ended, opened, undone, loaded)


class _Collector:
    def __init__(self, desk: Desk, *, from_: datetime, until: datetime) -> None:
        self._desk, self._from, self._until = desk, from_, until
        self._people = People(desk)
        self._names = Names(desk, until=until)
        self._tasks = TaskWords(desk, self._names, until=until)
        self._runs = RunWords(desk, self._names, until=until)

    def collect(
        self, ended: Mapping[str, Sequence[Tally]], tasks: Sequence[Task], undone: Sequence[Task], loaded: Loaded
    ) -> Open:
        by_stand: dict[Stand, list[Task]] = defaultdict(list)
        for task in tasks:
            by_stand[self._stand(task)].append(task)
        mine = self._from_tasks(by_stand[Stand.NEEDS_YOU], tasks)
        others = self._from_tasks(by_stand[Stand.IN_HAND], tasks)
        mine += self._from_undone([task for task in undone if self._was_escalated(task)])
        others += self._from_undone([task for task in undone if not self._was_escalated(task)])
        shown = [*by_stand[Stand.NEEDS_YOU], *by_stand[Stand.IN_HAND]]
        ran = {routine: own for routine, ends in ended.items() if (own := that_ran(ends))}
        in_trouble = {routine for routine, own in ran.items() if own[-1].status in TROUBLE}
        of_runs = self._from_runs(ran, shown=shown, tasks=tasks)
        told = {task.routine for task in shown if task.kind is TaskKind.FOLLOW_UP or task.is_late(self._until)}
        told |= {task.routine for task in undone}
        copies = copy_items(self._desk, until=self._until)
        downtimes = downtime_items(self._desk, from_=self._from, until=self._until)
        return Open(
            needs_you=_ranked(self._linked([*mine, *copies, *downtimes, *self._from_mails()])),
            in_hand=_ranked(self._linked([*others, *of_runs.values(), *self._from_files(loaded)])),
            routines=frozenset(name for name in (*told, *in_trouble) if name),
            coming=tuple(by_stand[Stand.COMES]),
        )

    def _linked(self, items: Sequence[OpenItem]) -> list[OpenItem]:
        """Return items with the way to their page, where people elsewhere have one."""
        web = self._desk.site().web
        if not web.url:
            return list(items)
        return [
            replace(item, url=web.link(task=item.task, run=item.run), action=item.action or "Open it")
            if item.task or item.run
            else item
            for item in items
        ]

    def _from_tasks(self, tasks: Sequence[Task], all_open: Sequence[Task]) -> list[OpenItem]:
        """Return the items of tasks, those that read alike as one: of one checklist, or of one step's rows."""
        groups: dict[tuple[object, ...], list[Task]] = defaultdict(list)
        for task in tasks:
            late = task.is_late(self._until)
            if task.kind is TaskKind.AD_HOC or task.approve_by:
                groups[(task.id,)].append(task)
            elif task.kind is TaskKind.FOLLOW_UP:
                groups[("follow-up", task.routine, task.step)].append(task)
            else:
                groups[(late, task.routine, task.key and late and task.step)].append(task)
        items: list[OpenItem] = []
        for alike in groups.values():
            if len(alike) <= (1 if alike[0].key is None else MOST_ALIKE):
                items += [self._tasks.one(task) for task in alike]
                continue
            of = sum(task.routine == alike[0].routine and task.kind is alike[0].kind for task in all_open)
            items.append(self._tasks.together(alike, of=of))
        return items

    def _from_undone(self, tasks: Sequence[Task]) -> list[OpenItem]:
        """Return the items of tasks that could not be done, many of one step as one."""
        groups: dict[tuple[object, ...], list[Task]] = defaultdict(list)
        for task in tasks:
            groups[(task.routine, task.step, task.kind, task.id if task.routine is None else None)].append(task)
        items: list[OpenItem] = []
        for alike in groups.values():
            is_many = len(alike) > MOST_ALIKE
            items += [self._tasks.undone_together(alike)] if is_many else [self._tasks.undone(task) for task in alike]
        return items

    def _was_escalated(self, task: Task) -> bool:
        """Tell whether a closed task had been escalated to a reader."""
        names = heard_of(task, self._desk.books.tasks.rungs(task.id)) if task.escalate else ()
        heard = (person.id for name in names for person in self._people.persons(name, at=self._until))
        return any(person in self._names.readers for person in heard)

    def _stand(self, task: Task) -> Stand:
        late = task.is_late(self._until)
        if self._is_escalated(task) or (late and self._is_for_a_reader(task)):
            return Stand.NEEDS_YOU
        if self._is_own(task):
            pressing = task.due_at is None or task.due_at <= self._until + SOON
            decides = bool(task.approve_by) or task.wait or task.kind is TaskKind.FOLLOW_UP
            return Stand.NEEDS_YOU if pressing or decides else Stand.COMES
        if late or task.kind is TaskKind.FOLLOW_UP or self._is_grave_finding(task):
            return Stand.IN_HAND
        has_lain = task.key is not None and task.due_at is None and self._until - task.opened_at >= SOON
        return Stand.IN_HAND if has_lain else Stand.NO_NEWS

    def _is_grave_finding(self, task: Task) -> bool:
        """Tell whether audits found something that an owner wants to know of at once, or that has stood for a day."""
        if not is_about_findings(task):
            return False
        rank, has_lain = Severity(task.row["severity"]).rank, self._until - task.opened_at >= SOON
        return rank <= Severity.HIGH.rank or (rank <= Severity.MEDIUM.rank and has_lain)

    def _is_own(self, task: Task) -> bool:
        """Tell whether a task is a reader's: theirs by name, or of a role that readers alone have."""
        readers, owner = self._names.readers, self._names.owner(task)
        if owner is not None:
            return owner.id in readers
        holders = self._desk.site().holders_of(task.role)
        return bool(holders) and all(person.id in readers for person in holders)

    def _is_escalated(self, task: Task) -> bool:
        readers = self._names.readers.values()
        return bool(task.escalate) and any(
            self._people.is_escalated_to(task, reader, at=self._until) for reader in readers
        )

    def _is_for_a_reader(self, task: Task) -> bool:
        return any(self._people.is_for(task, reader, at=self._until) for reader in self._names.readers.values())

    def _from_runs(
        self, ran: Mapping[str, Sequence[Tally]], *, shown: Sequence[Task], tasks: Sequence[Task]
    ) -> dict[str, OpenItem]:
        """Return an item for each routine whose newest run was not a success and that no task stands for."""
        failures = {task.routine for task in shown if task.kind is TaskKind.FOLLOW_UP}
        findings = {task.routine for task in shown if task.kind is TaskKind.ROUTINE}
        items: dict[str, OpenItem] = {}
        for routine, own in ran.items():
            newest = own[-1]
            stands = routine in failures or (newest.status is RunStatus.WARNING and routine in findings)
            if newest.status in TROUBLE and not stands:
                opened = [task for task in tasks if task.routine == routine and task.kind is TaskKind.ROUTINE]
                items[routine] = self._runs.item(own, opened=opened)
        return items

    def _from_mails(self) -> list[OpenItem]:
        lost = self._desk.books.outbox.given_up(since=self._from, until=self._until)
        if len(lost) > MOST_ALIKE:
            return [self._lost_mails(lost)]
        return [self._lost_mails([mail]) for mail in lost]

    def _lost_mails(self, mails: Sequence[QueuedMail]) -> OpenItem:
        first = mails[0]
        to = listed([mail.to for mail in mails[:MOST_NAMED]], total=len(mails))
        what = f"“{first.subject}”: " if len(mails) == 1 else ""
        known = {person.email: person.name for person in self._desk.site().people.values()}
        advice = f"Mend the address of {known[first.to]} in opsrunner.yaml" if first.to in known else "Reach them"
        otherwise = "" if first.to in known else " another way, and mend the address"
        return OpenItem(
            tone="failed",
            word="Undelivered",
            title=f"A mail to {to}" if len(mails) == 1 else f"{plural(len(mails), 'mail')} to {to}",
            facts=f"{what}{sentence(first.error or 'it was given up')} {advice}{otherwise}.",
            with_whom="",
            command="opsrunner doctor",
            short="a lost mail" if len(mails) == 1 else "lost mails",
        )

    def _from_files(self, loaded: Loaded) -> list[OpenItem]:
        """Return an item for each file with mistakes."""
        found: dict[str, list[Problem]] = defaultdict(list)
        for problem in loaded.problems:
            found[problem.file].append(problem)
        return [self._file(file, problems) for file, problems in found.items()]

    def _file(self, file: str, problems: Sequence[Problem]) -> OpenItem:
        first, holds = problems[0], sentence(holds_meanwhile(self._desk.site(), file))
        where = f"Line {first.line}, column {first.column}: " if file.endswith(ENDINGS) else ""
        path = f"{first.path}: " if first.path else ""
        hint = f", {first.hint}" if first.hint else ""
        said = sentence(f"{where}{path}{first.message}{hint}")
        more = f" And {plural(len(problems) - 1, 'more mistake')}." if len(problems) > 1 else ""
        return OpenItem(
            tone="look",
            word="Mistake",
            title=file,
            facts=f"{said}{more} {holds}".rstrip(),
            with_whom="",
            command=f"opsrunner check {file}" if file.startswith("routines/") else "opsrunner check",
            short=file.rpartition("/")[2],
        )


def _ranked(items: Sequence[OpenItem]) -> tuple[OpenItem, ...]:
    """Order by tone, then by age: failed before look, the oldest first."""
    order = ("failed", "look", "live", "nothing", "fine")
    return tuple(sorted(items, key=lambda item: (order.index(item.tone), -item.age_days)))
