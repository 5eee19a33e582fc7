"""The house in one line: the figures, each from what was really seen."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_copies import copies_figure
from opsrunner.engine.digest_notices import notices_figure
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.engine.finding_words import since_words
from opsrunner.engine.host_audits import REBOOT, waiting_since
from opsrunner.engine.hosts import inventory, steps_that_reach
from opsrunner.engine.row_choice import needs_row
from opsrunner.ledger.tickets import TicketStand
from opsrunner.model.digest import Figure, Tone
from opsrunner.model.outcome import StepStatus
from opsrunner.model.routine import Routine
from opsrunner.model.spans import span_words
from opsrunner.model.task import Task

ORDERS, TICKETS = "orders", "tickets"
"""Sources of these names feed the figures of the same name."""
LOOK_WITHIN = timedelta(days=1)
"""A look at tickets that is older is said to be."""


def house_figures(desk: Desk, *, from_: datetime, until: datetime) -> tuple[Figure, ...]:
    """Return the figures that something feeds; the others are named as not watched, and none is guessed."""
    copies, tickets, orders = copies_figure(desk, until=until), _tickets(desk, until=until), _orders(desk)
    watched = (("backups", copies), ("tickets", tickets), ("orders", orders))
    unwatched = [name for name, figure in watched if figure is None]
    missing = Figure(name="Not watched", text=f"not watched yet: {', '.join(unwatched)}", tone="nothing")
    found = (
        _hosts(desk, from_=from_, until=until),
        copies,
        tickets,
        orders,
        _mails(desk, from_=from_, until=until),
        notices_figure(desk, from_=from_, until=until),
        missing if unwatched else None,
    )
    return tuple(figure for figure in found if figure is not None)


def _hosts(desk: Desk, *, from_: datetime, until: datetime) -> Figure:
    """Count the hosts that answered the newest step that asked them, and those that wait for a restart."""
    text, tone = _reachable(desk, from_=from_)
    reboots = _reboots(desk, until=until)
    if not reboots:
        return Figure(name="Hosts", text=text, tone=tone)
    return Figure(name="Hosts", text=f"{text}, {reboots}", tone="look")


def _reachable(desk: Desk, *, from_: datetime) -> tuple[str, Tone]:
    """Return `38 of 40 hosts reachable, 1 not asked, 2 that no step asks`; fine only where all were reached."""
    known = {name for name, host in desk.site().hosts.items() if not host.is_local}
    if not known:
        return "this machine only", "nothing"
    seen = {name: status for name, status in desk.books.steps.hosts_seen(since=from_).items() if name in known}
    if not seen:
        return f"none of {plural(len(known), 'host')} asked", "nothing"
    meant = known & (steps_that_reach(desk.site()).keys() | seen.keys())
    reached = sum(status is not StepStatus.UNKNOWN for status in seen.values())
    words = [f"{count_words(reached)} of {plural(len(meant), 'host')} reachable"]
    words += [f"{count_words(len(meant) - len(seen))} not asked"] if len(seen) < len(meant) else []
    words += [f"{count_words(len(known) - len(meant))} that no step asks"] if len(meant) < len(known) else []
    return ", ".join(words), "fine" if reached == len(known) else "look"


def _reboots(desk: Desk, *, until: datetime) -> str:
    """Return how many hosts wait for a restart that nobody accepted: `2 reboots since 6 days`; '' for none."""
    hosts = inventory(desk.site())
    waiting = [since for host, since in waiting_since(desk, REBOOT, at=until).items() if host in hosts]
    if not waiting:
        return ""
    zone = ZoneInfo(desk.site().timezone)
    return f"{plural(len(waiting), 'reboot')} {since_words(min(waiting), at=until, zone=zone)}"


def _orders(desk: Desk) -> Figure | None:
    tasks = _tasks_fed_by(desk, ORDERS)
    if tasks is None:
        return None
    orders = len({task.key for task in tasks})
    text = "no order open" if not orders else f"{plural(orders, 'order')} open"
    return Figure(name="Orders", text=text, tone="live" if orders else "fine")


def _tickets(desk: Desk, *, until: datetime) -> Figure | None:
    """Return how tickets stand: by what last looked at all of them, else by the tasks that a query opened."""
    looked = _looked_at(desk, until=until)
    return _by_tasks(desk, until=until) if looked is None else looked


def _looked_at(desk: Desk, *, until: datetime) -> Figure | None:
    """Return `oldest ticket 3 h, 2 of 14 over their time`, None where no step looks at the clocks of tickets."""
    steps = {
        (routine.id, step.id): step.options.get("source")
        for routine in desk.site().routines.values()
        for step in routine.steps
        if step.kind == "ticket_clocks"
    }
    if not steps:
        return None
    stands = [one for one in desk.books.tickets.stands() if (one.routine, one.step) in steps]
    named = [one for one in stands if one.source == TICKETS] or stands
    if not named:
        return Figure(name="Tickets", text="tickets not looked at yet", tone="nothing")
    widest = max(named, key=lambda one: (one.ours + one.theirs, one.routine, one.step))
    return _stand_words(widest, until=until)


def _stand_words(stand: TicketStand, *, until: datetime) -> Figure:
    words = ["no ticket waits"]
    tone: Tone = "fine"
    if stand.oldest_at is not None:
        age = until - stand.oldest_at
        whose = "its" if stand.ours == 1 else "their"
        over = f"{count_words(stand.over)} of {plural(stand.ours, 'ticket')} over {whose} time"
        words = [f"oldest ticket {span_words(age)}", *([over] if stand.over else [])]
        tone = "look" if stand.over or age > timedelta(days=1) else "live"
    if until - stand.at > LOOK_WITHIN:
        words, tone = [*words, f"looked at {span_words(until - stand.at)} ago"], "look"
    return Figure(name="Tickets", text=", ".join(words), tone=tone)


def _by_tasks(desk: Desk, *, until: datetime) -> Figure | None:
    tasks = _tasks_fed_by(desk, TICKETS)
    if tasks is None:
        return None
    if not tasks:
        return Figure(name="Tickets", text="no ticket waits")
    age = until - min(task.opened_at for task in tasks)
    return Figure(
        name="Tickets", text=f"oldest ticket {span_words(age)}", tone="look" if age > timedelta(days=1) else "live"
    )


def _mails(desk: Desk, *, from_: datetime, until: datetime) -> Figure:
    written, sent, refused = desk.books.outbox.counts(since=from_, until=until)
    if not written:
        return Figure(name="Mails", text="no mail to send", tone="nothing")
    waiting = written - sent - refused
    words = [f"{count_words(sent)} of {plural(written, 'mail')} sent"]
    words += [f"{count_words(refused)} refused"] if refused else []
    words += [f"{count_words(waiting)} waiting"] if waiting else []
    tone: Tone = "failed" if refused else "live" if waiting else "fine"
    return Figure(name="Mails", text=", ".join(words), tone=tone)


def _tasks_fed_by(desk: Desk, source: str) -> list[Task] | None:
    """Return the open keyed tasks of routines that query a source, or None where no routine does.

    One that runs for single rows asks for something about them beside; that they stand open is told by the others.
    """
    fed = [
        routine.id for routine in desk.site().routines.values() if _queries(routine, source) and not needs_row(routine)
    ]
    if not fed:
        return None
    return [task for routine in fed for task in desk.books.tasks.opened(routine=routine) if task.key is not None]


def _queries(routine: Routine, source: str) -> bool:
    return any(step.kind == "query" and step.options.get("source") == source for step in routine.steps)
