"""How orders and tickets stand in the house line, and since when that is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_looks import as_last_seen, is_never_seen, look_of
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.engine.row_choice import needs_row
from opsrunner.ledger.tickets import TicketStand
from opsrunner.model.digest import Figure, Tone
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.spans import span_words
from opsrunner.model.task import Task, TaskKind

ORDERS, TICKETS = "orders", "tickets"
"""Sources of these names feed the figures of the same name."""
OLD_TICKET = timedelta(days=1)
"""A ticket that waits longer wants a look, whatever was promised."""


def orders_figure(desk: Desk, *, until: datetime) -> Figure | None:
    """Return `3 orders open`, None where no routine queries them."""
    feeding = _feeding(desk, ORDERS)
    if not feeding:
        return None
    orders = len({task.key for task in _tasks_of(desk, feeding)})
    figure = Figure(name="Orders", text="no order open", tone="fine")
    if orders:
        figure = Figure(name="Orders", text=f"{plural(orders, 'order')} open", tone="live")
    return _by_queries(desk, figure, feeding, is_empty=not orders, until=until)


def tickets_figure(desk: Desk, *, until: datetime) -> Figure | None:
    """Return how tickets stand, by what looks at their clocks, else by the tasks that a query opened.

    None where nothing does either.
    """
    clocks = _clocks(desk)
    return _by_clocks(desk, clocks, until=until) if clocks else _by_tasks(desk, until=until)


def _clocks(desk: Desk) -> list[tuple[Routine, StepPlan]]:
    """Return the steps that look at the clocks of the source of tickets, else at those of any other."""
    found = [
        (routine, step)
        for routine in desk.site().routines.values()
        for step in routine.steps
        if step.kind == "ticket_clocks"
    ]
    return [one for one in found if one[1].options.get("source") == TICKETS] or found


def _by_clocks(desk: Desk, clocks: Sequence[tuple[Routine, StepPlan]], *, until: datetime) -> Figure:
    """Return `oldest ticket 3 h, 2 of 14 over their time`: several steps see different tickets, and are added up."""
    last = {(stand.routine, stand.step, stand.source): stand for stand in desk.books.tickets.stands()}
    found = [(routine, last.get((routine.id, step.id, str(step.options.get("source"))))) for routine, step in clocks]
    looks = [look_of(desk, routine, at=None if stand is None else stand.at, until=until) for routine, stand in found]
    if is_never_seen(looks):
        return Figure(name="Tickets", text="tickets not looked at yet", tone="nothing")
    figure = _stand_words([stand for _, stand in found if stand is not None], until=until)
    return as_last_seen(figure, looks, until=until, almanac=desk.almanac())


def _stand_words(stands: Sequence[TicketStand], *, until: datetime) -> Figure:
    oldest_at = min((stand.oldest_at for stand in stands if stand.oldest_at is not None), default=None)
    if oldest_at is None:
        return Figure(name="Tickets", text="no ticket waits", tone="fine")
    ours, over = sum(stand.ours for stand in stands), sum(stand.over for stand in stands)
    whose = "its" if ours == 1 else "their"
    words = f", {count_words(over)} of {plural(ours, 'ticket')} over {whose} time" if over else ""
    return _oldest(oldest_at, words=words, until=until, is_over=bool(over))


def _by_tasks(desk: Desk, *, until: datetime) -> Figure | None:
    feeding = _feeding(desk, TICKETS)
    if not feeding:
        return None
    tasks = _tasks_of(desk, feeding)
    figure = Figure(name="Tickets", text="no ticket waits", tone="fine")
    if tasks:
        figure = _oldest(min(task.opened_at for task in tasks), until=until)
    return _by_queries(desk, figure, feeding, is_empty=not tasks, until=until)


def _oldest(at: datetime, *, until: datetime, words: str = "", is_over: bool = False) -> Figure:
    age = until - at
    tone: Tone = "look" if is_over or age > OLD_TICKET else "live"
    return Figure(name="Tickets", text=f"oldest ticket {span_words(age)}{words}", tone=tone)


def _by_queries(
    desk: Desk, figure: Figure, feeding: Sequence[tuple[Routine, StepPlan]], *, is_empty: bool, until: datetime
) -> Figure:
    """Return a figure that open tasks give, by when the queries that feed it last ended well."""
    last_good = desk.books.steps.last_good
    looks = [look_of(desk, routine, at=last_good(routine.id, step.id), until=until) for routine, step in feeding]
    if is_empty and is_never_seen(looks):
        return Figure(name=figure.name, text=f"{figure.name.lower()} not looked at yet", tone="nothing")
    return as_last_seen(figure, looks, until=until, almanac=desk.almanac())


def _feeding(desk: Desk, source: str) -> list[tuple[Routine, StepPlan]]:
    """Return the steps that query a source.

    A routine that runs for single rows asks for something about them beside; that they stand open is told by others.
    """
    return [
        (routine, step)
        for routine in desk.site().routines.values()
        if not needs_row(routine)
        for step in routine.steps
        if step.kind == "query" and step.options.get("source") == source
    ]


def _tasks_of(desk: Desk, feeding: Sequence[tuple[Routine, StepPlan]]) -> list[Task]:
    """Return the open tasks about what a query found: the follow-up of one that failed is about no order."""
    routines = dict.fromkeys(routine.id for routine, _ in feeding)
    opened = (task for routine in routines for task in desk.books.tasks.opened(routine=routine))
    return [task for task in opened if task.key is not None and task.kind is TaskKind.ROUTINE]
