"""The house in one line: five figures, each from what was really seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.model.digest import Figure, Tone
from opsrunner.model.outcome import StepStatus
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run
from opsrunner.model.task import Task

ORDERS, TICKETS = "orders", "tickets"
"""Sources of these names feed the figures of the same name."""


def house_figures(desk: Desk, runs: Sequence[Run], *, from_: datetime, until: datetime) -> tuple[Figure, ...]:
    """Return the figures; one that nothing feeds says so, and none is guessed."""
    return (
        _hosts(desk, runs),
        Figure(name="Copies", text="no backups watched yet", tone="nothing"),
        _tickets(desk, until=until),
        _orders(desk),
        _mails(desk, from_=from_, until=until),
    )


def _hosts(desk: Desk, runs: Sequence[Run]) -> Figure:
    """Count the hosts that answered the newest SSH step that asked them."""
    known = [name for name, host in desk.site().hosts.items() if not host.is_local]
    if not known:
        return Figure(name="Hosts", text="this machine only", tone="nothing")
    asked: dict[str, StepStatus] = {}
    for run in reversed(runs):
        for record in desk.books.steps.of_run(run.id) if len(asked) < len(known) else ():
            if record.kind != "ssh" or record.outcome is None:
                continue
            for part in record.outcome.parts:
                asked.setdefault(part.key, part.status)
    if not asked:
        return Figure(name="Hosts", text=f"none of {plural(len(known), 'host')} asked", tone="nothing")
    reached = sum(status is not StepStatus.UNKNOWN for status in asked.values())
    tone: Tone = "fine" if reached == len(known) else "look"
    return Figure(name="Hosts", text=f"{count_words(reached)} of {plural(len(known), 'host')} reachable", tone=tone)


def _orders(desk: Desk) -> Figure:
    tasks = _tasks_fed_by(desk, ORDERS)
    if tasks is None:
        return Figure(name="Orders", text="no orders watched yet", tone="nothing")
    text = "no order open" if not tasks else f"{plural(len(tasks), 'order')} open"
    return Figure(name="Orders", text=text, tone="live" if tasks else "fine")


def _tickets(desk: Desk, *, until: datetime) -> Figure:
    tasks = _tasks_fed_by(desk, TICKETS)
    if tasks is None:
        return Figure(name="Tickets", text="no ticket queue watched yet", tone="nothing")
    if not tasks:
        return Figure(name="Tickets", text="no ticket waits")
    oldest = min(task.opened_at for task in tasks)
    minutes = int((until - oldest).total_seconds() // 60)
    age = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return Figure(name="Tickets", text=f"oldest ticket {age}", tone="look" if minutes > 24 * 60 else "live")


def _mails(desk: Desk, *, from_: datetime, until: datetime) -> Figure:
    written, sent, failed = desk.books.outbox.counts(since=from_, until=until)
    if not written:
        return Figure(name="Mails", text="no mail written", tone="nothing")
    bounced = f", {count_words(failed)} refused" if failed else ""
    text = f"{count_words(sent)} of {plural(written, 'mail')} handed over{bounced}"
    return Figure(name="Mails", text=text, tone="failed" if failed else "fine")


def _tasks_fed_by(desk: Desk, source: str) -> list[Task] | None:
    """Return the open keyed tasks of routines that query a source, or None where no routine does."""
    fed = [routine.id for routine in desk.site().routines.values() if _queries(routine, source)]
    if not fed:
        return None
    return [task for routine in fed for task in desk.books.tasks.opened(routine=routine) if task.key is not None]


def _queries(routine: Routine, source: str) -> bool:
    return any(step.kind == "query" and step.options.get("source") == source for step in routine.steps)
