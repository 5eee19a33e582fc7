"""The house in one line: the figures, each from what was really seen."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_copies import copies_figure
from opsrunner.engine.digest_looks import LOOK_WITHIN
from opsrunner.engine.digest_notices import notices_figure
from opsrunner.engine.digest_queues import orders_figure, tickets_figure
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.engine.finding_words import since_words
from opsrunner.engine.host_audits import REBOOT, waiting_since
from opsrunner.engine.hosts import inventory, steps_that_reach
from opsrunner.model.digest import Figure, Tone
from opsrunner.model.outcome import StepStatus
from opsrunner.model.spans import span_words


def house_figures(desk: Desk, *, from_: datetime, until: datetime) -> tuple[Figure, ...]:
    """Return the figures that something feeds; the others are named as not watched, and none is guessed."""
    copies = copies_figure(desk, until=until)
    tickets, orders = tickets_figure(desk, until=until), orders_figure(desk, until=until)
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
    text, tone = _reachable(desk, from_=from_, until=until)
    reboots = _reboots(desk, until=until)
    if not reboots:
        return Figure(name="Hosts", text=text, tone=tone)
    return Figure(name="Hosts", text=f"{text}, {reboots}", tone="look")


def _reachable(desk: Desk, *, from_: datetime, until: datetime) -> tuple[str, Tone]:
    """Return `38 of 40 hosts reachable, 1 not asked, 2 that no step asks`; fine only where all were reached of late.

    A digest may tell of many days: that a host answered in the first of them does not say that it does now.
    """
    known = {name for name, host in desk.site().hosts.items() if not host.is_local}
    if not known:
        return "this machine only", "nothing"
    seen = {name: one for name, one in desk.books.steps.hosts_seen(since=from_).items() if name in known}
    if not seen:
        return f"none of {plural(len(known), 'host')} asked", "nothing"
    meant = known & (steps_that_reach(desk.site()).keys() | seen.keys())
    reached = sum(one.status is not StepStatus.UNKNOWN for one in seen.values())
    long_ago = [one.at for one in seen.values() if until - one.at > LOOK_WITHIN]
    words = [f"{count_words(reached)} of {plural(len(meant), 'host')} reachable"]
    words += [f"{count_words(len(meant) - len(seen))} not asked"] if len(seen) < len(meant) else []
    words += [f"{count_words(len(known) - len(meant))} that no step asks"] if len(meant) < len(known) else []
    words += [f"{count_words(len(long_ago))} last asked {span_words(until - min(long_ago))} ago"] if long_ago else []
    return ", ".join(words), "fine" if reached == len(known) and not long_ago else "look"


def _reboots(desk: Desk, *, until: datetime) -> str:
    """Return how many hosts wait for a restart that nobody accepted: `2 reboots since 6 days`; '' for none."""
    hosts = inventory(desk.site())
    waiting = [since for host, since in waiting_since(desk, REBOOT, at=until).items() if host in hosts]
    if not waiting:
        return ""
    zone = ZoneInfo(desk.site().timezone)
    return f"{plural(len(waiting), 'reboot')} {since_words(min(waiting), at=until, zone=zone)}"


def _mails(desk: Desk, *, from_: datetime, until: datetime) -> Figure:
    """Count the mails of the period, and those from before it that did not leave or were refused since."""
    written, sent, refused = desk.books.outbox.counts(since=from_, until=until)
    waiting, (stuck, _) = written - sent - refused, desk.books.mail_queue.stuck(before=from_, now=until)
    lost = desk.books.mail_queue.standing(now=until, since=from_).given_up - refused
    words = [f"{count_words(sent)} of {plural(written, 'mail')} sent"] if written else []
    words += [f"{count_words(refused)} refused"] if refused else []
    words += [f"{count_words(waiting)} waiting"] if waiting else []
    words += [f"{plural(lost, 'older mail')} refused"] if lost > 0 else []
    words += [f"{plural(stuck, 'older mail')} waiting"] if stuck else []
    if not words:
        return Figure(name="Mails", text="no mail to send", tone="nothing")
    tone: Tone = "failed" if refused or lost > 0 else "look" if stuck else "live" if waiting else "fine"
    return Figure(name="Mails", text=", ".join(words), tone=tone)
