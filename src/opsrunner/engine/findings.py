"""From finding to person: one task a cause with the hosts that have it, and one for all that a first audit found.

The audits keep them: the next one shrinks a task, closes it with what it saw, or asks again where somebody ticked it
and the cause is still there.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.asking import again_words, below_words, is_asked
from opsrunner.engine.desk import Desk
from opsrunner.engine.finding_words import hosts_words
from opsrunner.engine.plain_markdown import plain_markdown
from opsrunner.engine.tasks import BY_CHECK, OUTCOME_LENGTH
from opsrunner.errors import NotFound
from opsrunner.mail.headers import clean_line
from opsrunner.model.finding import BASELINE, AuditChange, Audited, KnownFinding, Severity, TaskRule
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus
from opsrunner.records import dataclass
from opsrunner.schedules.business import due_moment
from opsrunner.schedules.day_names import day_words
from opsrunner.steps.fenced import fenced

MOST_HOSTS = 40
"""So many hosts a task names; `opsrunner findings` names them all."""
MOST_OF_HOST = 6
TITLE_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class _Audit:
    """An audit that is written down, with what its tasks are made of."""

    run: Run
    routine: Routine
    plan: StepPlan
    rule: TaskRule
    at: datetime


class FindingTasks:
    """Opens, renews and closes the tasks about findings."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def audited(self, run: Run, routine: Routine, plan: StepPlan, audited: Audited, *, at: datetime) -> None:
        """Write what an audit found, and bring its tasks up to date; in the caller's transaction."""
        change = self._desk.books.findings.write(audited)
        self._desk.books.samples.write(audited)
        audit = _Audit(run=run, routine=routine, plan=plan, rule=audited.tasks, at=at)
        groups = self._groups(routine.id, plan.id, at=at)
        opened = self._opened(routine.id, plan.id)
        for key, found in groups.items():
            if key in opened:
                self._renew(audit, opened[key], found)
            elif audited.tasks.opens:
                self._open(audit, key, found, seen=_seen(audited))
        for key in opened.keys() - groups.keys():
            self._close(opened[key], f"run {run.id}: {self._why_gone(opened[key], audited, change)}", at=at)

    def accepted(self, routine: str, step: str, *, by: str, at: datetime) -> list[Task]:
        """Close the tasks of which all was accepted, and return them; the others shrink at the next audit."""
        groups = self._groups(routine, step, at=at)
        over = [task for key, task in self._opened(routine, step).items() if key not in groups]
        return [task for task in over if self._close(task, f"accepted by {by}", at=at)]

    def _groups(self, routine: str, step: str, *, at: datetime) -> dict[str, list[KnownFinding]]:
        """Return what stands and is not accepted, by the key of its task."""
        groups: dict[str, list[KnownFinding]] = defaultdict(list)
        for one in self._desk.books.findings.standing(at=at, routine=routine, step=step):
            if one.accepted is None:
                groups[BASELINE if one.is_baseline else one.finding.cause].append(one)
        return groups

    def _opened(self, routine: str, step: str) -> dict[str, Task]:
        found = self._desk.books.tasks.open_of_step(routine, step, TaskKind.ROUTINE)
        return {task.key: task for task in found if task.key is not None}

    def _open(
        self, audit: _Audit, key: str, found: Sequence[KnownFinding], *, seen: Collection[tuple[str, str, str]]
    ) -> None:
        """Open a task; where somebody ticked the last one, only if this audit itself has `seen` something of it."""
        books, routine, step = self._desk.books, audit.routine.id, audit.plan.id
        before = self._ticked(books.findings.last_task(routine, step, key), found)
        if before and not any(one.finding.key in seen for one in found):
            return
        task, _ = books.tasks.open(self._new(audit, key, found, message=before))
        books.findings.opened_task(routine, step, key, task_id=task.id)

    def _renew(self, audit: _Audit, task: Task, found: Sequence[KnownFinding]) -> None:
        new = self._new(audit, str(task.key), found, message=self._shrunk(audit.run, task, found))
        worse = Severity(new.row["severity"]).rank < Severity(task.row.get("severity", Severity.CRITICAL)).rank
        due_at = new.due_at if worse and (task.due_at is None or _is_sooner(new.due_at, task.due_at)) else task.due_at
        self._desk.books.tasks.renew(task.id, replace(new, due_at=due_at))

    def _close(self, task: Task, outcome: str, *, at: datetime) -> bool:
        evidence = Evidence(outcome=clean_line(outcome, length=OUTCOME_LENGTH))
        return self._desk.books.tasks.close(task.id, status=TaskStatus.DONE, by=BY_CHECK, evidence=evidence, at=at)

    def _new(self, audit: _Audit, key: str, found: Sequence[KnownFinding], *, message: str) -> NewTask:
        worst = min((one.finding.severity for one in found), key=lambda severity: severity.rank)
        return NewTask(
            kind=TaskKind.ROUTINE,
            run=audit.run.id,
            routine=audit.routine.id,
            step=audit.plan.id,
            item=audit.plan.id,
            key=key,
            title=clean_line(_title(audit.plan, key, found), length=TITLE_LENGTH),
            how=self._how(audit, key, found),
            role=audit.rule.role or audit.routine.accountable,
            due_at=self._due_at(audit, worst),
            escalate=audit.rule.escalate,
            expires="never",
            message=message,
            row=_row(worst, found),
            opened_at=audit.at,
            opened_by=audit.run.actor or "opsrunner",
        )

    def _due_at(self, audit: _Audit, worst: Severity) -> datetime | None:
        due = audit.rule.due.get(worst)
        if due is None:
            return None
        return due_moment(due, opened_at=audit.at, zone=self._desk.site().timezone, almanac=self._desk.almanac())

    def _how(self, audit: _Audit, key: str, found: Sequence[KnownFinding]) -> str:
        zone = ZoneInfo(self._desk.site().timezone)
        names = {one.finding.name for one in found}
        name = "NAME" if key == BASELINE else shlex.quote(names.pop()) if len(names) == 1 else key
        lines = [*_listed(found, zone, by_cause=key == BASELINE), ""]
        if key == BASELINE:
            lines += ["This is what was there at the first look. Decide about each: mend it, or accept it for a while."]
        else:
            lines += [self._desk.books.findings.causes(audit.routine.id, audit.plan.id)[key].how]
        lines += [
            "",
            *_again(audit.routine),
            f"All of it: `opsrunner findings{'' if key == BASELINE else f' {key}'}`",
            "",
            "What may stand for a while:",
            "",
            fenced(f'opsrunner accept {name} --until DATE --reason "WHY"'),
            "",
            "The next audit takes off what is mended, and closes this when nothing is left.",
        ]
        return "\n".join(lines)

    def _ticked(self, task_id: int | None, found: Sequence[KnownFinding]) -> str:
        """Return who ticked the task about what stands since before; '' where nobody did, or all of it came later."""
        try:
            before = self._desk.books.tasks.get(task_id or 0)
        except NotFound:
            return ""
        if before.is_open or before.closed_by == BY_CHECK or before.closed_at is None:
            return ""
        if all(one.first_seen_at > before.closed_at for one in found):
            return ""
        person = self._desk.site().people.get(before.closed_by)
        day = day_words(before.closed_at.astimezone(ZoneInfo(self._desk.site().timezone)).date())
        said = before.status.value.replace("_", " ")
        return f"{person.name if person else before.closed_by} ticked it {said} on {day}; the audit still finds it"

    def _why_gone(self, task: Task, audited: Audited, change: AuditChange) -> str:
        """Return why nothing is left of a task's cause; what was not looked at is not said to be mended."""
        hosts: dict[str, list[str]] = defaultdict(list)
        for host, cause, why in change.ended:
            if task.key in (BASELINE, cause) and host not in hosts[why]:
                hosts[why].append(host)
        words = [f"{why}: {', '.join(sorted(names))}" for why, names in hosts.items()]
        standing = self._desk.books.findings.standing(at=audited.at, routine=audited.routine, step=audited.step)
        left = {
            one.finding.host
            for one in standing
            if one.accepted is not None and task.key == (BASELINE if one.is_baseline else one.finding.cause)
        }
        accepted = [f"what is left is accepted: {', '.join(sorted(left))}"] if left else []
        return "; ".join([*words, *accepted]) or "nothing of it is left"

    @staticmethod
    def _shrunk(run: Run, task: Task, found: Sequence[KnownFinding]) -> str:
        gone = sorted(set(task.row.get("hosts", ())) - {one.finding.host for one in found})
        return (
            clean_line(f"run {run.id}: no longer on {', '.join(gone)}", length=OUTCOME_LENGTH) if gone else task.message
        )


def _again(routine: Routine) -> Iterator[str]:
    if is_asked(routine):
        yield from (again_words(routine, run_it="Ask again when it is put right") + below_words(routine), "")


def _seen(audited: Audited) -> set[tuple[str, str, str]]:
    return {finding.key for report in audited.reports for finding in report.findings}


def _title(plan: StepPlan, key: str, found: Sequence[KnownFinding]) -> str:
    hosts = sorted({one.finding.host for one in found})
    if key == BASELINE:
        name = plan.name or plan.kind.replace("_", " ")
        return f"Go through what was there at the first look at {hosts_words(hosts)}: {name}"
    return f"{found[0].title or key} on {hosts_words(hosts)}"


def _row(worst: Severity, found: Sequence[KnownFinding]) -> Row:
    hosts = sorted({one.finding.host for one in found})
    return {"severity": worst.value, "findings": len(found), "hosts": hosts}


def _listed(found: Sequence[KnownFinding], zone: ZoneInfo, *, by_cause: bool) -> Iterator[str]:
    """Yield a Markdown list with a line for each host; what the hosts said stands in it as data."""
    by_host: Mapping[str, list[KnownFinding]] = defaultdict(list)
    for one in found:
        by_host[one.finding.host].append(one)
    for host in sorted(by_host)[:MOST_HOSTS]:
        said = _causes(by_host[host]) if by_cause else _details(by_host[host])
        since = min(one.first_seen_at for one in by_host[host]).astimezone(zone).date()
        yield f"- **{plain_markdown(host)}**: {said}; since {day_words(since)}"
    if len(by_host) > MOST_HOSTS:
        yield f"- and {len(by_host) - MOST_HOSTS} hosts more"


def _details(found: Sequence[KnownFinding]) -> str:
    found = sorted(found, key=lambda one: (one.finding.severity.rank, one.finding.subject))
    said = [plain_markdown(" ".join((one.finding.subject, one.finding.detail)).strip()) for one in found[:MOST_OF_HOST]]
    more = [f"and {len(found) - MOST_OF_HOST} more"] if len(found) > MOST_OF_HOST else []
    return "; ".join([*said, *more])


def _causes(found: Sequence[KnownFinding]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for one in sorted(found, key=lambda one: one.finding.severity.rank):
        counts[one.finding.cause] += 1
    return ", ".join(cause if count == 1 else f"{count} {cause}" for cause, count in counts.items())


def _is_sooner(one: datetime | None, other: datetime) -> bool:
    return one is not None and one < other
